from collections.abc import Callable
from dataclasses import asdict, replace
from math import exp

import pytest

from training.objectives.class_memory_matching import ClassMemoryMatching
from training.recipe import Recipe
from training.recipe_fields import set_fields
from training.recipes import (
    RECIPES,
    graph_qaconv,
    paper_arc,
    paper_centre,
    paper_qaconv,
    synthetic_resnet18,
    tiny,
)
from training.sources.drawn_networks import DrawnNetworks
from training.sources.fresh_renderings import FreshRenderings


@pytest.mark.parametrize("name", list(RECIPES))
def test_recipes_train_on_nobody_they_validate_on(name: str) -> None:
    recipe = RECIPES[name]()
    assert recipe.name == name
    if isinstance(recipe.source, DrawnNetworks):
        assert recipe.validation.seed not in {plan.seed for plan in recipe.source.networks}
    else:
        assert isinstance(recipe.source, FreshRenderings)
        assert recipe.validation.seed != recipe.source.seed


def test_the_last_stage_must_have_the_models_size() -> None:
    recipe = tiny()
    with pytest.raises(ValueError, match="the last stage trains at 128x64, the model takes 64x32"):
        replace(recipe, stages=(replace(recipe.stages[0], input_height=128, input_width=64),))


def test_people_who_are_replaced_cannot_be_classes() -> None:
    with pytest.raises(ValueError, match="brings_new_people is true, and ClassMemoryMatching knows people by their"):
        replace(synthetic_resnet18(), objective=ClassMemoryMatching())


@pytest.mark.parametrize(
    ("recipe", "settings"),
    [
        (synthetic_resnet18, ["source.seed=9001"]),
        (synthetic_resnet18, ["validation.seed=100"]),
        (tiny, ["source.networks.0.seed=2"]),
        (tiny, ["validation.seed=1"]),
    ],
)
def test_nobody_is_trained_on_who_is_validated_on(recipe: Callable[[], Recipe], settings: list[str]) -> None:
    with pytest.raises(ValueError, match="which is trained on too"):
        set_fields(recipe(), settings)


@pytest.mark.parametrize(
    ("recipe", "setting"),
    [
        (tiny, "seed=-1"),
        (tiny, "source.networks.0.num_people=0"),
        (tiny, "validation.num_cameras=0"),
        (tiny, "source.crop_height=0"),
        (paper_qaconv, "source.networks.0.seed=101"),
        (synthetic_resnet18, "source.people_in_pool=0"),
        (synthetic_resnet18, "source.num_cameras=0"),
        (synthetic_resnet18, "source.num_processes=-1"),
        (paper_qaconv, "stages.0.sampling.crops_per_batch=0"),
        (tiny, "stages.0.sampling.persons_per_batch=0"),
        (tiny, "stages.0.sampling.crops_per_person=0"),
        (graph_qaconv, "stages.0.sampling.persons_per_batch=0"),
        (graph_qaconv, "stages.0.sampling.crops_per_person=-1"),
        (graph_qaconv, "stages.0.sampling.persons_per_graph=-1"),
        (graph_qaconv, "stages.0.sampling.batches_per_graph=-1"),
        (tiny, "stages.0.schedule.learning_rate=-0.1"),
        (tiny, "stages.0.schedule.learning_rate=nan"),
        (tiny, "stages.0.schedule.learning_rate=inf"),
        (tiny, "stages.0.schedule.warmup_steps=-1"),
        (paper_qaconv, "stages.0.schedule.learning_rate=-1"),
        (paper_qaconv, "stages.0.schedule.factor=-1"),
        (tiny, "stages.0.epochs=0"),
        (tiny, "stages.0.steps_per_epoch=-1"),
        (tiny, "stages.0.input_height=0"),
        (tiny, "frozen_parts=-1"),
        (tiny, "optimizer.momentum=-0.1"),
        (tiny, "optimizer.momentum=1"),
        (tiny, "optimizer.weight_decay=-1"),
        (tiny, "optimizer.largest_gradient_norm=-1"),
        (tiny, "optimizer.backbone_rate_share=-1"),
        (tiny, "contrastive.temperature=0"),
        (tiny, "contrastive.num_stripes=0"),
        (tiny, "objective.gamma=-1"),
        (tiny, "objective.momentum=1"),
        (tiny, "objective.classes_per_step=-1"),
        (graph_qaconv, "objective.triplet_weight=-1"),
        (paper_arc, "objective.arc_margin=4"),
        (paper_arc, "objective.arc_scale=0"),
        (paper_centre, "objective.centre_rate=2"),
        (tiny, "augmentation.placing.flip_share=1.5"),
        (tiny, "augmentation.placing.zoom=1"),
        (tiny, "augmentation.colors.gain=-1"),
        (tiny, "augmentation.degradation.smallest=0"),
        (tiny, "augmentation.degradation.worst_jpeg_quality=0"),
        (tiny, "augmentation.covering.block_size=1.1"),
        (tiny, "augmentation.covering.erasing_smallest=0.5"),
    ],
)
def test_values_out_of_their_range_are_refused_before_the_work(recipe: Callable[[], Recipe], setting: str) -> None:
    with pytest.raises(ValueError, match=": give "):
        set_fields(recipe(), [setting])


def test_the_papers_settings() -> None:
    recipe = paper_qaconv()
    (stage,) = recipe.stages
    assert (stage.epochs, stage.input_height, stage.input_width) == (60, 384, 128)
    assert asdict(stage.sampling) == {"crops_per_batch": 32}
    assert asdict(stage.schedule) == {"learning_rate": 0.01, "epochs": 40, "factor": 0.1}
    assert asdict(recipe.objective) == {
        "compares": "maps", "gamma": 2.0, "momentum": 0.0, "takes_batch": "after", "classes_per_step": 0
    }  # fmt: skip
    optimizer = recipe.optimizer
    assert (optimizer.momentum, optimizer.weight_decay, optimizer.uses_nesterov) == (0.9, 5e-4, True)
    assert optimizer.backbone_rate_share * stage.schedule.learning_rate == pytest.approx(0.001)
    covering = recipe.augmentation.covering
    assert (covering.block_share, covering.block_size, covering.erasing_share) == (1.0, 0.8, 0.0)


def test_the_later_codes_settings() -> None:
    recipe = graph_qaconv()
    (stage,) = recipe.stages
    assert asdict(stage.sampling) == {
        "persons_per_batch": 32, "crops_per_person": 2, "persons_per_graph": 0, "batches_per_graph": 0
    }  # fmt: skip
    assert asdict(stage.schedule) == {"learning_rate": 0.005, "epochs": 10, "factor": 0.1}
    assert recipe.optimizer.backbone_rate_share * stage.schedule.learning_rate == pytest.approx(0.0005)
    assert recipe.optimizer.largest_gradient_norm == 8.0
    assert recipe.freezes_statistics
    config = recipe.model_config
    assert (config.channels, config.neck_kernel_size, config.neck_batch_norm) == (128, 3, True)
    assert config.shared_head
    # Factors from a half to two.
    assert exp(recipe.augmentation.colors.gain) == pytest.approx(2)
    assert recipe.augmentation.covering.block_share == 1.0


def test_nesterovs_momentum_needs_one() -> None:
    with pytest.raises(ValueError, match="uses_nesterov is true and momentum 0: set uses_nesterov to false"):
        set_fields(tiny(), ["optimizer.momentum=0"])
    settings = ["optimizer.momentum=0", "optimizer.uses_nesterov=false"]
    assert set_fields(tiny(), settings).optimizer.momentum == 0
