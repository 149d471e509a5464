import pytest

from training.losses.contrastive import ContrastiveSettings
from training.recipe_fields import set_fields
from training.recipes import paper_qaconv, synthetic_resnet18, tiny


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
        ("optimizer.momentun=0.8", "there is no field 'optimizer.momentun'.*optimizer.momentum, .*seed"),
        ("stages.1.epochs=3", "there is no field 'stages.1.epochs'"),
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


@pytest.mark.parametrize("recipe", [paper_qaconv(), synthetic_resnet18()])
def test_every_field_that_is_listed_can_be_set_to_what_it_is(recipe: object) -> None:
    with pytest.raises(ValueError, match="Its fields: ") as caught:
        set_fields(recipe, ["nothing=1"])
    names = str(caught.value).split("Its fields: ")[1].split(", ")
    assert "optimizer.weight_decay" in names
    assert "augmentation.colors.grey_share" in names
    for name in names:
        value = recipe
        for part in name.split("."):
            value = value[int(part)] if part.isdigit() else getattr(value, part)
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        assert set_fields(recipe, [f"{name}={text.lower() if isinstance(value, bool) else text}"]) == recipe
