from types import SimpleNamespace

import pytest

from training.duration import estimate_seconds
from training.sampling.balanced import BalancedSampling
from training.sampling.build_batches import Sampling
from training.sampling.graph import GraphSampling
from training.sources.training_crops import FixedCrops
from training.trainer import train
from training_run import small_crops, small_recipe


class NotedCrops(FixedCrops):
    """Remembers the steps that it was to go to."""

    def __init__(self, crops: FixedCrops) -> None:
        self.__dict__.update(crops.__dict__)
        self.steps: list[int] = []

    def go_to_step(self, step: int) -> None:
        self.steps.append(step)


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (BalancedSampling(4, 2), 3 * (40 + 1) + 1 * (40 + 1)),
        # A graph for every ten steps.
        (GraphSampling(4, 2, batches_per_graph=10), 3 * (40 + 4 * 5 + 1) + 1 * (40 + 4 * 5 + 1)),
        # Every person is the centre of a batch once, then the next epoch has the next graph.
        (GraphSampling(4, 2), 3 * (40 + 5 + 1) + 1 * (40 + 5 + 1)),
    ],
)
def test_steps_graphs_and_validations_of_every_stage_are_counted(
    monkeypatch: pytest.MonkeyPatch, sampling: Sampling, expected: float
) -> None:
    recipe = small_recipe(sampling=sampling, epochs=3, steps=40)
    crops = small_crops()
    # By this clock steps and validations take a second, and each stage's first step five more.
    seconds, at = [6.0, 1.0, 1.0, 1.0, 1.0] * 2, iter(range(100))
    passed = [sum(seconds[:number]) for number in range(11)]
    monkeypatch.setattr("training.duration.time", SimpleNamespace(monotonic=lambda: passed[next(at)]))
    monkeypatch.setattr("training.duration.validate", lambda *args, **kwargs: None)
    assert estimate_seconds(recipe, crops, validation=None) == expected  # type: ignore[arg-type]


def test_a_run_is_the_same_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.duration.validate", lambda *args, **kwargs: None)
    recipe = small_recipe(epochs=1, steps=1)
    expected = train(recipe, small_crops()).fingerprint
    crops = NotedCrops(small_crops())
    estimate_seconds(recipe, crops, validation=None)  # type: ignore[arg-type]
    assert set(crops.steps) == {0}
    assert train(recipe, crops).fingerprint == expected
