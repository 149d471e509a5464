"""Searches answer the same to the last bit with remembered rows and without, whatever arrives or is erased."""

from collections.abc import Iterator
from dataclasses import dataclass
from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.gallery_scoring import BlockedScorer
from service.gallery import map_blocks, remembered_rows
from service.gallery.appearance_scores import appearance_scores
from service.gallery.candidate_scoring import CandidateScoring, ScoringJob
from service.gallery.capacity import CapacityError
from service.gallery.device_gallery import DeviceGallery
from service.gallery.remembered_rows import RememberedRows
from service.gallery.scored_candidates import ScoredCandidates
from service.observability.metrics import Metrics
from service.records import CandidateFilter
from tests.service.gallery.gallery_records import build_gallery, build_matcher, draw_maps, put, record

CAPACITY = 12
ROW_BYTES = 4 * CAPACITY
MAPS = draw_maps(20, seed=8)
ALL = CandidateFilter()
CAMERAS = ("c0", "c1", "c2")


class CountingScorer(BlockedScorer):
    """Remembers how many queries and detections it was given in each call."""

    calls: list[tuple[int, int]]

    def score(self, query_maps: Tensor, gallery_maps: Tensor, rows: Tensor | None = None) -> Tensor:
        self.calls.append((len(query_maps), len(gallery_maps if rows is None else rows)))
        return super().score(query_maps, gallery_maps, rows)


@dataclass(frozen=True)
class Small:
    """A gallery of 12 slots, in blocks of 5, that remembers some rows."""

    gallery: DeviceGallery
    scorer: CountingScorer
    rows: RememberedRows
    metrics: Metrics

    @classmethod
    def of(cls, remembered: int) -> "Small":
        scorer = CountingScorer(build_matcher(), torch.float32)
        scorer.calls = []
        with patch.dict(map_blocks._BLOCK_SLOTS, cpu=5):
            gallery = build_gallery(CAPACITY, torch.float16, scorer)
        metrics = Metrics()
        return cls(gallery, scorer, RememberedRows(gallery, remembered * ROW_BYTES, metrics), metrics)

    def put(self, *numbers: tuple[int, int]) -> None:
        """Stores detections of the given numbers with maps of the given numbers."""
        put(self.gallery, [record(f"d{each}", MAPS[drawn], CAMERAS[each % 3], each) for each, drawn in numbers])

    def remove(self, *numbers: int) -> None:
        self.gallery.remove([f"d{each}" for each in numbers])

    def search(self, *jobs: ScoringJob) -> list[tuple[int, int]]:
        """Scores the jobs, checks every bit, and returns the calls of the scorer."""
        self.scorer.calls = []
        found = CandidateScoring(self.gallery, self.rows).score(list(jobs))
        calls = list(self.scorer.calls)
        for job, scored in zip(jobs, found, strict=True):
            self._check(job, scored)
        self.check_memory()
        return calls

    def _check(self, job: ScoringJob, scored: ScoredCandidates) -> None:
        """What one search gets is what it gets alone, from the scorer, without any memory."""
        table = self.gallery.table
        slots = table.candidates(job.wanted, job.excluded_id)
        expected = self.gallery.score(self.gallery.prepare([self.gallery.position_major(job.query_map)], []), slots)
        expected_of = dict(zip(table.detection_ids[slots], appearance_scores(expected[0]), strict=True))
        assert {each.detection_id: each.appearance_score for each in scored.best} == expected_of
        assert scored.nearby_ids == tuple(table.detection_ids[table.filled_slots(job.nearby_ids)])

    def check_memory(self) -> None:
        """Whatever is remembered is true, and nothing is remembered of what is not there."""
        table, places = self.gallery.table, self.rows._place_of
        assert len(places) + len(self.rows._free) == len(self.rows._logits)
        filled = table.candidates(ALL, None)
        assert set(places) <= set(filled.tolist())
        for slot, place in places.items():
            row = self.rows._logits[place]
            known = torch.nonzero(~row.isnan()).flatten().numpy()
            assert set(known.tolist()) <= set(filled.tolist())
            expected = self.gallery.score(self.gallery.prepare([], [slot]), known)
            assert torch.equal(row[known], expected[0])

    def count(self, name: str) -> float:
        value = self.metrics.registry.get_sample_value(f"qaconv_remembered_{name}")
        assert value is not None
        return value


@pytest.fixture
def small() -> Iterator[Small]:
    """Nine detections, room for three more, and six rows."""
    small = Small.of(remembered=6)
    small.put(*((number, number) for number in range(9)))
    yield small
    small.check_memory()


def job(query: int, *nearby: int, wanted: CandidateFilter = ALL, excluded: int | None = None) -> ScoringJob:
    excluded_id = None if excluded is None else f"d{excluded}"
    return ScoringJob(MAPS[query], tuple(f"d{each}" for each in nearby), wanted, excluded_id, count=CAPACITY)


def test_many_rows_are_scored_some_at_a_time(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered_rows, "_ROWS_TOGETHER", 2)
    jobs = job(10, 0, 1, 2, 3), job(11, 3, 4)
    # Seven rows, in two blocks of slots.
    assert [count for count, _ in small.search(*jobs)] == [2, 2, 2, 2, 2, 2, 1, 1]
    assert [count for count, _ in small.search(*jobs)] == [2, 2]


numbers = st.integers(0, 8)
filters = st.builds(
    CandidateFilter,
    camera_ids=st.sampled_from([frozenset(), frozenset({"c1"}), frozenset({"c0", "c2"})]),
    time_from_us=st.one_of(st.none(), numbers),
)
jobs = st.builds(
    lambda query, nearby, wanted, excluded: job(query, *nearby, wanted=wanted, excluded=excluded),
    st.integers(10, 19),
    st.lists(numbers, max_size=5, unique=True),
    st.one_of(st.just(ALL), filters),
    st.one_of(st.none(), numbers),
)
operations = st.one_of(
    st.tuples(st.just("put"), st.lists(st.tuples(numbers, st.integers(0, 19)), min_size=1, max_size=4)),
    st.tuples(st.just("remove"), st.lists(numbers, min_size=1, max_size=2)),
    st.tuples(st.just("search"), st.lists(jobs, min_size=1, max_size=3)),
    st.tuples(st.just("search"), st.lists(jobs, min_size=1, max_size=3)),
)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 5), st.lists(operations, min_size=4, max_size=15))
def test_a_search_gets_what_it_gets_without_memory(remembered: int, steps: list[tuple[str, list]]) -> None:
    small = Small.of(remembered)
    small.put(*((number, number) for number in range(5)))
    for name, arguments in steps:
        getattr(small, name)(*arguments)
        small.check_memory()


def test_the_second_search_near_the_same_place_scores_the_query_alone(small: Small) -> None:
    assert small.search(job(10, 1, 2, 3)) == [(4, 5), (4, 4)]
    assert small.search(job(11, 3, 1)) == [(1, 5), (1, 4)]
    of_c2 = CandidateFilter(camera_ids=frozenset({"c2"}))
    assert small.search(job(12, 2, excluded=8, wanted=of_c2)) == [(1, 1), (1, 1)]
    assert [small.count(name) for name in ("row_hits_total", "row_misses_total")] == [3, 3]
    assert [small.count(name) for name in ("rows", "rows_bytes")] == [3, 3 * ROW_BYTES]


def test_what_arrived_or_was_replaced_extends_the_rows(small: Small) -> None:
    small.search(job(10, 1, 2, 3))
    small.put((9, 9), (4, 15))
    # The query against ten; three persons against number 4, which changed, and number 9, which is new.
    assert small.search(job(11, 1, 2, 3)) == [(1, 5), (1, 5), (3, 1), (3, 1)]
    small.put((2, 16))
    assert small.search(job(12, 1, 2, 3)) == [(2, 5), (2, 5), (2, 1)]


def test_rows_that_lack_different_detections_are_completed_together(small: Small) -> None:
    some, others = (CandidateFilter(camera_ids=frozenset(cameras)) for cameras in (("c0", "c1"), ("c1", "c2")))
    small.search(job(10, 1, wanted=some))
    small.search(job(10, 2, wanted=others))
    # Each knows six of nine, and lacks three that the other knows.
    assert small.search(job(10, 1, 2)) == [(1, 5), (1, 4), (2, 3), (2, 3)]
    assert small.search(job(10, 1, 2)) == [(1, 5), (1, 4)]


def test_nothing_is_left_of_who_was_erased_or_replaced(small: Small) -> None:
    small.search(job(10, 1, 2, 3))
    place_of = dict(small.rows._place_of)
    one, two, three = (small.gallery.table.reserved_slot(f"d{number}") for number in (1, 2, 3))
    small.remove(2)
    small.put((3, 19))
    left = small.rows._logits[[place_of[each] for each in (one, two, three)]]
    assert left[1:].isnan().all()
    assert left[0, [two, three]].isnan().all()
    assert left[0, :9].isnan().sum() == 2
    assert list(small.rows._place_of) == [one]


def test_the_least_recently_used_rows_give_way(small: Small) -> None:
    small.search(job(10, 0, 1, 2))
    small.search(job(10, 3, 4, 5))
    small.search(job(10, 0))
    small.search(job(10, 6, 7))
    table = small.gallery.table
    assert [table.detection_ids[slot] for slot in small.rows._place_of] == ["d3", "d4", "d5", "d0", "d6", "d7"]
    assert small.search(job(10, 0, 3, 4, 5, 6, 7)) == [(1, 5), (1, 4)]


def test_more_persons_than_rows_are_scored_and_some_remembered(small: Small) -> None:
    assert small.search(job(10, *range(9))) == [(10, 5), (10, 4)]
    assert small.search(job(11, *range(9))) == [(4, 5), (4, 4)]
    nothing = Small.of(remembered=0)
    nothing.put((0, 0), (1, 1))
    assert nothing.search(job(10, 0, 1)) == nothing.search(job(10, 0, 1)) == [(3, 2)]
    assert [nothing.count(name) for name in ("row_hits_total", "row_misses_total", "rows")] == [0, 4, 0]


def test_who_is_near_several_queries_is_scored_once(small: Small) -> None:
    assert small.search(job(10, 1, 2, 3), job(11, 2, 3), job(12), job(13, 3, 1)) == [(7, 5), (7, 4)]
    assert small.search(job(10, 1, 5), job(11, 5), job(12, excluded=4)) == [(4, 5), (4, 4)]


def test_searches_with_different_filters_share_a_pass_unless_most_of_it_were_nobodys(small: Small) -> None:
    of_c1 = CandidateFilter(camera_ids=frozenset({"c1"}))
    but_first = CandidateFilter(time_from_us=1)
    assert small.search(job(10), job(11, wanted=but_first), job(12, excluded=4)) == [(3, 5), (3, 4)]
    assert small.search(job(10), job(11, wanted=of_c1), job(12, excluded=4)) == [(2, 5), (2, 4), (1, 2), (1, 1)]


def test_who_lacks_most_does_not_cost_the_others_theirs(small: Small) -> None:
    small.search(job(10, 1, 2, 3))
    small.search(job(10, 4, wanted=CandidateFilter(camera_ids=frozenset({"c0"}))))
    assert small.search(job(10, 1, 2, 3, 4)) == [(2, 5), (2, 4)]


def test_a_search_without_candidates_drives_nobody_out(small: Small) -> None:
    small.search(job(10, *range(6)))
    before = dict(small.rows._place_of)
    small.search(job(10, 6, 7, wanted=CandidateFilter(camera_ids=frozenset({"closed"}))))
    assert small.rows._place_of == before


def test_a_device_without_memory_for_the_rows_says_so() -> None:
    gallery = build_gallery(CAPACITY)
    full = RuntimeError("DefaultCPUAllocator: not enough memory")
    with patch.object(torch, "empty", side_effect=full), pytest.raises(CapacityError, match="REMEMBERED_ROWS_BYTES"):
        RememberedRows(gallery, 2**20)
