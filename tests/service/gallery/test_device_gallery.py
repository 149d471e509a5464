"""The gallery in the device's memory: what is scored equals the reference, whatever the blocks and whichever slots."""

import numpy as np
import pytest
import torch
from torch import Tensor

from model.gallery_scoring import BlockedScorer, Float32ReferenceScorer, GalleryScorer, position_major
from service.gallery import device_gallery, map_blocks
from service.gallery.capacity import CapacityError
from service.gallery.map_blocks import MapBlocks
from service.records import DetectionRecord
from tests.service.gallery.gallery_records import (
    CHANNELS,
    CPU,
    LOCATIONS,
    build_gallery,
    build_matcher,
    draw_maps,
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


def test_too_little_memory_at_the_start_names_what_would_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    allocated = []

    def allocate(*_: object, **__: object) -> Tensor:
        if len(allocated) == 3:
            raise torch.OutOfMemoryError("full")
        allocated.append(1)
        return torch.zeros(1)

    monkeypatch.setattr(torch, "empty", allocate)
    with pytest.raises(CapacityError, match=r"20000 .* took 12288 .*QACONV_GALLERY_CAPACITY to 6144"):
        MapBlocks(20_000, LOCATIONS, CHANNELS, torch.float16, CPU)
