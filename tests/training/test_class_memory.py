import torch

from model.config import ModelConfig
from model.query_adaptive_convolution import QueryAdaptiveConvolution
from training.class_memory import ClassMemory, score_against_classes


def test_nothing_is_valid_at_first_and_a_batch_makes_its_classes_valid() -> None:
    memory = ClassMemory(5, (2, 3, 1))
    random = torch.Generator().manual_seed(0)
    assert memory.choose_classes(torch.tensor([0]), 10, random).tolist() == []
    memory.replace(torch.ones(2, 2, 3, 1), torch.tensor([3, 1]))
    assert memory.is_valid.tolist() == [False, True, False, True, False]
    assert memory.choose_classes(torch.tensor([0]), 10, random).tolist() == [1, 3]


def test_the_newest_map_of_a_class_stays() -> None:
    memory = ClassMemory(3, (1, 1, 1))
    maps = torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1, 1)
    kept = memory.replace(maps, torch.tensor([0, 2, 0]))
    assert memory.maps.flatten().tolist() == [3.0, 0.0, 2.0]
    assert sorted(kept.tolist()) == [1, 2]
    memory.replace(maps[:1] * 7, torch.tensor([2]))
    assert memory.maps.flatten().tolist() == [3.0, 0.0, 7.0]


def test_the_memory_keeps_no_gradient() -> None:
    memory = ClassMemory(1, (1, 1, 1))
    memory.replace(torch.ones(1, 1, 1, 1, requires_grad=True), torch.tensor([0]))
    assert not memory.maps.requires_grad


def test_a_limit_keeps_the_classes_of_the_batch() -> None:
    memory = ClassMemory(20, (1, 1, 1))
    memory.replace(torch.zeros(20, 1, 1, 1), torch.arange(20))
    for seed in range(5):
        chosen = memory.choose_classes(torch.tensor([4, 17, 4]), 6, torch.Generator().manual_seed(seed)).tolist()
        assert len(chosen) == len(set(chosen)) == 6
        assert {4, 17} <= set(chosen)
        assert chosen == sorted(chosen)


def test_scores_are_those_of_the_matcher() -> None:
    config = ModelConfig(input_height=64, input_width=32, channels=16, backbone="resnet18")
    matcher = QueryAdaptiveConvolution(config).eval()
    generator = torch.Generator().manual_seed(1)
    maps, class_maps = (
        torch.nn.functional.normalize(torch.randn(n, 16, 4, 2, generator=generator), dim=1) for n in (3, 5)
    )
    with torch.no_grad():
        expected = matcher(maps, class_maps)
        logits = score_against_classes(maps, class_maps, matcher.head, 1)
    # Cosines are computed in bfloat16, whose rounding is 2**-9 of a value; the head adds 16 of them, each times 1/8.
    torch.testing.assert_close(logits, expected, atol=2e-2, rtol=0)
