import pytest

from training.learning_rate import StepDecay, WarmupCosine, learning_rate


def test_a_warm_up_and_a_cosine_to_zero() -> None:
    rates = [learning_rate(WarmupCosine(0.1, 10), step, 110, 11) for step in range(110)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == pytest.approx(0.1)
    assert rates[60] == pytest.approx(0.05, rel=1e-6)
    assert rates[-1] < 1e-4
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_the_papers_rate_falls_after_40_of_60_epochs() -> None:
    rates = [learning_rate(StepDecay(), step, 60 * 7, 7) for step in range(60 * 7)]
    assert set(rates[: 40 * 7]) == {0.01}
    assert rates[40 * 7 :] == pytest.approx([0.001] * (20 * 7))
