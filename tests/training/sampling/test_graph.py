from itertools import islice

import pytest
import torch
from torch import Tensor

from reference.matching_training import nearest_people
from training.sampling.graph import GraphSampling, graph_batches, nearest_groups

# Six people on a line: two who are near each other, three further on, one apart. Their distance makes them unlike.
PLACES = torch.tensor([0.0, 1.0, 10.0, 11.5, 13.5, 40.0])
PERSONS = torch.arange(6).repeat_interleave(3)


def score_by_place(crops: Tensor) -> Tensor:
    places = PLACES[PERSONS[crops]]
    return -(places[:, None] - places[None, :]).abs()


def test_a_group_is_a_person_and_those_nearest_by_hand() -> None:
    groups = nearest_groups(-(PLACES[:, None] - PLACES[None, :]).abs(), 3)
    assert groups.tolist() == [[0, 1, 2], [1, 0, 2], [2, 3, 4], [3, 2, 4], [4, 3, 2], [5, 4, 3]]


def test_groups_equal_slow_loops() -> None:
    scores = torch.randn(9, 9, generator=torch.Generator().manual_seed(4))
    groups = nearest_groups(scores, 4).tolist()
    assert groups == [nearest_people(scores.tolist(), centre, 4) for centre in range(9)]


def test_everybody_is_the_centre_of_one_batch_of_a_graph() -> None:
    batches = graph_batches(PERSONS, GraphSampling(2, 3), score_by_place, torch.Generator().manual_seed(0))
    found = {}
    for batch in islice(batches, 6):
        centre, other = PERSONS[batch].view(2, 3)[:, 0].tolist()
        assert PERSONS[batch].tolist() == [centre] * 3 + [other] * 3
        assert len(batch.unique()) == 6
        found[centre] = other
    assert found == {0: 1, 1: 0, 2: 3, 3: 2, 4: 3, 5: 4}


def test_a_graph_of_fewer_people_is_made_anew_when_all_were_centres() -> None:
    asked = []

    def score(crops: Tensor) -> Tensor:
        asked.append(PERSONS[crops].tolist())
        return score_by_place(crops)

    batches = graph_batches(PERSONS, GraphSampling(2, 1, persons_per_graph=4), score, torch.Generator().manual_seed(1))
    centres = [int(PERSONS[batch[0]]) for batch in islice(batches, 8)]
    assert [sorted(people) for people in asked] == [sorted(centres[:4]), sorted(centres[4:])]
    assert all(len(set(people)) == 4 for people in asked)


def test_a_graph_can_be_left_before_everybody_was_a_centre() -> None:
    asked = []

    def score(crops: Tensor) -> Tensor:
        asked.append(PERSONS[crops].tolist())
        return score_by_place(crops)

    sampling = GraphSampling(2, 1, batches_per_graph=2)
    batches = graph_batches(PERSONS, sampling, score, torch.Generator().manual_seed(1))
    centres = [int(PERSONS[batch[0]]) for batch in islice(batches, 6)]
    assert [people[:2] for people in asked] == [centres[:2], centres[2:4], centres[4:]]


def test_a_graph_smaller_than_a_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="persons_per_graph is 8, persons_per_batch 16"):
        GraphSampling(16, 4, persons_per_graph=8)
