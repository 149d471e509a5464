"""The calls that search and compare, over HTTP."""

from io import BytesIO
from math import exp

import httpx
import pytest
from PIL import Image

from tests.service.drawn_crops import crop_file

CAMERAS = ("search-1", "search-2")


@pytest.fixture(scope="module", autouse=True)
def gallery(service_client: httpx.Client) -> None:
    """Twelve detections: person n is seen by both cameras, ten seconds apart; the last two have no labels."""
    for camera, camera_id in enumerate(CAMERAS):
        for person in range(6):
            labels = {"track_id": f"track-{person // 2}", "person_id": f"person-{person}"} if person < 5 else {}
            data = {"camera_id": camera_id, "timestamp": str(1000 + 30 * person + 10 * camera), **labels}
            files = {"image": crop_file(person * 10 + camera)}
            response = service_client.put(f"/v1/detections/s{camera}{person}", data=data, files=files)
            assert response.status_code == 201


def search(client: httpx.Client, image: bytes | None = None, **fields: object) -> dict:
    data = {"camera_ids": list(CAMERAS), **fields}
    # A form without files goes out urlencoded, which is taken too.
    response = client.post("/v1/search", data=data, files=None if image is None else {"image": image})
    assert response.status_code == 200, response.text
    return response.json()


def ids(answer: dict) -> list[str]:
    return [match["detection_id"] for match in answer["matches"]]


def test_the_same_crop_is_found_first(service_client: httpx.Client) -> None:
    answer = search(service_client, crop_file(30))
    assert ids(answer)[0] == "s03"
    assert len(answer["matches"]) == 10
    assert [match["rank"] for match in answer["matches"]] == list(range(1, 11))
    scores = [match["score"] for match in answer["matches"]]
    assert scores == sorted(scores, reverse=True)
    assert answer["query"] == {
        "detection_id": None,
        "camera_id": None,
        "timestamp": None,
        "image": {"width": 40, "height": 80},
    }
    model = service_client.get("/v1/model").json()
    assert answer["model"] == {key: model[key] for key in ("name", "fingerprint", "feature_map")}
    assert answer["gallery"] == {"size": service_client.get("/v1/gallery").json()["size"], "candidates": 12}
    assert set(answer["timing_ms"]) == {"decode", "extract", "score", "lift", "locate", "total"}
    assert answer["timing_ms"]["total"] > 0


def test_without_camera_and_time_nothing_is_lifted(service_client: httpx.Client) -> None:
    answer = search(service_client, crop_file(30))
    lifting = answer["temporal_lifting"]
    assert (lifting["applied"], lifting["reason"], lifting["nearby"], lifting["pivots"]) == (
        False,
        "no_camera_or_time",
        [],
        [],
    )
    assert {key: lifting[key] for key in ("tau_seconds", "sigma_seconds", "num_pivots", "alpha")} == {
        "tau_seconds": 100,
        "sigma_seconds": 100,
        "num_pivots": 100,
        "alpha": 0.1,
    }
    for match in answer["matches"]:
        assert match["temporal_score"] is None
        assert match["score"] == match["appearance_score"]
        assert 0 <= match["score"] <= 1


def test_with_camera_and_time_scores_are_lifted(service_client: httpx.Client) -> None:
    seen = {"camera_id": CAMERAS[0], "timestamp": "1970-01-01T00:17:00Z", "tau_seconds": "40", "alpha": "0.2"}
    answer = search(service_client, crop_file(30), **seen, limit=12)
    lifting = answer["temporal_lifting"]
    assert (lifting["applied"], lifting["reason"]) == (True, None)
    # 1020 s: persons 0 at 1000 s and 1 at 1030 s are less than 40 s away; person 2 is seen at 1060 s, exactly 40 s.
    assert lifting["nearby"] == ["s01", "s00"]
    assert (lifting["tau_seconds"], lifting["alpha"]) == (40, 0.2)
    for match in answer["matches"]:
        expected = (match["temporal_score"] + 0.2) * match["appearance_score"]
        assert match["score"] == pytest.approx(expected, rel=1e-6)
        assert 0 <= match["temporal_score"] <= 1


def test_where_and_when_nobody_knows_the_best_match_stands_in(service_client: httpx.Client) -> None:
    answer = search(service_client, crop_file(30), temporal_lifting="bootstrap", limit=12)
    # The crop itself is stored: then and there it was seen.
    assert answer["temporal_lifting"]["stand_in"] == "s03"
    assert (answer["query"]["camera_id"], answer["query"]["timestamp"]) == (CAMERAS[0], "1970-01-01T00:18:10.000000Z")
    known = search(service_client, crop_file(30), camera_id=CAMERAS[0], timestamp="1090", limit=12)
    assert known["temporal_lifting"]["stand_in"] is None
    assert answer["temporal_lifting"] == {**known["temporal_lifting"], "stand_in": "s03"}
    assert answer["matches"] == known["matches"]
    nobody = search(service_client, crop_file(30), temporal_lifting="bootstrap", camera_ids=["nobody"])
    lifting = nobody["temporal_lifting"]
    assert (lifting["applied"], lifting["reason"], lifting["stand_in"]) == (False, "no_camera_or_time", None)


def test_pivots_are_listed_on_request(service_client: httpx.Client) -> None:
    seen = {"camera_id": CAMERAS[0], "timestamp": "1020", "num_pivots": "2", "tau_seconds": "40"}
    assert search(service_client, crop_file(30), **seen)["temporal_lifting"]["pivots"] == []
    answer = search(service_client, crop_file(30), **seen, include_pivots="true", limit=12)
    pivots = answer["temporal_lifting"]["pivots"]
    assert [pivot["camera_id"] for pivot in pivots] == [CAMERAS[0]] * 2 + [CAMERAS[1]] * 2
    assert all(pivot["retrieved_by"] in (None, "s00", "s01") for pivot in pivots)
    # By hand: p_t of a candidate is its mean closeness to its own camera's two pivots.
    seconds = {f"s{camera}{person}": 1000 + 30 * person + 10 * camera for camera in (0, 1) for person in range(6)}
    for match in answer["matches"]:
        own = [pivot["detection_id"] for pivot in pivots if pivot["camera_id"] == match["camera_id"]]
        closeness = [exp(-(((seconds[match["detection_id"]] - seconds[pivot]) / 100) ** 2)) for pivot in own]
        assert match["temporal_score"] == pytest.approx(sum(closeness) / 2, rel=1e-9)


@pytest.mark.parametrize("lifting", ["off", "bootstrap"])
def test_the_best_candidates_are_re_ranked_before_lifting(service_client: httpx.Client, lifting: str) -> None:
    plain = search(service_client, crop_file(30), temporal_lifting=lifting, limit=12)
    assert all(match["reranked_score"] is None for match in plain["matches"])
    answer = search(service_client, crop_file(30), temporal_lifting=lifting, limit=12, rerank="true")
    assert sorted(ids(answer)) == sorted(ids(plain))
    assert answer["temporal_lifting"] == plain["temporal_lifting"]
    found = {match["detection_id"]: match for match in plain["matches"]}
    for match in answer["matches"]:
        before = found[match["detection_id"]]
        assert match["appearance_score"] == pytest.approx(before["appearance_score"], abs=1e-6)
        assert match["temporal_score"] == pytest.approx(before["temporal_score"], abs=1e-6)
        weight = 1 if match["temporal_score"] is None else match["temporal_score"] + 0.1
        assert match["score"] == pytest.approx(weight * match["reranked_score"], rel=1e-9)
        assert 0 <= match["reranked_score"] <= 1
    keys = [(-match["score"], match["detection_id"]) for match in answer["matches"]]
    assert keys == sorted(keys)


def test_a_stored_detection_is_the_query_and_no_candidate(service_client: httpx.Client) -> None:
    answer = search(service_client, detection_id="s03", limit=12)
    assert answer["query"]["detection_id"] == "s03"
    assert (answer["query"]["camera_id"], answer["query"]["timestamp"]) == (CAMERAS[0], "1970-01-01T00:18:10.000000Z")
    assert answer["gallery"]["candidates"] == 11
    assert "s03" not in ids(answer)
    assert answer["temporal_lifting"]["applied"]
    assert "s03" not in answer["temporal_lifting"]["nearby"]
    elsewhere = search(service_client, detection_id="s03", camera_id=CAMERAS[1], timestamp="1000")
    assert elsewhere["query"]["camera_id"] == CAMERAS[1]
    assert elsewhere["query"]["timestamp"] == "1970-01-01T00:16:40.000000Z"


def test_lifting_can_be_switched_off(service_client: httpx.Client) -> None:
    answer = search(service_client, detection_id="s03", temporal_lifting="off")
    assert (answer["temporal_lifting"]["applied"], answer["temporal_lifting"]["reason"]) == (False, "off")
    assert all(match["temporal_score"] is None for match in answer["matches"])


@pytest.mark.parametrize(
    ("fields", "candidates"),
    [
        ({"camera_ids": [CAMERAS[0]]}, 6),
        ({"exclude_camera_ids": [CAMERAS[0]]}, 6),
        ({"exclude_camera_ids": list(CAMERAS)}, 0),
        ({"time_from": "1000", "time_to": "1040"}, 3),
        ({"time_from": "1970-01-01T00:19:20Z"}, 1),
        ({"camera_ids": ["no-such-camera"]}, 0),
    ],
)
def test_candidates_are_chosen(service_client: httpx.Client, fields: dict[str, object], candidates: int) -> None:
    answer = search(service_client, crop_file(30), **fields)
    assert answer["gallery"]["candidates"] == candidates
    assert len(answer["matches"]) == min(candidates, 10)


@pytest.mark.parametrize(("group_by", "count"), [("detection", 12), ("track", 5), ("person", 7)])
def test_the_best_stands_for_its_group(service_client: httpx.Client, group_by: str, count: int) -> None:
    every = search(service_client, crop_file(30), limit=12)
    answer = search(service_client, crop_file(30), limit=12, group_by=group_by)
    # Three tracks or five persons, and two detections without either; ranked as before.
    assert len(answer["matches"]) == count
    best: dict[object, str] = {}
    for match in every["matches"]:
        label = match["detection_id"] if group_by == "detection" else match[f"{group_by}_id"]
        best.setdefault(label or match["detection_id"], match["detection_id"])
    assert ids(answer) == list(best.values())


def test_low_scores_are_left_out(service_client: httpx.Client) -> None:
    every = search(service_client, crop_file(30), limit=12)
    middle = every["matches"][5]["score"]
    answer = search(service_client, crop_file(30), limit=12, min_score=repr(middle))
    assert ids(answer) == [match["detection_id"] for match in every["matches"] if match["score"] >= middle]


def test_correspondences_are_bounded_and_ordered(service_client: httpx.Client) -> None:
    answer = search(service_client, crop_file(30), num_correspondences=5, min_similarity=-1, limit=3)
    for match in answer["matches"]:
        found = match["correspondences"]
        assert len(found) == 5
        similarities = [each["similarity"] for each in found]
        assert similarities == sorted(similarities, reverse=True)
        for each in found:
            for place in (each["query"], each["gallery"]):
                # 40 × 80 pixels over 4 × 8 cells.
                assert place["x"] == pytest.approx(10 * place["column"] + 5)
                assert place["y"] == pytest.approx(10 * place["row"] + 5)
    none = search(service_client, crop_file(30), num_correspondences=0)
    assert all(match["correspondences"] == [] for match in none["matches"])
    strict = search(service_client, crop_file(999), min_similarity=1, num_correspondences=1000)
    assert all(each["similarity"] >= 1 for match in strict["matches"] for each in match["correspondences"])


def test_the_same_search_gives_the_same_answer(service_client: httpx.Client) -> None:
    answers = [search(service_client, detection_id="s03", include_pivots="true") for _ in range(3)]
    for answer in answers:
        answer.pop("timing_ms")
    assert answers[0] == answers[1] == answers[2]


def test_two_crops_are_compared(service_client: httpx.Client) -> None:
    answer = service_client.post("/v1/compare", files={"query": crop_file(30), "gallery": crop_file(31)}).json()
    assert set(answer) == {"logit", "appearance_score", "correspondences"}
    assert answer["appearance_score"] == pytest.approx(1 / (1 + exp(-answer["logit"])))
    every = search(service_client, crop_file(30), limit=12)
    # The search compares in less precision.
    match = next(match for match in every["matches"] if match["detection_id"] == "s13")
    assert answer["appearance_score"] == pytest.approx(match["appearance_score"], abs=5e-3)


def test_a_comparison_may_be_a_picture(service_client: httpx.Client) -> None:
    files = {"query": crop_file(30), "gallery": crop_file(31)}
    response = service_client.post("/v1/compare", files=files, headers={"Accept": "image/png"})
    assert response.headers["content-type"] == "image/png"
    with Image.open(BytesIO(response.content)) as picture:
        assert picture.format == "PNG"
        assert picture.width > 600
