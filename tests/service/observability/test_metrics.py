import math

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.observability.metrics import Metrics


def values(metrics: Metrics) -> dict[str, float]:
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}


def test_what_is_declared_again_goes_on_counting() -> None:
    metrics = Metrics()
    for _ in range(2):
        metrics.counter("qaconv_things_total", "Things.").inc()
    assert values(metrics)["qaconv_things_total"] == 2


def test_two_services_in_one_process_do_not_meet() -> None:
    one, other = Metrics(), Metrics()
    one.counter("qaconv_things_total", "Things.").inc()
    assert other.counter("qaconv_things_total", "Things.") is not one.counter("qaconv_things_total", "Things.")


def test_a_value_is_read_when_it_is_asked_for_and_one_that_cannot_be_read_hides_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics, things = Metrics(), [1]
    metrics.watch("qaconv_things", "Things.", lambda: len(things))
    metrics.watch("qaconv_broken", "Broken.", lambda: 1 / 0)
    things.append(2)
    read = values(metrics)
    assert read["qaconv_things"] == 2
    assert math.isnan(read["qaconv_broken"])
    assert "qaconv_broken" in caplog.text
