"""`search` against a real service."""

import json
from pathlib import Path

import httpx
import pytest

from service.main import main
from tests.service.drawn_crops import crop_file
from tests.service.running_service import RunningService

CAMERAS = ("search-north", "search-south")
ONLY_THESE = [flag for camera in CAMERAS for flag in ("--camera-ids", camera)]


@pytest.fixture(scope="module")
def searched(running_service: RunningService) -> RunningService:
    """A service that holds six detections of two cameras, a second apart."""
    for number in range(6):
        fields = {"camera_id": CAMERAS[number % 2], "timestamp": str(1000 + number), "person_id": f"p{number % 2}"}
        httpx.put(
            f"{running_service.url}/v1/detections/searched-{number}",
            data=fields,
            files={"image": ("crop.jpg", crop_file(500 + number))},
        ).raise_for_status()
    return running_service


def search(service: RunningService, *arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["search", *arguments, "--url", service.url])
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.fixture
def query(tmp_path: Path) -> str:
    """The crop that is stored as searched-3."""
    path = tmp_path / "query.jpg"
    path.write_bytes(crop_file(503))
    return str(path)


def test_a_table(searched: RunningService, query: str, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--camera-id", CAMERAS[0], "--timestamp", "1970-01-01T00:16:40Z"]
    assert search(searched, query, *where, *ONLY_THESE, "--limit", "3", "--correspondences", "4") == 0
    text = capsys.readouterr().out
    assert "6 of " in text
    assert "temporal lifting with 3 nearby" in text
    rows = [line.split() for line in text.splitlines() if "searched-" in line and "Correspondences" not in line]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert all(row[2] in CAMERAS for row in rows)
    assert "Correspondences with searched-" in text
    assert text.count("mutual") + text.count("query to gallery") + text.count("gallery to query") == 4


def test_the_json_is_the_services_own(searched: RunningService, query: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert search(searched, query, *ONLY_THESE, "--temporal-lifting", "off", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    files = [("camera_ids", (None, camera)) for camera in CAMERAS]
    form = [*files, ("temporal_lifting", (None, "off")), ("image", ("query.jpg", Path(query).read_bytes()))]
    answered = httpx.post(f"{searched.url}/v1/search", files=form).raise_for_status().json()
    assert printed["matches"] == answered["matches"]
    assert len(printed["matches"]) == 6
    assert printed.keys() == answered.keys()
    assert len(printed["matches"][0]["correspondences"]) > 0


def test_filters_and_a_stored_query(searched: RunningService, capsys: pytest.CaptureFixture[str]) -> None:
    filters = ["--exclude-camera-ids", CAMERAS[0], "--time-from", "1001", "--time-to", "1005"]
    assert search(searched, "--detection-id", "searched-3", *ONLY_THESE, *filters, "--json") == 0
    matches = json.loads(capsys.readouterr().out)["matches"]
    # Of the south camera are 1, 3 and 5: 3 is the query itself, 5 is at the time that ends the window.
    assert [match["detection_id"] for match in matches] == ["searched-1"]


def test_groups_and_parameters(searched: RunningService, query: str, capsys: pytest.CaptureFixture[str]) -> None:
    parameters = ["--tau-seconds", "50", "--sigma-seconds", "60", "--num-pivots", "7", "--alpha", "0.2"]
    where = ["--camera-id", CAMERAS[1], "--timestamp", "1003", "--temporal-lifting", "on"]
    assert search(searched, query, *ONLY_THESE, *where, *parameters, "--group-by", "person", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert sorted(match["person_id"] for match in answer["matches"]) == ["p0", "p1"]
    lifting = answer["temporal_lifting"]
    given = [lifting[name] for name in ("tau_seconds", "sigma_seconds", "num_pivots", "alpha")]
    assert given == [50, 60, 7, 0.2]
    assert lifting["applied"]


def test_re_ranking_and_a_stand_in(searched: RunningService, query: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--rerank", "--temporal-lifting", "bootstrap"]
    assert search(searched, query, *ONLY_THESE, *asked, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["temporal_lifting"]["stand_in"] == "searched-3"
    assert all(match["reranked_score"] is not None for match in answer["matches"])
    assert search(searched, query, *ONLY_THESE, *asked) == 0
    text = capsys.readouterr().out
    assert "where and when searched-3 was seen" in text
    assert "re-ranked" in text


def test_what_the_service_refuses_is_told_in_its_words(
    searched: RunningService, query: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search(searched, query, "--limit", "0") == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("qaconv-service: ")
    assert "(422): limit: " in output.err
    assert "  request " in output.err
    assert search(searched, "--detection-id", "nobody") == 1
    assert "'nobody'" in capsys.readouterr().err
