"""What a stage's time is, and whose."""

import pytest

from service.observability import stage_timing
from service.observability.metrics import Metrics
from service.observability.stage_timing import StageTiming, search_stages


def test_time_that_belongs_to_another_stage_is_counted_there_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([10.0, 11.0, 15.0, 20.0])
    monkeypatch.setattr(stage_timing.time, "perf_counter", lambda: next(moments))
    metrics = Metrics()
    timing = StageTiming(search_stages(metrics))
    with timing.stage("score") as stage:
        stage.move("lift", 0.5)
        stage.move("lift", 0.25)
    finished = timing.finish()
    assert (finished.score, finished.lift, finished.total) == (3250.0, 750.0, 10_000.0)
    for name, seconds in (("score", 3.25), ("lift", 0.75)):
        labels = {"stage": name}
        assert metrics.registry.get_sample_value("qaconv_search_stage_duration_seconds_sum", labels) == seconds
