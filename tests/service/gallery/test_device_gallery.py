"""The gallery in the device's memory: what is scored equals the reference, whatever the blocks and whichever slots."""

import numpy as np
import pytest
import torch
from torch import Tensor

from model.gallery_scoring import (
    BlockedScorer,
    Float32ReferenceScorer,
    GalleryScorer,
    choose_scorer,
    position_major,
)
from model.gallery_scoring.precision import ScoringPrecision
from model.temporal_lifting import LiftingParameters
from service.gallery import device_gallery, map_blocks
from service.gallery.candidate_scoring import CandidateScoring, ScoringJob
from service.gallery.pair_scores import PairScores
from service.gallery.remembered_rows import RememberedRows
from service.observability.metrics import Metrics
from service.records import CandidateFilter, DetectionRecord
from tests.service.gallery.gallery_records import (
    CHANNELS,
    build_coarse_gallery,
    build_gallery,
    build_matcher,
    draw_maps,
    matcher_on,
    put,
    record,
)

SCORER: GalleryScorer = BlockedScorer(build_matcher(), torch.float32)
REFERENCE = Float32ReferenceScorer(build_matcher())


def draw_records(count: int, seed: int = 1) -> list[DetectionRecord]:
    return [record(f"d{number:03}", feature_map) for number, feature_map in enumerate(draw_maps(count, seed))]


def queries(count: int) -> Tensor:
    return position_major(torch.from_numpy(np.stack(draw_maps(count, seed=9))).float())


def maps_of(records: list[DetectionRecord]) -> Tensor:
    return position_major(torch.from_numpy(np.stack([each.feature_map for each in records])).float())


@pytest.mark.parametrize("block_slots", [1, 4, 7, 4096])
@pytest.mark.parametrize("count", [1, 7, 30])
def test_all_slots_score_as_the_reference(block_slots: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(map_blocks._BLOCK_SLOTS, "cpu", block_slots)
    gallery = build_gallery(31)
    records = draw_records(count)
    put(gallery, records)
    scores = gallery.score(gallery.prepare(list(queries(3)), []), np.arange(count))
    torch.testing.assert_close(scores, REFERENCE.score(queries(3), maps_of(records)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("block_slots", [4, 7, 64])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.95])
def test_scattered_slots_score_as_the_reference(
    block_slots: int, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(map_blocks._BLOCK_SLOTS, "cpu", block_slots)
    gallery = build_gallery(100)
    records = draw_records(61)
    put(gallery, records)
    for seed in range(5):
        slots = np.flatnonzero(np.random.default_rng(seed).random(61) < share)
        chosen = [records[slot] for slot in slots]
        scores = gallery.score(gallery.prepare(list(queries(2)), []), slots)
        assert scores.shape == (2, len(slots))
        if chosen:
            torch.testing.assert_close(scores, REFERENCE.score(queries(2), maps_of(chosen)), rtol=0, atol=1e-5)


def test_what_lies_in_free_slots_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(map_blocks._BLOCK_SLOTS, "cpu", 8)
    gallery = build_gallery(8)
    records = draw_records(8)
    put(gallery, records)
    gallery.remove(["d003", "d005"])
    gallery.exact._blocks[0][[3, 5]] = float("nan")
    slots = np.array([0, 1, 2, 4, 6, 7])
    expected = REFERENCE.score(queries(2), maps_of([records[slot] for slot in slots]))
    torch.testing.assert_close(gallery.score(gallery.prepare(list(queries(2)), []), slots), expected, rtol=0, atol=1e-5)


def test_equal_maps_score_exactly_alike_wherever_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(map_blocks._BLOCK_SLOTS, "cpu", 29)
    gallery = build_gallery(100)
    (feature_map,) = draw_maps(1)
    put(gallery, [record(f"d{number:03}", feature_map) for number in range(91)])
    for slots in (np.arange(91), np.arange(0, 91, 3), np.array([0, 50, 90]), np.delete(np.arange(91), [7, 40])):
        scores = gallery.score(gallery.prepare(list(queries(3)), []), slots)
        assert torch.equal(scores, scores[:, :1].expand_as(scores))


def test_replacing_overwrites_and_removing_wipes_the_map_and_frees_the_slot() -> None:
    gallery = build_gallery(3)
    first, second, other = draw_records(3)
    put(gallery, [first, second])
    replaced = record("d000", other.feature_map, "c2")
    put(gallery, [replaced])
    torch.testing.assert_close(torch.stack(gallery.exact.at([0, 1])), maps_of([other, second]), rtol=0, atol=0)
    assert gallery.remove(["d000", "nobody"]) == [None, None]
    assert gallery.table.size == 1
    assert torch.count_nonzero(gallery.exact.at([0])[0]) == 0
    put(gallery, [record("new", other.feature_map)])
    assert gallery.table.filled_slots(["new", "d001"]) == [0, 1]
    torch.testing.assert_close(gallery.exact.at([0])[0], maps_of([other])[0], rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_maps_lie_in_the_format_that_was_chosen(dtype: torch.dtype) -> None:
    gallery = build_gallery(40, dtype)
    records = draw_records(40)
    put(gallery, records)
    assert {each.dtype for each in gallery.exact.at(range(40))} == {dtype}
    stacked = torch.stack([gallery.position_major(each) for each in draw_maps(3, seed=9)])
    scores = gallery.score(gallery.prepare(list(stacked), []), np.arange(40))
    expected = REFERENCE.score(queries(3), maps_of(records))
    # A bfloat16 keeps 8 bits of both maps: a cosine is off by at most 2⁻⁷, the mean over 2hw maxima by far less.
    assert (scores - expected).abs().max() < 2**-7 * 4


def test_a_map_that_the_device_has_no_memory_for_is_no_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(map_blocks._BLOCK_SLOTS, "cpu", 2)
    gallery = build_gallery(4)
    records = draw_records(3)
    put(gallery, records[:2])

    def refuse(*_: object, **__: object) -> Tensor:
        raise torch.OutOfMemoryError("no memory")

    gallery.table.reserve("d002")
    with monkeypatch.context() as patched:
        patched.setattr(device_gallery, "position_major_maps", refuse)
        with pytest.raises(torch.OutOfMemoryError):
            gallery.put(records[2:])
    assert gallery.table.size == 2
    assert gallery.table.filled_slots(["d002"]) == []
    put(gallery, records[2:])
    assert gallery.table.size == 3


class Crowded:
    """A scorer that has memory for few queries at once."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.tried: list[int] = []

    def score(self, query_maps: Tensor, gallery_maps: Tensor, rows: Tensor | None = None) -> Tensor:
        self.tried.append(len(query_maps))
        if len(query_maps) > self.most:
            raise torch.OutOfMemoryError(f"{len(query_maps)} queries")
        return SCORER.score(query_maps, gallery_maps, rows)


def test_queries_that_do_not_fit_together_are_scored_in_halves() -> None:
    gallery = build_gallery(6)
    put(gallery, draw_records(6))
    wanted = gallery.score(gallery.prepare(list(queries(65)), []), np.arange(6))
    crowded = Crowded(20)
    gallery._scorer = crowded
    assert gallery.score(gallery.prepare(list(queries(65)), []), np.arange(6)).equal(wanted)
    assert crowded.tried == [65, 32, 16, 16, 33, 16, 17]
    gallery._scorer = Crowded(0)
    with pytest.raises(torch.OutOfMemoryError):
        gallery.score(gallery.prepare(list(queries(2)), []), np.arange(6))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("is_plain_torch", [True, False])
@pytest.mark.parametrize("are_on_disk", [False, True])
def test_on_cuda_all_is_scored_settled_and_ranked_as_on_the_cpu(*, is_plain_torch: bool, are_on_disk: bool) -> None:
    check_as_on_the_cpu(torch.device("cuda"), is_plain_torch=is_plain_torch, are_on_disk=are_on_disk)


def check_as_on_the_cpu(device: torch.device, *, is_plain_torch: bool, are_on_disk: bool) -> None:
    """Products of float16 and int8 are exact in float32: only the order of sums differs."""
    size = 300
    records = draw_records(size)
    stored = {each.metadata.detection_id: each.feature_map for each in records}
    matcher = matcher_on(device)
    chosen = choose_scorer(matcher, CHANNELS, ScoringPrecision(torch.int8, torch.float32))
    scorer = BlockedScorer(matcher, torch.float32) if is_plain_torch else chosen
    here = build_coarse_gallery(size)
    there = build_coarse_gallery(size, scorer, stored.get if are_on_disk else None, device)
    for gallery in (here, there):
        put(gallery, [*records, record("d007", draw_maps(1, seed=5)[0])])
        gallery.remove(["d011"])
    stored["d007"] = draw_maps(1, seed=5)[0]
    slots = np.delete(np.arange(size), 11)
    query, persons = draw_maps(1, seed=9)[0], [7, 250]
    pairs_here, pairs_there = (
        PairScores(each, RememberedRows(each, 20 * 5 * size), [each.position_major(query)], persons, slots)
        for each in (here, there)
    )
    assert pairs_there.logits.device.type == device.type
    torch.testing.assert_close(pairs_there.logits.cpu(), pairs_here.logits, rtol=0, atol=1e-5)
    rows, columns = [0, 1, 2], torch.arange(len(slots))
    lower, upper = (each.cpu() for each in pairs_there.bounds(rows, columns.to(device)))
    for pairs in (pairs_here, pairs_there):
        where = columns.to(pairs.logits.device)
        assert pairs.settle(rows, where, torch.ones(3, len(slots), dtype=torch.bool, device=where.device)) > 0
        assert pairs.unreadable == set()
    exact = pairs_there.logits.cpu()
    torch.testing.assert_close(exact, pairs_here.logits, rtol=0, atol=1e-5)
    assert ((lower <= exact) & (exact <= upper)).all()

    lifting = LiftingParameters(num_pivots=10)
    asked = ScoringJob(query, ("d007", "d250"), CandidateFilter(), None, 20, lifting=lifting, includes_pivots=True)
    found_here, found_there = (
        CandidateScoring(each, RememberedRows(each, 20 * 5 * size), Metrics()).score([asked])[0]
        for each in (here, there)
    )
    assert found_there.num_candidates == found_here.num_candidates
    assert {each.detection_id for each in found_there.pivots} == {each.detection_id for each in found_here.pivots}
    scores_here, scores_there = ([each.score for each in found.best] for found in (found_here, found_there))
    assert scores_there == pytest.approx(scores_here, abs=1e-5)
    temporal_of = {each.detection_id: each.temporal_score for each in found_here.best}
    for each in found_there.best:
        assert each.temporal_score == pytest.approx(temporal_of.get(each.detection_id, each.temporal_score), abs=1e-6)
