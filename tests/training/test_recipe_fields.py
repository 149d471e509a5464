from dataclasses import dataclass
from typing import Literal

import pytest

from training.losses.contrastive import ContrastiveSettings
from training.recipe_fields import list_fields, set_fields
from training.recipes import synthetic_resnet18, tiny


def test_fields_of_every_depth_are_set_and_typed() -> None:
    changed = set_fields(
        tiny(),
        [
            "seed=7",
            "imagenet_weights=true",
            "optimizer.momentum=0.8",
            "optimizer.uses_nesterov=false",
            "stages.0.schedule.learning_rate=1e-3",
            "stages.0.sampling.persons_per_batch=3",
            "model_config.backbone=resnet34",
            "model_config.input_mean=0.5,0.4,0.3",
            "source.networks.0.traffic.most_crops=5",
            "validation.num_people=9",
            "contrastive.weight=2",
        ],
    )
    assert changed.seed == 7
    assert changed.imagenet_weights is True
    assert changed.optimizer.momentum == 0.8
    assert changed.optimizer.uses_nesterov is False
    assert changed.stages[0].schedule.learning_rate == 1e-3
    assert changed.stages[0].sampling.persons_per_batch == 3
    assert changed.model_config.backbone == "resnet34"
    assert changed.model_config.input_mean == (0.5, 0.4, 0.3)
    assert changed.source.networks[0].traffic.most_crops == 5
    assert changed.validation.num_people == 9
    assert changed.contrastive == ContrastiveSettings(weight=2.0)
    assert tiny().seed == 1


def test_fields_that_must_fit_each_other_are_set_together() -> None:
    sizes = ["model_config.input_height=128", "stages.0.input_height=128"]
    for settings in (sizes, sizes[::-1]):
        changed = set_fields(tiny(), settings)
        assert (changed.model_config.input_height, changed.stages[0].input_height) == (128, 128)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        (
            "optimizer.momentun=0.8",
            "no field 'optimizer.momentun'; do you mean optimizer.momentum.*--list-fields",
        ),
        ("momentum=0.8", "there is no field 'momentum'; do you mean .*momentum"),
        ("xyz=1", r"there is no field 'xyz'\. --list-fields shows all"),
        ("stages.1.epochs=3", "there is no field 'stages.1.epochs'; do you mean stages.0.epochs"),
        ("stages.00.epochs=3", "there is no field 'stages.00.epochs'"),
        ("seed.low=3", "there is no field 'seed.low'"),
        ("seed", "'seed' is no FIELD=VALUE"),
        ("seed=few", "seed=few: expected a whole number"),
        ("seed=1.5", "expected a whole number"),
        ("optimizer.momentum=much", "expected a number"),
        ("imagenet_weights=yes", "imagenet_weights=yes: expected true or false"),
        ("precision=int8", "expected one of float32, bfloat16, float16"),
        ("model_config.input_mean=1,2", "expected 3 values with commas"),
        ("objective=arc", r"made of parts \(ClassMemoryMatching or PairwiseMatching or Classification\)"),
        ("stages=2", "made of parts"),
        ("model_config.input_height=72", "the last stage trains at 64x32, the model takes 72x32"),
    ],
)
def test_mistakes_are_told_with_what_is_expected(setting: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        set_fields(tiny(), [setting])


@dataclass(frozen=True)
class Part:
    size: int
    means: tuple[float, float] = (0.5, 0.25)
    is_round: bool = True


@dataclass(frozen=True)
class Whole:
    name: str
    kind: Literal["one", "two"]
    part: Part
    parts: tuple[Part, ...]


def test_every_field_is_listed_with_its_value_and_can_be_set_to_another() -> None:
    whole = Whole("w", "one", Part(1), (Part(2), Part(3, (1.0, 2.0), is_round=False)))
    others = {
        "name": ("w", "v", "v"),
        "kind": ("one", "two", "two"),
        "part.size": (1, 5, "5"),
        "part.means": ((0.5, 0.25), (3.0, 4.0), "3,4"),
        "part.is_round": (True, False, "false"),
        "parts.0.size": (2, 6, "6"),
        "parts.0.means": ((0.5, 0.25), (5.0, 6.0), "5,6"),
        "parts.0.is_round": (True, False, "false"),
        "parts.1.size": (3, 7, "7"),
        "parts.1.means": ((1.0, 2.0), (7.0, 8.5), "7,8.5"),
        "parts.1.is_round": (False, True, "true"),
    }
    assert list(list_fields(whole)) == [(name, value) for name, (value, _, _) in others.items()]
    for name, (_, other, text) in others.items():
        changed = dict(list_fields(set_fields(whole, [f"{name}={text}"])))
        assert changed == dict(list_fields(whole)) | {name: other}
    changed = set_fields(whole, [f"{name}={text}" for name, (_, _, text) in others.items()])
    assert list(list_fields(changed)) == [(name, other) for name, (_, other, _) in others.items()]


def test_a_recipes_fields_are_listed_with_their_values() -> None:
    listed = dict(list_fields(synthetic_resnet18()))
    assert listed["optimizer.weight_decay"] == 5e-4
    assert listed["stages.2.sampling.persons_per_graph"] == 400
    assert listed["source.seed"] == 100
