"""What a search must answer, worked out from the dictionary by the slow references, and whether it did."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pytest

from reference.reranking import rerank
from reference.temporal_lifting import Lifted, Seen, lift
from service.records import MICROSECONDS_PER_SECOND, CandidateFilter
from tests.trials.crop_pool import CropPool
from tests.trials.gallery_operations import START_US, Contents, Stored, seconds

# The service's scores come from float32 products in another order than the reference's.
_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Query:
    """A search: a crop of the pool, with or without where and when it was seen, or a stored detection."""

    crop: int
    detection_id: str | None
    camera_id: str | None
    timestamp_us: int | None
    lifting: str
    tau_seconds: int
    sigma_seconds: int
    num_pivots: int
    alpha: float
    rerank: bool
    candidates: CandidateFilter
    group_by: str
    limit: int
    min_score: float | None

    def send(self, client: httpx.Client, pool: CropPool) -> httpx.Response:
        wanted = self.candidates
        fields: dict[str, Any] = {
            "detection_id": self.detection_id,
            "camera_id": self.camera_id,
            "timestamp": None if self.timestamp_us is None else seconds(self.timestamp_us),
            "temporal_lifting": self.lifting,
            "tau_seconds": str(self.tau_seconds),
            "sigma_seconds": str(self.sigma_seconds),
            "num_pivots": str(self.num_pivots),
            "alpha": str(self.alpha),
            "rerank": str(self.rerank).lower(),
            "camera_ids": sorted(wanted.camera_ids),
            "exclude_camera_ids": sorted(wanted.exclude_camera_ids),
            "time_from": None if wanted.time_from_us is None else seconds(wanted.time_from_us),
            "time_to": None if wanted.time_to_us is None else seconds(wanted.time_to_us),
            "group_by": self.group_by,
            "limit": str(self.limit),
            "min_score": None if self.min_score is None else str(self.min_score),
            "include_pivots": "true",
            "num_correspondences": "0",
        }
        given = {name: value for name, value in fields.items() if value not in (None, [])}
        if self.detection_id is not None:
            return client.post("/v1/search", data=given)
        return client.post("/v1/search", data=given, files={"image": ("q.jpg", pool.files[self.crop], "image/jpeg")})


@dataclass(frozen=True, slots=True)
class Expected:
    """Scores by ID, and what lifting stands on."""

    appearance: dict[str, float]
    final: dict[str, float]
    reranked: dict[str, float] | None
    temporal: dict[str, float] | None
    stand_in: str | None
    nearby: list[str]
    is_truncated: bool
    pivots: set[tuple[str | None, str]]


def expect(query: Query, contents: Contents, pool: CropPool, max_nearby: int) -> Expected:
    """The answer of the references. A stored query must be in the dictionary."""
    crop, camera_id, timestamp_us = _see(query, contents)
    order = sorted(each for each, stored in contents.items() if _is_candidate(query, each, stored))
    appearance = {each: pool.appearance_score(crop, contents[each].crop) for each in order}
    stand_in = _find_stand_in(query, contents, appearance, camera_id, timestamp_us)
    if stand_in is not None:
        camera_id = contents[stand_in].camera_id
        timestamp_us = contents[stand_in].timestamp_us if timestamp_us is None else timestamp_us
    reranked = _rerank(crop, appearance, contents, pool) if query.rerank else None
    similarities = appearance if reranked is None else reranked
    if query.lifting == "off" or camera_id is None or timestamp_us is None:
        return Expected(appearance, similarities, reranked, None, None, [], False, set())
    others = _others_nearby(query, contents, camera_id, timestamp_us, max_nearby)
    nearby = others[:max_nearby]
    crops = [crop, *(contents[each].crop for each in nearby)]
    lifted = _lift(query, contents, pool, [similarities[each] for each in order], order, crops)
    rows = [None, *nearby]
    return Expected(
        appearance=appearance,
        final=dict(zip(order, lifted.scores, strict=True)),
        reranked=reranked,
        temporal=dict(zip(order, lifted.temporal_scores, strict=True)),
        stand_in=stand_in,
        nearby=nearby,
        is_truncated=len(others) > max_nearby,
        pivots={(rows[row], order[place]) for pivots in lifted.pivots.values() for row, place in pivots},
    )


def check_answer(query: Query, answer: Mapping[str, Any], contents: Contents, expected: Expected) -> None:
    """Raises where an answer is not the expected one: who, in which order, with which scores, lifted by whom."""
    assert answer["gallery"] == {"size": len(contents), "candidates": len(expected.final)}
    lifting = answer["temporal_lifting"]
    assert lifting["applied"] == (expected.temporal is not None)
    assert lifting["stand_in"] == expected.stand_in
    assert (lifting["nearby"], lifting["nearby_truncated"]) == (expected.nearby, expected.is_truncated)
    assert {(each["retrieved_by"], each["detection_id"]) for each in lifting["pivots"]} == expected.pivots
    matches = answer["matches"]
    for match in matches:
        _check_match(match, contents[match["detection_id"]], expected)
    keys = [(-match["score"], match["detection_id"]) for match in matches]
    assert keys == sorted(keys)
    assert [match["rank"] for match in matches] == list(range(1, len(matches) + 1))
    if expected.reranked is None:  # else the first of two equally near ones is the nearer neighbour
        _check_ties(matches, contents)
    _check_choice(query, matches, contents, expected)


def _check_match(match: Mapping[str, Any], stored: Stored, expected: Expected) -> None:
    detection_id = match["detection_id"]
    assert (match["camera_id"], match["track_id"], match["person_id"]) == (
        stored.camera_id,
        stored.track_id,
        stored.person_id,
    )
    assert match["appearance_score"] == pytest.approx(expected.appearance[detection_id], abs=_TOLERANCE)
    assert match["score"] == pytest.approx(expected.final[detection_id], abs=_TOLERANCE)
    for name, scores in (("reranked_score", expected.reranked), ("temporal_score", expected.temporal)):
        if scores is None:
            assert match[name] is None
        else:
            assert match[name] == pytest.approx(scores[detection_id], abs=_TOLERANCE)


def _check_ties(matches: list[dict[str, Any]], contents: Contents) -> None:
    """Equal crops at one place and time score exactly alike, so that their order is that of their IDs."""
    scores: dict[tuple[int, str, int], float] = {}
    for match in matches:
        stored = contents[match["detection_id"]]
        alike = stored.crop, stored.camera_id, stored.timestamp_us
        assert scores.setdefault(alike, match["score"]) == match["score"]


def _check_choice(query: Query, matches: list[dict[str, Any]], contents: Contents, expected: Expected) -> None:
    """Each group is there once, by its best; none is left out that is better than what is there."""
    best: dict[str, float] = {}
    for detection_id, score in expected.final.items():
        group = _group_of(query, detection_id, contents[detection_id])
        best[group] = max(score, best.get(group, score))
    found = {_group_of(query, match["detection_id"], contents[match["detection_id"]]): match for match in matches}
    assert len(found) == len(matches) <= query.limit
    for group, match in found.items():
        assert match["score"] == pytest.approx(best[group], abs=_TOLERANCE)
    lowest = matches[-1]["score"] if len(matches) == query.limit else query.min_score
    if query.min_score is not None:
        assert all(match["score"] >= query.min_score for match in matches)
    for group in best.keys() - found.keys():
        assert lowest is not None, f"{group} is left out"
        assert best[group] < lowest + _TOLERANCE, f"{group} is left out"


def _group_of(query: Query, detection_id: str, stored: Stored) -> str:
    label = {"detection": None, "track": stored.track_id, "person": stored.person_id}[query.group_by]
    return f"alone: {detection_id}" if label is None else f"label: {label}"


def _see(query: Query, contents: Contents) -> tuple[int, str | None, int | None]:
    if query.detection_id is None:
        return query.crop, query.camera_id, query.timestamp_us
    stored = contents[query.detection_id]
    camera_id = stored.camera_id if query.camera_id is None else query.camera_id
    return stored.crop, camera_id, stored.timestamp_us if query.timestamp_us is None else query.timestamp_us


def _find_stand_in(
    query: Query, contents: Contents, appearance: dict[str, float], camera_id: str | None, timestamp_us: int | None
) -> str | None:
    """The best match, of the query's camera or about its time where that is known."""
    if query.lifting != "bootstrap" or (camera_id is not None and timestamp_us is not None):
        return None
    tau_us = query.tau_seconds * MICROSECONDS_PER_SECOND
    fitting = [
        each
        for each in appearance
        if camera_id in (None, contents[each].camera_id)
        and (timestamp_us is None or abs(contents[each].timestamp_us - timestamp_us) < tau_us)
    ]
    return min(fitting, key=lambda each: (-appearance[each], each), default=None)


def _is_candidate(query: Query, detection_id: str, stored: Stored) -> bool:
    wanted = query.candidates
    return (
        detection_id != query.detection_id
        and wanted.admits_camera(stored.camera_id)
        and (wanted.time_from_us is None or wanted.time_from_us <= stored.timestamp_us)
        and (wanted.time_to_us is None or stored.timestamp_us < wanted.time_to_us)
    )


def _others_nearby(
    query: Query, contents: Contents, camera_id: str, timestamp_us: int, max_nearby: int
) -> list[str]:  # fmt: skip
    """The closest first. A posted crop that is stored counts once: the same picture of the same place and moment."""
    there = {each: stored for each, stored in contents.items() if stored.camera_id == camera_id}
    if query.detection_id is None:
        # The service looks for the query among as many detections of that very moment as it takes nearby persons.
        at_once = sorted(each for each, stored in there.items() if stored.timestamp_us == timestamp_us)[:max_nearby]
        itself = {each for each in at_once if there[each].crop == query.crop}
    else:
        itself = {query.detection_id}
    distances = {each: abs(stored.timestamp_us - timestamp_us) for each, stored in there.items()}
    near = [each for each in there if distances[each] < query.tau_seconds * MICROSECONDS_PER_SECOND]
    return sorted((each for each in near if each not in itself), key=lambda each: (distances[each], each))


def _rerank(crop: int, appearance: dict[str, float], contents: Contents, pool: CropPool) -> dict[str, float]:
    """All candidates, who are fewer than the service re-ranks, the best first: so equal distances are ordered."""
    best = sorted(appearance, key=lambda each: (-appearance[each], each))
    crops = [crop, *(contents[each].crop for each in best)]
    logits = pool.logits[np.ix_(crops, crops)]
    distances = 1 / (1 + np.exp((logits + logits.T) / 2))
    np.fill_diagonal(distances, 0)
    if not best:
        return {}
    reranked = rerank(distances.tolist(), 20, 6, 0.3)[0][1:]
    return {each: 1 - distance for each, distance in zip(best, reranked, strict=True)}


def _lift(
    query: Query, contents: Contents, pool: CropPool, similarities: list[float], order: list[str], rows: list[int]
) -> Lifted:
    cameras = sorted({stored.camera_id for stored in contents.values()})
    seen = [
        Seen(
            each,
            cameras.index(contents[each].camera_id),
            (contents[each].timestamp_us - START_US) / MICROSECONDS_PER_SECOND,
        )
        for each in order
    ]
    retrieval = [[float(pool.logits[row, contents[each].crop]) for each in order] for row in rows]
    return lift(similarities, retrieval, seen, query.num_pivots, query.sigma_seconds, query.alpha)
