"""Slots: who has which, who is a candidate, and that none is lost or given twice."""

import threading

import pytest

from service.errors import StorageFull
from service.gallery.slot_table import SlotTable
from service.records import CandidateFilter
from tests.service.gallery.gallery_records import draw_maps, record

ALL = CandidateFilter()
(MAP,) = draw_maps(1)


def fill(
    table: SlotTable, detection_id: str, camera_id: str = "c1", timestamp_us: int = 0, track_id: str | None = None
) -> None:
    table.reserve(detection_id)
    table.fill(record(detection_id, MAP, camera_id, timestamp_us, track_id).metadata)


def candidates(table: SlotTable, wanted: CandidateFilter = ALL, excluded_id: str | None = None) -> list[str]:
    slots = table.candidates(wanted, excluded_id)
    assert slots.tolist() == sorted(slots.tolist())
    return list(table.detection_ids[slots])


def test_only_what_is_filled_is_a_candidate() -> None:
    table = SlotTable(3)
    assert table.reserve("a") is True
    assert table.reserve("a") is False
    assert (table.size, candidates(table), table.filled_slots(["a"])) == (0, [], [])
    fill(table, "a")
    assert (table.size, candidates(table)) == (1, ["a"])


def test_a_full_table_refuses_and_a_freed_slot_is_given_again() -> None:
    table = SlotTable(2)
    fill(table, "a")
    fill(table, "b")
    with pytest.raises(StorageFull, match="holds 2 detections"):
        table.reserve("c")
    assert table.reserve("a") is False
    table.free("a")
    table.free("a")
    table.free("never there")
    assert (table.size, candidates(table)) == (1, ["b"])
    fill(table, "c")
    assert candidates(table) == ["c", "b"]
    with pytest.raises(StorageFull):
        table.reserve("d")


def test_a_reservation_that_is_given_back_leaves_nothing() -> None:
    table = SlotTable(1)
    table.reserve("a")
    table.free("a")
    assert table.reserve("b") is True


def test_a_freed_slot_forgets_whose_it_was() -> None:
    table = SlotTable(2)
    fill(table, "a", track_id="t")
    table.free("a")
    assert [table.detection_ids[0], table.track_ids[0], table.person_ids[0]] == [None] * 3
    assert table.filled_slots(["a"]) == []


def test_a_replaced_detection_keeps_its_slot_and_has_its_new_metadata() -> None:
    table = SlotTable(2)
    fill(table, "a", "c1", 5, "t1")
    fill(table, "a", "c2", 9)
    assert table.size == 1
    assert candidates(table, CandidateFilter(camera_ids=frozenset({"c1"}))) == []
    assert candidates(table, CandidateFilter(camera_ids=frozenset({"c2"}), time_from_us=9, time_to_us=10)) == ["a"]
    assert table.track_ids[0] is None


def test_filled_slots_come_in_the_order_asked_for() -> None:
    table = SlotTable(4)
    for detection_id in "abc":
        fill(table, detection_id)
    table.reserve("d")
    assert table.filled_slots(["c", "nobody", "a", "d"]) == [2, 0]


@pytest.mark.parametrize(
    ("wanted", "excluded_id", "expected"),
    [
        (ALL, None, "abcdef"),
        (ALL, "c", "abdef"),
        (ALL, "nobody", "abcdef"),
        (CandidateFilter(camera_ids=frozenset({"c1"})), None, "ad"),
        (CandidateFilter(camera_ids=frozenset({"c1", "c3"})), "d", "acf"),
        (CandidateFilter(camera_ids=frozenset({"never seen"})), None, ""),
        (CandidateFilter(exclude_camera_ids=frozenset({"c1"})), None, "bcef"),
        (CandidateFilter(exclude_camera_ids=frozenset({"c1", "c2", "c3"})), None, ""),
        (CandidateFilter(frozenset({"c1", "c2"}), frozenset({"c1"})), None, "be"),
        (CandidateFilter(time_from_us=20), None, "cdef"),
        (CandidateFilter(time_to_us=20), None, "ab"),
        (CandidateFilter(time_from_us=10, time_to_us=40), "c", "bd"),
        (CandidateFilter(time_from_us=30, time_to_us=30), None, ""),
        (CandidateFilter(frozenset({"c2"}), time_from_us=-5, time_to_us=2**80), None, "be"),
        (CandidateFilter(time_from_us=-(2**80)), None, "abcdef"),
    ],
)
def test_filters(wanted: CandidateFilter, excluded_id: str | None, expected: str) -> None:
    """Detections a to f of cameras c1, c2, c3, c1, c2, c3, at 0, 10, ... 50."""
    table = SlotTable(8)
    for place, detection_id in enumerate("abcdef"):
        fill(table, detection_id, f"c{place % 3 + 1}", 10 * place)
    table.reserve("g")
    assert "".join(candidates(table, wanted, excluded_id)) == expected


def test_filters_pass_over_what_was_freed() -> None:
    table = SlotTable(4)
    for place, detection_id in enumerate("abcd"):
        fill(table, detection_id, f"c{place % 2 + 1}", place)
    table.free("a")
    assert candidates(table, CandidateFilter(frozenset({"c1"}))) == ["c"]
    assert candidates(table, CandidateFilter(time_to_us=2)) == ["b"]


def test_threads_never_get_the_same_slot() -> None:
    table = SlotTable(400)

    def work(name: str) -> None:
        for number in range(100):
            table.reserve(f"{name}{number}")
            if number % 3 == 0:
                table.free(f"{name}{number}")
                table.reserve(f"{name}{number}")

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in "abcd":
        for number in range(100):
            fill(table, f"{name}{number}")
    assert table.size == 400
    assert len(set(candidates(table))) == 400
