"""An int8 pass and the exact scores of those that may be best answer what exact scores of everything answer, to the
last bit.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.temporal_lifting import LiftingParameters
from service.gallery import coarse_maps
from service.gallery.best_matches import GroupBy
from service.gallery.candidate_scoring import CandidateScoring, ScoringJob
from service.gallery.device_gallery import DeviceGallery
from service.gallery.remembered_rows import RememberedRows
from service.gallery.scored_candidates import ScoredCandidates
from service.inference.feature_extraction import FeatureMap
from service.observability.metrics import Metrics
from service.records import CandidateFilter, DetectionRecord
from tests.service.gallery import gallery_records
from tests.service.gallery.gallery_records import (
    build_coarse_gallery,
    build_gallery,
    build_matcher,
    draw_maps,
    put,
    record,
)

SIZE = 300
ALL = CandidateFilter()


@dataclass(frozen=True)
class Side:
    """A gallery and how it scores."""

    gallery: DeviceGallery
    scoring: CandidateScoring
    metrics: Metrics

    @classmethod
    def of(cls, gallery: DeviceGallery, records: list[DetectionRecord], remembered: int) -> "Side":
        put(gallery, records)
        metrics = Metrics()
        rows = RememberedRows(gallery, remembered * 5 * gallery.table.capacity, metrics)
        return cls(gallery, CandidateScoring(gallery, rows, metrics), metrics)

    @property
    def settled(self) -> float:
        return self.metrics.registry.get_sample_value("qaconv_settled_pairs_total") or 0.0


def draw_records(seed: int, size: int = SIZE) -> list[DetectionRecord]:
    """A crowd in which every tenth crop is stored twice, under another ID."""
    maps = draw_maps(size, seed)
    for number in range(0, size - 1, 10):
        maps[number + 1] = maps[number]
    return [
        record(
            f"d{(number * 7919) % size:04}",
            feature_map,
            f"c{number % 3}",
            number * 1_000_000,
            f"t{number // 4}" if number % 7 else None,
            f"p{number % 11}" if number % 5 else None,
        )
        for number, feature_map in enumerate(maps)
    ]


def sides(seed: int, remembered: int = 0, size: int = SIZE) -> list[Side]:
    """Exact scores of everything; int8 and exact maps on the device; int8 and exact maps read when they are needed."""
    records = draw_records(seed, size)
    stored: dict[str, FeatureMap] = {each.metadata.detection_id: each.feature_map for each in records}
    galleries = (
        build_gallery(size, torch.float16),
        build_coarse_gallery(size),
        build_coarse_gallery(size, read=stored.get),
    )
    return [Side.of(gallery, records, remembered) for gallery in galleries]


def best_of(scored: ScoredCandidates) -> list[tuple[str, float]]:
    """What is answered: the best candidates and their final scores."""
    return [(each.detection_id, each.score) for each in scored.best]


def check_same(exact: ScoredCandidates, certified: ScoredCandidates) -> None:
    """Whoever is answered, every number about them, and the pivots."""
    assert certified.best == exact.best
    assert certified.pivots == exact.pivots
    assert (certified.lifting_seconds is None) == (exact.lifting_seconds is None)
    assert exact.lifting_seconds is None or exact.pivots
    assert certified.num_candidates == exact.num_candidates


def job(seed: int, count: int, group_by: GroupBy = "detection", **others: object) -> ScoringJob:
    (query,) = draw_maps(1, seed)
    return replace(ScoringJob(query, (), ALL, None, count, group_by, includes_pivots=True), **others)


@pytest.mark.parametrize("group_by", ["detection", "track", "person"])
@pytest.mark.parametrize("count", [1, 10, 40, 1000])
def test_the_best_are_those_of_exact_scores(group_by: GroupBy, count: int) -> None:
    exact, *others = sides(seed=3)
    for side in others:
        for seed in range(100, 106):
            asked = job(seed, count, group_by)
            check_same(exact.scoring.score([asked])[0], side.scoring.score([asked])[0])
    assert exact.settled == 0


@pytest.mark.parametrize("group_by", ["detection", "track", "person"])
def test_scores_that_nearly_saturate_are_told_apart(group_by: GroupBy, monkeypatch: pytest.MonkeyPatch) -> None:
    """p_a of the best is 1 − 1e-12: float32 would round it to 1."""
    matcher = build_matcher()
    high = replace(matcher, head=matcher.head._replace(bias=matcher.head.bias + 25))
    monkeypatch.setattr(gallery_records, "build_matcher", lambda: high)
    exact, *others = sides(seed=13)
    for seed in range(600, 612):
        asked = job(seed, 5, group_by)
        for side in others:
            check_same(exact.scoring.score([asked])[0], side.scoring.score([asked])[0])


@pytest.mark.parametrize("group_by", ["detection", "track", "person"])
def test_a_weight_of_zero_settles_the_answered_alone(group_by: GroupBy) -> None:
    """α = 0, and next to nobody seen at the pivots' times: nearly all final scores are 0, and ordered by ID."""
    exact, coarse, _ = sides(seed=14)
    asked = job(700, 10, group_by, lifting=LiftingParameters(sigma_seconds=0.01, num_pivots=1, alpha=0))
    check_same(exact.scoring.score([asked])[0], coarse.scoring.score([asked])[0])
    assert coarse.settled < SIZE / 3


def test_who_takes_the_place_of_one_that_cannot_be_read_is_exact_too() -> None:
    """Also where scores of 0 are ordered by ID."""
    records = draw_records(16)
    stored = {each.metadata.detection_id: each.feature_map for each in records}
    side = Side.of(build_coarse_gallery(SIZE, read=stored.get), records, 0)
    asked = job(900, 10, lifting=LiftingParameters(sigma_seconds=0.01, num_pivots=1, alpha=0))
    best = best_of(side.scoring.score([asked])[0])
    gone = {best[4][0], best[9][0]}
    for each in gone:
        del stored[each]
    left = [each for each in records if each.metadata.detection_id not in gone]
    without = Side.of(build_gallery(SIZE, torch.float16), left, 0)
    assert side.scoring.score([asked])[0].best == without.scoring.score([asked])[0].best


@pytest.mark.parametrize("num_pivots", [1, 2, 1000])
@pytest.mark.parametrize("remembered", [0, 3])
def test_who_cannot_be_read_is_no_pivot(num_pivots: int, remembered: int) -> None:
    """Neither where a camera has fewer pairs than K, nor by a score that is remembered."""
    records = draw_records(17, 60)
    stored = {each.metadata.detection_id: each.feature_map for each in records}
    side = Side.of(build_coarse_gallery(60, read=stored.get), records, remembered)
    parameters = LiftingParameters(num_pivots=num_pivots, sigma_seconds=3)
    asked = job(950, 60, nearby_ids=("d0003", "d0010"), lifting=parameters)
    pivots = side.scoring.score([asked])[0].pivots
    gone = {pivots[0].detection_id, pivots[-1].detection_id}
    for each in gone:
        del stored[each]
    left = [each for each in records if each.metadata.detection_id not in gone]
    without = Side.of(build_gallery(60, torch.float16), left, 0)
    found, expected = side.scoring.score([asked])[0], without.scoring.score([asked])[0]
    assert set(found.unreadable_ids) == gone
    assert found.best == expected.best
    assert set(found.pivots) == set(expected.pivots)


def test_without_memory_for_a_replacement_all_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    exact, coarse, _ = sides(seed=15)
    asked = job(800, 20)
    before = best_of(coarse.scoring.score([asked])[0])
    with monkeypatch.context() as patched:
        patched.setattr(coarse_maps, "measure_error_factors", lambda *_: torch.empty(2**60))
        with pytest.raises(RuntimeError, match="memory"):
            coarse.gallery.put([record(before[0][0], draw_maps(1, 99)[0], "c9")])
    assert best_of(coarse.scoring.score([asked])[0]) == before
    check_same(exact.scoring.score([asked])[0], coarse.scoring.score([asked])[0])


@pytest.mark.parametrize("num_pivots", [1, 10, 1000])
@pytest.mark.parametrize("is_ranked_by_appearance", [False, True])
@pytest.mark.parametrize("remembered", [0, 20])
def test_pivots_and_lifted_scores_are_those_of_exact_scores(
    num_pivots: int, remembered: int, *, is_ranked_by_appearance: bool
) -> None:
    exact, *others = sides(4, remembered)
    parameters = LiftingParameters(num_pivots=num_pivots, sigma_seconds=30)
    jobs = [
        job(200, 5, nearby_ids=("d0003", "d0100", "d0007"), lifting=parameters),
        job(201, 5, nearby_ids=("d0007",), lifting=parameters, excluded_id="d0003"),
        job(202, 5, wanted=CandidateFilter(camera_ids=frozenset({"c1"})), nearby_ids=("d0003",), lifting=parameters),
        job(203, 5),
    ]
    jobs = [replace(each, is_ranked_by_appearance=is_ranked_by_appearance) for each in jobs]
    for side in others:
        for together in (jobs, jobs[:1], jobs[1:3], jobs[::-1]):
            for one, other in zip(exact.scoring.score(together), side.scoring.score(together), strict=True):
                check_same(one, other)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 30), st.integers(1, 60), st.integers(2, 80))
def test_any_crowd(seed: int, count: int, num_pivots: int, size: int) -> None:
    exact, coarse, _ = sides(seed, remembered=3, size=size)
    asked = job(seed + 1, count, nearby_ids=("d0000", "d0001"), lifting=LiftingParameters(num_pivots=num_pivots))
    for _ in range(2):
        check_same(exact.scoring.score([asked])[0], coarse.scoring.score([asked])[0])


def test_few_are_settled_and_what_is_remembered_is_not_settled_again() -> None:
    _, coarse, _ = sides(5, remembered=20)
    coarse.scoring.score([job(300, 1)])
    assert 1 <= coarse.settled < SIZE / 2
    lifted = job(301, 1, nearby_ids=("d0003", "d0100"), lifting=LiftingParameters(num_pivots=5))
    settled = [coarse.settled]
    for _ in range(3):
        coarse.scoring.score([lifted])
        settled.append(coarse.settled)
    first, second, third = np.diff(settled)
    # The query's own are settled again, those of the nearby persons are known.
    assert 0 < second < first
    assert third == second


def test_what_was_replaced_is_not_remembered_as_exact() -> None:
    exact, coarse, _ = sides(6, remembered=20)
    lifted = job(400, 300, nearby_ids=("d0003",), lifting=LiftingParameters())
    coarse.scoring.score([lifted])
    for side in (exact, coarse):
        side.gallery.remove(["d0005"])
        put(side.gallery, [record("d0003", draw_maps(1, 77)[0]), record("d0009", draw_maps(1, 78)[0], "c2", 5)])
    check_same(exact.scoring.score([lifted])[0], coarse.scoring.score([lifted])[0])


def test_who_cannot_be_read_from_the_disk_is_told_and_the_rest_is_as_without() -> None:
    """Erased there and not yet on the device, or damaged."""
    records = draw_records(7)
    stored = {each.metadata.detection_id: each.feature_map for each in records}
    side = Side.of(build_coarse_gallery(SIZE, read=stored.get), records, 20)
    asked = job(500, 10)
    best = [detection_id for detection_id, _ in best_of(side.scoring.score([asked])[0])]
    gone = {best[0], best[4], best[9]}
    for each in gone:
        del stored[each]
    without = Side.of(
        build_gallery(SIZE, torch.float16), [each for each in records if each.metadata.detection_id not in gone], 0
    )
    for lifting in (None, LiftingParameters(num_pivots=3)):
        # One who was near is gone too.
        again = replace(asked, lifting=lifting, nearby_ids=() if lifting is None else (best[4],))
        scored = side.scoring.score([again])[0]
        # They and nobody else, though all who were near have to do with the last.
        assert set(scored.unreadable_ids) == gone
        alone = replace(again, nearby_ids=())
        assert best_of(scored) == best_of(without.scoring.score([alone])[0])
