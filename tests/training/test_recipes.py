from dataclasses import replace

import pytest

from training.recipes import RECIPES, tiny


@pytest.mark.parametrize("name", list(RECIPES))
def test_recipes_train_on_nobody_they_validate_on(name: str) -> None:
    recipe = RECIPES[name]()
    assert recipe.name == name
    assert recipe.validation.seed not in {plan.seed for plan in recipe.networks}


def test_the_last_stage_must_have_the_models_size() -> None:
    recipe = tiny()
    with pytest.raises(ValueError, match="the last stage trains at 128x64, the model takes 64x32"):
        replace(recipe, stages=(replace(recipe.stages[0], input_height=128, input_width=64),))
