"""The architecture's config: ranges, derived sizes, JSON."""

import json
from typing import Any

import pytest

from model.config import FinalLayer, ModelConfig


@pytest.mark.parametrize(("final_layer", "size"), [("layer2", (48, 16)), ("layer3", (24, 8)), ("layer4", (12, 4))])
def test_the_map_s_size_follows_from_the_final_layer(final_layer: FinalLayer, size: tuple[int, int]) -> None:
    config = ModelConfig(final_layer=final_layer)
    assert (config.map_height, config.map_width) == size
    assert config.locations == size[0] * size[1]


def test_json_round_trip() -> None:
    config = ModelConfig(input_height=192, input_width=64, backbone="resnet18", channels=64, kernel_size=3)
    assert ModelConfig.from_json(config.to_json()) == config


def test_json_is_canonical() -> None:
    text = ModelConfig().to_json()
    values = json.loads(text)
    assert ModelConfig.from_json(json.dumps(dict(reversed(values.items())), indent=2)).to_json() == text


def test_configs_from_before_a_field_keep_their_text() -> None:
    text = ModelConfig().to_json()
    assert "block_normalisation" not in text
    assert ModelConfig.from_json(text).block_normalisation == "batch"
    other = ModelConfig(block_normalisation="instance_batch")
    assert ModelConfig.from_json(other.to_json()) == other


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"input_height": 100}, "input_height is 100, not a positive multiple of layer3's stride 16"),
        ({"input_width": 0}, "input_width is 0"),
        ({"backbone": "vgg16"}, "backbone is 'vgg16', not one of resnet18"),
        ({"final_layer": "layer1"}, "final_layer is 'layer1'"),
        ({"block_normalisation": "layer"}, "block_normalisation is 'layer'"),
        ({"interpolation": "nearest"}, "interpolation is 'nearest'"),
        ({"channels": 0}, "channels is 0, not positive"),
        ({"kernel_size": 2}, "kernel_size is 2, not a positive odd number"),
        ({"kernel_size": -1}, "kernel_size is -1"),
        ({"neck_kernel_size": 5}, "neck_kernel_size is 5, not one of 1, 3"),
        ({"input_mean": (0.5,)}, "three numbers"),
        ({"input_std": (1.0, 0.0, 1.0)}, "input_std positive"),
    ],
)
def test_values_out_of_range_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelConfig(**wrong)


@pytest.mark.parametrize(
    "change",
    [
        {"channles": 64},  # a typo
        {"channels": "many"},
        {"input_mean": 5},
        {"input_std": ["a", "b", "c"]},
        {"kernel_size": None},
    ],
)
def test_json_with_unknown_fields_or_types_is_refused(change: dict[str, Any]) -> None:
    values = json.loads(ModelConfig().to_json()) | change
    with pytest.raises(ValueError, match=r"model config|is "):
        ModelConfig.from_json(json.dumps(values))


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"channels": 64}', "not json"])
def test_text_that_is_no_config_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"model config|Expecting value"):
        ModelConfig.from_json(text)
