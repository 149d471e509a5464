from typing import Literal

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from model.checkpoint import create_checkpoint
from model.config import ModelConfig
from model.query_adaptive_convolution import MatchingHead, QueryAdaptiveConvolution
from reference.matching_training import memory_loss, updated_memory
from training.class_memory import ClassMemory, score_against_classes
from training.network_outputs import NetworkOutputs
from training.objectives.class_memory_matching import ClassMemoryMatching, ClassMemoryObjective


def unit_maps(n: int, seed: int, channels: int = 16, height: int = 2, width: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(n, channels, height, width, generator=generator), dim=1)


def test_nothing_is_valid_at_first_and_a_batch_makes_its_classes_valid() -> None:
    memory = ClassMemory(5, (2, 3, 1))
    random = torch.Generator().manual_seed(0)
    assert memory.choose_classes(torch.tensor([0]), 10, random).tolist() == []
    memory.update(torch.ones(2, 2, 3, 1), torch.tensor([3, 1]))
    assert memory.is_valid.tolist() == [False, True, False, True, False]
    assert memory.choose_classes(torch.tensor([0]), 10, random).tolist() == [1, 3]


def test_the_newest_map_of_a_class_stays() -> None:
    memory = ClassMemory(3, (1, 1, 1))
    maps = torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1, 1)
    is_kept = memory.update(maps, torch.tensor([0, 2, 0]))
    assert memory.maps.flatten().tolist() == [3.0, 0.0, 2.0]
    assert is_kept.tolist() == [False, True, True]
    memory.update(maps[:1] * 7, torch.tensor([2]))
    assert memory.maps.flatten().tolist() == [3.0, 0.0, 7.0]


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_batches_change_the_memory_as_slow_loops_do(momentum: float) -> None:
    memory = ClassMemory(4, (16, 2, 2), momentum)
    expected, valid = memory.maps.clone(), [False] * 4
    for seed, persons in enumerate(([1, 2, 1], [1, 3, 3], [0, 1, 2])):
        maps = unit_maps(3, seed)
        memory.update(maps, torch.tensor(persons))
        expected, valid = updated_memory(expected, valid, maps, persons, momentum)
    torch.testing.assert_close(memory.maps, expected)
    assert memory.is_valid.tolist() == valid


def test_a_moving_average_by_hand() -> None:
    memory = ClassMemory(1, (2, 1, 1), momentum=0.75)
    memory.update(torch.tensor([1.0, 0.0]).view(1, 2, 1, 1), torch.tensor([0]))
    is_unmixed = memory.update(torch.tensor([0.0, 1.0]).view(1, 2, 1, 1), torch.tensor([0]))
    # (0.75, 0.25) at unit length.
    assert memory.maps.flatten().tolist() == pytest.approx([3 / 10**0.5, 1 / 10**0.5])
    assert is_unmixed.tolist() == [False]


def test_the_memory_keeps_no_gradient() -> None:
    memory = ClassMemory(1, (1, 1, 1))
    memory.update(torch.ones(1, 1, 1, 1, requires_grad=True), torch.tensor([0]))
    assert not memory.maps.requires_grad


def test_a_limit_keeps_the_classes_of_the_batch_and_none_takes_all() -> None:
    memory = ClassMemory(20, (1, 1, 1))
    memory.update(torch.zeros(20, 1, 1, 1), torch.arange(20))
    for seed in range(5):
        chosen = memory.choose_classes(torch.tensor([4, 17, 4]), 6, torch.Generator().manual_seed(seed)).tolist()
        assert len(chosen) == len(set(chosen)) == 6
        assert {4, 17} <= set(chosen)
        assert chosen == sorted(chosen)
    assert len(memory.choose_classes(torch.tensor([4]), 0, torch.Generator())) == 20


def test_scores_are_those_of_the_matcher() -> None:
    config = ModelConfig(input_height=64, input_width=32, channels=16, backbone="resnet18")
    matcher = QueryAdaptiveConvolution(config).eval()
    maps, class_maps = unit_maps(3, 1, height=4), unit_maps(5, 2, height=4)
    with torch.no_grad():
        expected = matcher(maps, class_maps)
        logits = score_against_classes(maps, class_maps, matcher.head, 1, torch.bfloat16)
    # Cosines are computed in bfloat16, whose rounding is 2**-9 of a value; the head adds 16 of them, each times 1/8.
    torch.testing.assert_close(logits, expected, atol=2e-2, rtol=0)


@pytest.mark.parametrize("takes_batch", ["after", "before"])
@pytest.mark.parametrize("shared", [False, True])
def test_the_loss_and_its_gradients_equal_slow_loops(shared: bool, takes_batch: Literal["after", "before"]) -> None:
    config = ModelConfig(
        input_height=16, input_width=16, final_layer="layer2", channels=16, backbone="resnet18", shared_head=shared
    )
    model = create_checkpoint("small", config)
    head = model.matcher.head.train()
    torch.nn.init.uniform_(head.fc.weight, 0.1, 0.5)
    objective = ClassMemoryObjective(ClassMemoryMatching(takes_batch=takes_batch), model, 5)
    earlier = [0, 2, 4]
    objective.memory.update(unit_maps(3, 7), torch.tensor(earlier))
    before, valid = objective.memory.maps.clone(), objective.memory.is_valid.tolist()
    # Of person 3 two crops: the second is in the memory then, and not the first.
    maps, persons = unit_maps(4, 8).requires_grad_(), [2, 3, 3, 0]
    loss = objective(NetworkOutputs(maps, maps), torch.tensor(persons), torch.Generator())
    loss.total.backward()

    slow_maps = maps.detach().double().requires_grad_()
    slow_head = MatchingHead(4, shared=shared).double()
    slow_head.load_state_dict(MatchingHead.state_dict(head))
    expected, valid_after = updated_memory(before, valid, maps.detach(), persons, 0.0)
    if takes_batch == "after":
        slow = memory_loss(slow_maps, persons, before.double(), valid, slow_head, 2.0)
    else:
        slow = memory_loss(slow_maps, persons, expected.double(), valid_after, slow_head, 2.0, own=[0, 2, 3])
    slow.backward()
    assert float(loss.total.detach()) == pytest.approx(float(slow.detach()), rel=1e-5)
    assert maps.grad is not None
    assert head.fc.weight.grad is not None
    torch.testing.assert_close(maps.grad, slow_maps.grad.float(), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(head.fc.weight.grad, slow_head.fc.weight.grad.float(), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(objective.memory.maps, expected)
    assert objective.memory.is_valid.tolist() == valid_after == [True, False, True, True, True]


def test_the_very_first_batch_of_the_papers_order_has_nothing_to_learn_from() -> None:
    model = create_checkpoint("small", ModelConfig(input_height=16, input_width=16, final_layer="layer2", channels=16))
    objective = ClassMemoryObjective(ClassMemoryMatching(), model, 5)
    maps = unit_maps(2, 0).requires_grad_()
    loss = objective(NetworkOutputs(maps, maps), torch.tensor([1, 3]), torch.Generator())
    loss.total.backward()
    assert float(loss.total.detach()) == 0.0
    assert float(maps.grad.abs().sum()) == 0.0
    assert objective.memory.is_valid.tolist() == [False, True, False, True, False]


def test_a_crop_is_not_scored_against_itself_when_the_memory_takes_it_before() -> None:
    model = create_checkpoint("small", ModelConfig(input_height=16, input_width=16, final_layer="layer2", channels=16))
    model.matcher.train()
    objective = ClassMemoryObjective(ClassMemoryMatching(takes_batch="before"), model, 2)
    maps = unit_maps(2, 0).requires_grad_()
    alone = objective(NetworkOutputs(maps, maps), torch.tensor([0, 1]), torch.Generator())
    # Each crop is its class's map: only the other class counts, and no crop could be right.
    assert torch.isnan(alone.accuracy)
    with pytest.raises(ValueError, match=r"momentum is 0\.5 and takes_batch 'before'"):
        ClassMemoryMatching(momentum=0.5, takes_batch="before")
