"""What Prometheus gets of a real service: parsed as Prometheus does, names and labels held against its conventions."""

import re
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.service.drawn_crops import crop_file
from tests.service.running_service import RunningService

# The libraries' own: of the process and of the Python that runs it.
FOREIGN = ("process_", "python_")
UNITS = ("seconds", "bytes", "ratio", "info", "total")
# What is counted stands in the name where there is no unit.
COUNTED = (
    "detections",
    "entries",
    "records",
    "rows",
    "requests",
    "jobs",
    "images",
    "writes",
    "connections",
    "flight",
    "waiting",
    "size",
)
LABELS = {"method", "route", "status", "stage", "operation", "command", "error", "type", "reason", "lifting"}
BUILD_LABELS = {"version", "model_fingerprint", "device", "precision"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: object) -> Iterator[RunningService]:
    path = tmp_path_factory.mktemp("scraped") / "data"
    started = RunningService.start(path, tiny_checkpoint, gallery_capacity=50)  # type: ignore[arg-type]
    yield started
    assert started.stop() == 0, started.log


def scrape(service: RunningService) -> dict[str, Metric]:
    text = httpx.get(f"{service.url}/metrics").text
    return {family.name: family for family in text_string_to_metric_families(text)}


def read(families: dict[str, Metric], name: str, **labels: str) -> float:
    samples = [sample for family in families.values() for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def use(service: RunningService, prefix: str, count: int) -> None:
    with httpx.Client(base_url=service.url, timeout=30) as client:
        for number in range(count):
            data = {"camera_id": "c", "timestamp": str(1000 + number)}
            files = {"image": crop_file(number)}
            assert client.put(f"/v1/detections/{prefix}{number}", data=data, files=files).is_success
        assert client.post("/v1/search", data={"detection_id": f"{prefix}0"}).is_success
        assert client.post("/v1/search", files={"image": crop_file(7)}).is_success
        assert client.post("/v1/search", files={"image": b"poison"}).status_code == 400
        assert client.get(f"/v1/detections/{prefix}-none").status_code == 404
        parts = [
            ("manifest", (None, '[{"file": "a", "camera_id": "c", "timestamp": 1}]')),
            ("images", ("a", b"poison")),
        ]
        assert client.post("/v1/detections:batch", files=parts).json()["results"][0]["status"] == 400
        client.request("BREW", f"/v1/{prefix}/coffee")


def test_names_and_labels_follow_the_conventions(service: RunningService) -> None:
    use(service, "n", 2)
    for name, family in scrape(service).items():
        if name.startswith(FOREIGN):
            continue
        # The parser takes `_total` off a counter's name, and every counter has it.
        words = f"{name}_total" if family.type == "counter" else name
        assert re.fullmatch(r"qaconv(_[a-z]+)+", words), name
        assert words.endswith(UNITS + COUNTED) or words in {
            "qaconv_ready",
            "qaconv_audit_writable",
            "qaconv_clock_believed",
            "qaconv_scrub_due",
        }, name
        assert family.documentation.endswith("."), name
        assert not (family.type != "counter" and words.endswith("_total")), name
        for sample in family.samples:
            allowed = BUILD_LABELS if name == "qaconv_build_info" else LABELS | {"le"}
            assert set(sample.labels) <= allowed, sample


def test_labels_are_few_whatever_clients_send(service: RunningService) -> None:
    use(service, "a", 2)
    series = {(sample.name, *sample.labels.items()) for family in scrape(service).values() for sample in family.samples}
    for prefix in ("b", "d", "e"):
        use(service, prefix, 2)
    after = {(sample.name, *sample.labels.items()) for family in scrape(service).values() for sample in family.samples}
    assert after == series
    assert not any(value == "BREW" for _, *labels in series for _, value in labels)


def test_values_move_as_what_happens(service: RunningService) -> None:
    before = scrape(service)
    use(service, "v", 5)
    after = scrape(service)

    def moved(name: str, **labels: str) -> float:
        return read(after, name, **labels) - read(before, name, **labels)

    assert moved("qaconv_gallery_detections") == moved("qaconv_disk_records") == 5
    assert moved("qaconv_gallery_headroom_detections") == -5
    assert read(after, "qaconv_gallery_capacity_detections") == 50
    for stage in ("decode", "extract", "disk", "redis", "device"):
        # The poison of the batch was decoded, too.
        wanted = 6 if stage == "decode" else 5
        assert moved("qaconv_ingest_stage_duration_seconds_count", stage=stage) == wanted, stage
    stages = {"decode": 2, "extract": 1, "score": 2, "lift": 1, "locate": 2}
    for stage, count in stages.items():
        assert moved("qaconv_search_stage_duration_seconds_count", stage=stage) == count, stage
    assert moved("qaconv_searches_total", lifting="applied") == 1
    assert moved("qaconv_searches_total", lifting="no_camera_or_time") == 1
    assert moved("qaconv_problems_total", type="unreadable-image") == 2
    assert moved("qaconv_problems_total", type="detection-not-found") == 1
    assert moved("qaconv_http_request_duration_seconds_count", route="/v1/search", status="200") == 2
    assert moved("qaconv_device_batch_duration_seconds_count", operation="score") == 2
    assert moved("qaconv_device_batch_size_sum", operation="extract") == 6
    assert moved("qaconv_disk_commit_size_sum") == 5
    assert 1 <= moved("qaconv_disk_commit_duration_seconds_count") <= 5
    assert moved("qaconv_redis_command_duration_seconds_count", command="MULTI") >= 5
    assert read(after, "qaconv_redis_errors_total") == 0
    assert read(after, "qaconv_disk_used_bytes") > 0
    assert read(after, "qaconv_disk_free_bytes") > 0
    assert read(after, "qaconv_recovery_ratio") == read(after, "qaconv_ready") == 1
    # In whichever form is the fastest on this machine.
    assert sum(read(after, "qaconv_build_info", device="cpu", precision=each) for each in ("float16", "int8")) == 1
    assert len(after["qaconv_build_info"].samples[0].labels["model_fingerprint"]) == 64
