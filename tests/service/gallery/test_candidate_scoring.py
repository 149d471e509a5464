"""Searches that are scored together get what each would get alone, and that is what the reference says."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from model.gallery_scoring import BlockedScorer, Float32ReferenceScorer, position_major
from service.gallery import device_gallery
from service.gallery.candidate_scoring import CandidateScoring, ScoredCandidates, ScoringJob, _appearance_scores
from service.gallery.device_gallery import DeviceGallery
from service.gallery.remembered_rows import RememberedRows
from service.gallery.slot_table import SlotTable
from service.inference.feature_extraction import FeatureMap
from service.records import CandidateFilter, DetectionRecord
from tests.service.gallery.gallery_records import CHANNELS, LOCATIONS, build_matcher, draw_maps, record

ALL = CandidateFilter()
QUERIES = draw_maps(5, seed=21)
RECORDS = [
    record(f"d{number:02}", feature_map, f"c{number % 3}", number, f"t{number // 4}", None if number % 5 else "p")
    for number, feature_map in enumerate(draw_maps(50, seed=20))
]


@pytest.fixture
def gallery(monkeypatch: pytest.MonkeyPatch) -> DeviceGallery:
    """50 detections in blocks of 8, which do not divide them."""
    monkeypatch.setattr(device_gallery, "_BLOCK_SLOTS", 8)
    gallery = DeviceGallery(SlotTable(60), LOCATIONS, CHANNELS, torch.float32, torch.device("cpu"))
    for each in RECORDS:
        gallery.table.reserve(each.metadata.detection_id)
    gallery.put(RECORDS)
    return gallery


@pytest.fixture
def scoring(gallery: DeviceGallery) -> CandidateScoring:
    return CandidateScoring(gallery, BlockedScorer(build_matcher(), torch.float32), RememberedRows(gallery, 2**20))


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
    assert list(scored.detection_ids) == [each.metadata.detection_id for each in chosen]
    assert list(scored.timestamps_us) == [each.metadata.timestamp_us for each in chosen]
    assert [scored.camera_ids[camera] for camera in scored.cameras] == [each.metadata.camera_id for each in chosen]
    assert list(scored.track_ids) == [each.metadata.track_id for each in chosen]
    assert list(scored.person_ids) == [each.metadata.person_id for each in chosen]
    assert scored.gallery_size == 50
    assert scored.nearby_ids == job.nearby_ids
    maps = {each.metadata.detection_id: each.feature_map for each in RECORDS}
    expected = reference_logits([job.query_map, *(maps[near] for near in job.nearby_ids)], chosen)
    torch.testing.assert_close(scored.logits.of_search(), expected, rtol=0, atol=1e-5)


JOBS = [
    ScoringJob(QUERIES[0], (), ALL, None),
    ScoringJob(QUERIES[1], ("d07", "d31", "d02"), CandidateFilter(camera_ids=frozenset({"c1"})), "d04"),
    ScoringJob(QUERIES[2], ("d49",), CandidateFilter(time_from_us=9, time_to_us=11), None),
    ScoringJob(QUERIES[3], (), CandidateFilter(exclude_camera_ids=frozenset({"c0"}), time_from_us=30), "d40"),
    ScoringJob(QUERIES[4], ("d00", "d01"), ALL, "d00"),
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
        ScoringJob(QUERIES[0], ("d05",), CandidateFilter(time_to_us=10), None),
        ScoringJob(QUERIES[1], (), CandidateFilter(time_from_us=41), "d45"),
    ]
    for job, scored in zip(jobs, scoring.score(jobs), strict=True):
        check_equals_reference(job, scored)


def test_no_candidates_alone_and_beside_others(scoring: CandidateScoring) -> None:
    nobody = ScoringJob(QUERIES[0], ("d01",), CandidateFilter(camera_ids=frozenset({"closed"})), None)
    (alone,) = scoring.score([nobody])
    beside = scoring.score([nobody, JOBS[0]])
    assert alone.logits.of_search().shape == beside[0].logits.of_search().shape == (2, 0)
    check_equals_reference(JOBS[0], beside[1])


def test_an_empty_gallery() -> None:
    empty = DeviceGallery(SlotTable(5), LOCATIONS, CHANNELS, torch.bfloat16, torch.device("cpu"))
    scoring = CandidateScoring(empty, BlockedScorer(build_matcher(), torch.float32), RememberedRows(empty, 2**20))
    for scored in scoring.score([JOBS[0], replace(JOBS[1], nearby_ids=("gone",))]):
        assert scored.logits.of_search().shape == (1, 0)
        assert scored.nearby_ids == ()
        assert scored.gallery_size == 0


def test_nearby_persons_erased_meanwhile_are_dropped(gallery: DeviceGallery, scoring: CandidateScoring) -> None:
    gallery.remove(["d31", "d44"])
    job = ScoringJob(QUERIES[0], ("d31", "d07", "d44", "nobody", "d02"), CandidateFilter(time_to_us=20), None)
    for scored in (scoring.score([job])[0], scoring.score([JOBS[4], job])[1]):
        assert scored.nearby_ids == ("d07", "d02")
        expected = reference_logits([QUERIES[0], RECORDS[7].feature_map, RECORDS[2].feature_map], RECORDS[:20])
        torch.testing.assert_close(scored.logits.of_search(), expected, rtol=0, atol=1e-5)


def test_what_was_scored_does_not_change_with_the_gallery(gallery: DeviceGallery, scoring: CandidateScoring) -> None:
    (scored,) = scoring.score([JOBS[0]])
    logits = scored.logits.of_search().clone()
    gallery.remove([f"d{number:02}" for number in range(50)])
    check_equals_reference(JOBS[0], scored)
    assert torch.equal(scored.logits.of_search(), logits)


def test_equal_logits_are_exactly_equal_appearance_scores_and_extreme_ones_do_no_harm() -> None:
    for count in range(1, 40):
        scores = _appearance_scores(torch.full((count,), 0.37 * count))
        assert len(set(scores.tolist())) == 1
    extreme = _appearance_scores(torch.tensor([-2000.0, -1.0, 0.0, 20.0, 30.0, 2000.0]))
    assert extreme.tolist() == sorted(extreme.tolist())
    assert extreme.tolist() == pytest.approx([0, 1 / (1 + np.e), 0.5, 1 - 2.0611536e-9, 1 - 9.3576e-14, 1], abs=1e-15)
    assert extreme[3] < extreme[4] < 1
