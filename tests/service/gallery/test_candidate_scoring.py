"""Searches that are scored together get what each would get alone, and that is what the reference says."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from model.gallery_scoring import Float32ReferenceScorer, position_major
from model.temporal_lifting import LiftingParameters
from service.gallery import map_blocks
from service.gallery.appearance_scores import appearance_scores
from service.gallery.candidate_scoring import CandidateScoring, ScoringJob
from service.gallery.device_gallery import DeviceGallery
from service.gallery.remembered_rows import RememberedRows
from service.gallery.scored_candidates import ScoredCandidates
from service.inference.feature_extraction import FeatureMap
from service.records import CandidateFilter, DetectionRecord
from tests.service.gallery.gallery_records import (
    build_coarse_gallery,
    build_gallery,
    build_matcher,
    draw_maps,
    put,
    record,
)

ALL = CandidateFilter()
QUERIES = draw_maps(5, seed=21)
RECORDS = [
    record(f"d{number:02}", feature_map, f"c{number % 3}", number, f"t{number // 4}", None if number % 5 else "p")
    for number, feature_map in enumerate(draw_maps(50, seed=20))
]


@pytest.fixture(params=[build_gallery, build_coarse_gallery], ids=["float32", "int8"])
def gallery(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> DeviceGallery:
    """50 detections in blocks of 8, which do not divide them."""
    monkeypatch.setitem(map_blocks._BLOCK_SLOTS, "cpu", 8)
    gallery = request.param(60)
    put(gallery, RECORDS)
    return gallery


@pytest.fixture
def scoring(gallery: DeviceGallery) -> CandidateScoring:
    return CandidateScoring(gallery, RememberedRows(gallery, 2**20))


def reference_logits(queries: list[FeatureMap], chosen: list[DetectionRecord]) -> torch.Tensor:
    maps = [torch.from_numpy(np.stack(each)).float() for each in (queries, [one.feature_map for one in chosen])]
    return Float32ReferenceScorer(build_matcher()).score(*(position_major(each) for each in maps))


def check_equals_reference(job: ScoringJob, scored: ScoredCandidates) -> None:
    chosen = [
        each
        for each in RECORDS
        if job.wanted.admits_camera(each.metadata.camera_id)
        and each.metadata.timestamp_us >= (job.wanted.time_from_us or 0)
        and each.metadata.timestamp_us < (job.wanted.time_to_us or 100)
        and each.metadata.detection_id != job.excluded_id
    ]
    assert scored.num_candidates == len(scored.best) == len(chosen)
    assert scored.gallery_size == 50
    assert scored.nearby_ids == job.nearby_ids
    check_best(scored, chosen, reference_logits([job.query_map], chosen)[0])


def check_best(scored: ScoredCandidates, chosen: list[DetectionRecord], logits: torch.Tensor) -> None:
    """Every candidate is wanted in these tests, so that every score is exact."""
    score_of = dict(
        zip((each.metadata.detection_id for each in chosen), logits.double().sigmoid().tolist(), strict=True)
    )
    metadata_of = {each.metadata.detection_id: each.metadata for each in chosen}
    assert {each.detection_id for each in scored.best} == score_of.keys()
    for each in scored.best:
        about = metadata_of[each.detection_id]
        assert each.score == each.appearance_score == pytest.approx(score_of[each.detection_id], rel=1e-4)
        assert (each.camera_id, each.timestamp_us) == (about.camera_id, about.timestamp_us)
        assert (each.track_id, each.person_id) == (about.track_id, about.person_id)
        assert each.temporal_score is None
    order = [(-each.score, each.detection_id) for each in scored.best]
    assert order == sorted(order)


def job(query: FeatureMap, nearby: tuple[str, ...], wanted: CandidateFilter, excluded_id: str | None) -> ScoringJob:
    return ScoringJob(query, nearby, wanted, excluded_id, count=100)


JOBS = [
    job(QUERIES[0], (), ALL, None),
    job(QUERIES[1], ("d07", "d31", "d02"), CandidateFilter(camera_ids=frozenset({"c1"})), "d04"),
    job(QUERIES[2], ("d49",), CandidateFilter(time_from_us=9, time_to_us=11), None),
    job(QUERIES[3], (), CandidateFilter(exclude_camera_ids=frozenset({"c0"}), time_from_us=30), "d40"),
    job(QUERIES[4], ("d00", "d01"), ALL, "d00"),
]


@pytest.mark.parametrize("job", JOBS)
def test_each_alone_equals_the_reference(scoring: CandidateScoring, job: ScoringJob) -> None:
    (scored,) = scoring.score([job])
    check_equals_reference(job, scored)


def test_all_together_equal_the_reference(scoring: CandidateScoring) -> None:
    for job, scored in zip(JOBS, scoring.score(JOBS), strict=True):
        check_equals_reference(job, scored)


def test_together_where_no_two_want_the_same_candidates(scoring: CandidateScoring) -> None:
    jobs = [
        job(QUERIES[0], ("d05",), CandidateFilter(time_to_us=10), None),
        job(QUERIES[1], (), CandidateFilter(time_from_us=41), "d45"),
    ]
    for each, scored in zip(jobs, scoring.score(jobs), strict=True):
        check_equals_reference(each, scored)


def test_no_candidates_alone_and_beside_others(scoring: CandidateScoring) -> None:
    nobody = job(QUERIES[0], ("d01",), CandidateFilter(camera_ids=frozenset({"closed"})), None)
    nobody = replace(nobody, lifting=LiftingParameters())
    (alone,) = scoring.score([nobody])
    beside = scoring.score([nobody, JOBS[0]])
    for nothing in (alone, beside[0]):
        assert (nothing.best, nothing.pivots, nothing.num_candidates) == ((), (), 0)
    check_equals_reference(JOBS[0], beside[1])


@pytest.mark.parametrize("build", [build_gallery, build_coarse_gallery])
def test_an_empty_gallery(build: Callable[[int], DeviceGallery]) -> None:
    empty = build(5)
    scoring = CandidateScoring(empty, RememberedRows(empty, 2**20))
    lifted = replace(JOBS[0], lifting=LiftingParameters())
    for scored in scoring.score([JOBS[0], replace(JOBS[1], nearby_ids=("gone",)), lifted]):
        assert (scored.best, scored.num_candidates) == ((), 0)
        assert scored.nearby_ids == ()
        assert scored.gallery_size == 0


def test_nearby_persons_erased_meanwhile_are_dropped(gallery: DeviceGallery, scoring: CandidateScoring) -> None:
    gallery.remove(["d31", "d44"])
    asked = job(QUERIES[0], ("d31", "d07", "d44", "nobody", "d02"), CandidateFilter(time_to_us=20), None)
    for scored in (scoring.score([asked])[0], scoring.score([JOBS[4], asked])[1]):
        assert scored.nearby_ids == ("d07", "d02")
        check_best(scored, RECORDS[:20], reference_logits([QUERIES[0]], RECORDS[:20])[0])


def test_what_was_scored_does_not_change_with_the_gallery(gallery: DeviceGallery, scoring: CandidateScoring) -> None:
    (scored,) = scoring.score([JOBS[0]])
    gallery.remove([f"d{number:02}" for number in range(50)])
    check_equals_reference(JOBS[0], scored)


def test_equal_logits_are_exactly_equal_scores_and_extreme_ones_do_no_harm() -> None:
    for count in range(1, 40):
        scores = appearance_scores(torch.full((count,), 0.37 * count))
        assert len(set(scores.tolist())) == 1
    extreme = appearance_scores(torch.tensor([-2000.0, -1.0, 0.0, 20.0, 30.0, 2000.0]))
    assert extreme.tolist() == sorted(extreme.tolist())
    assert extreme.tolist() == pytest.approx([0, 1 / (1 + np.e), 0.5, 1 - 2.0611536e-9, 1 - 9.3576e-14, 1], abs=1e-15)
    assert extreme[3] < extreme[4] < 1
