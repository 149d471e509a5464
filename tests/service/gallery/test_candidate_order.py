"""The best of a search's candidates are those of a full sort, wherever that is done."""

import numpy as np
import pytest
import torch

from service.gallery import candidate_order
from service.gallery.appearance_scores import appearance_scores
from service.gallery.best_matches import GroupBy
from service.gallery.candidate_order import CandidateOrder, lowest_of_best
from service.gallery.slot_table import SlotTable
from service.records import CandidateFilter
from tests.service.gallery.gallery_records import draw_maps, record

SIZE = 200
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")),
]


@pytest.fixture(scope="module")
def table() -> SlotTable:
    """A third belongs to one person, a quarter to none; IDs are in another order than slots."""
    table = SlotTable(SIZE + 50)
    (map_,) = draw_maps(1)
    for number in range(SIZE):
        name = f"d{(number * 77) % SIZE:03}"
        person_id = None if number % 4 == 0 else "crowd" if number % 3 == 0 else f"p{number % 40}"
        table.reserve(name)
        table.fill(record(name, map_, f"c{number % 3}", number, f"t{number // 5}", person_id).metadata)
    return table


def order_by_hand(order: CandidateOrder, logits: torch.Tensor) -> list[tuple[str, float]]:
    """All are sorted, then the first of each group taken."""
    scores = appearance_scores(logits)
    if order.temporal_scores is not None and order.alpha is not None:
        scores = (order.temporal_scores.cpu().numpy() + order.alpha) * scores
    table, found, seen = order.table, [], set()
    names = table.detection_ids[order.slots]
    for score, name, slot in sorted(zip(-scores, names, order.slots, strict=True)):
        label = {"detection": None, "track": table.track_ids[slot], "person": table.person_ids[slot]}[order.group_by]
        if label is None or label not in seen:
            seen.add(label)
            found.append((name, -score))
    return found[: order.count]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("group_by", ["detection", "track", "person"])
@pytest.mark.parametrize("count", [1, 7, 60, 1000])
@pytest.mark.parametrize("spread", [0.0, 1e-6, 4.0, 40.0])
def test_the_best_are_those_of_a_full_sort(
    table: SlotTable, device: str, group_by: GroupBy, count: int, spread: float
) -> None:
    """Also where all are equal, differ in the last bits, or are 1 in float64."""
    random = torch.Generator().manual_seed(count)
    slots = table.candidates(CandidateFilter(exclude_camera_ids=frozenset({"c1"})), None)
    logits = spread * torch.randn(len(slots), generator=random) + 17
    logits[::9] = logits[0]
    temporal = torch.rand(len(slots), generator=random).double()
    temporal[::9] = 0
    for temporal_scores, alpha in ((None, None), (temporal, 0.1), (temporal, 0.0), (temporal, None)):
        on_device = None if temporal_scores is None else temporal_scores.to(device)
        order = CandidateOrder(table, slots, group_by, count, on_device, alpha)
        best = order.choose_best(logits.to(device))
        assert [(each.detection_id, each.score) for each in best] == order_by_hand(order, logits)
        score_of = dict(zip(table.detection_ids[slots], appearance_scores(logits), strict=True))
        assert all(each.appearance_score == score_of[each.detection_id] for each in best)
        if temporal_scores is not None:
            temporal_of = dict(zip(table.detection_ids[slots], temporal_scores.tolist(), strict=True))
            assert all(each.temporal_score == temporal_of[each.detection_id] for each in best)


def test_who_has_no_score_is_not_among_the_best(table: SlotTable) -> None:
    slots = table.candidates(CandidateFilter(), None)
    logits = torch.zeros(SIZE)
    logits[3:] = -torch.inf
    order = CandidateOrder(table, slots, "detection", 10, None, None)
    assert [each.detection_id for each in order.choose_best(logits)] == sorted(table.detection_ids[slots[:3]])


def test_scores_of_few_come_from_the_device(table: SlotTable, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def count(logits: torch.Tensor) -> object:
        seen.append(len(logits))
        return appearance_scores(logits)

    monkeypatch.setattr(candidate_order, "appearance_scores", count)
    slots = table.candidates(CandidateFilter(), None)
    logits = torch.randperm(SIZE).float() / SIZE
    assert len(CandidateOrder(table, slots, "detection", 10, None, None).choose_best(logits)) == 10
    assert set(seen) == {10}


def test_the_lowest_of_the_best_lets_last_bits_pass() -> None:
    scores = torch.tensor([0.25, 1 - 2**-53, 1.0, 0.5], dtype=torch.float64)
    assert 0.999 < lowest_of_best(scores, 1) < 1 - 2**-53
    assert lowest_of_best(scores, 4) == pytest.approx(0.25, rel=1e-13)
    assert lowest_of_best(scores, 5) == -np.inf
