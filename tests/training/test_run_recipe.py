import pytest

from training.recipes import RECIPES
from training.run_recipe import evaluation_settings

POOLED = {"paper_softmax", "paper_arc", "paper_centre", "paper_pooled_memory"}


@pytest.mark.parametrize("name", list(RECIPES))
def test_a_model_is_measured_by_what_was_trained(name: str) -> None:
    expected = "pooled_cosine" if name in POOLED else "matching"
    assert evaluation_settings(RECIPES[name]()).score_by == expected
