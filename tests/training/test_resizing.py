import torch
from torch.nn import functional

from model.checkpoint import create_checkpoint
from model.config import ModelConfig
from training.resizing import resize_model

SMALL = ModelConfig(input_height=64, input_width=32, backbone="resnet18", channels=16)


def test_the_extractor_is_the_same_and_the_head_fits_the_new_map() -> None:
    model = create_checkpoint("small", SMALL)
    resized = resize_model(model, 128, 64)
    assert (resized.config.map_height, resized.config.map_width) == (8, 4)
    assert resized.matcher.head.fc.weight.shape == (1, 2 * 32)
    for name, tensor in model.extractor.state_dict().items():
        assert torch.equal(tensor, resized.extractor.state_dict()[name])


def test_the_same_size_changes_no_score() -> None:
    model = create_checkpoint("small", SMALL)
    torch.nn.init.uniform_(model.matcher.head.fc.weight)
    maps = functional.normalize(torch.randn(2, 16, 4, 2, generator=torch.Generator().manual_seed(0)), dim=1)
    with torch.no_grad():
        torch.testing.assert_close(resize_model(model, 64, 32).matcher(maps, maps), model.matcher(maps, maps))


def test_maxima_that_are_all_alike_give_the_same_logit_at_any_size() -> None:
    model = create_checkpoint("small", SMALL)
    torch.nn.init.uniform_(model.matcher.head.fc.weight, 0.01, 0.2)
    resized = resize_model(model, 192, 96)
    with torch.no_grad():
        small = model.matcher.head(torch.full((1, 8), 0.7), torch.full((1, 8), 0.4))
        large = resized.matcher.head(torch.full((1, 72), 0.7), torch.full((1, 72), 0.4))
    torch.testing.assert_close(small, large)
