from itertools import islice

import pytest
import torch

from training.sampling.balanced import balanced_batches


def test_a_batch_has_so_many_people_with_so_many_crops_each() -> None:
    persons = torch.tensor([0, 0, 0, 0, 1, 1, 2, 2, 2, 3])
    for batch in islice(balanced_batches(persons, 2, 3, torch.Generator().manual_seed(0)), 20):
        found, counts = persons[batch].unique(return_counts=True)
        assert len(found) == 2
        assert counts.tolist() == [3, 3]
        for person in found.tolist():
            chosen = batch[persons[batch] == person]
            assert len(chosen.unique()) == min(3, int((persons == person).sum()))


def test_everybody_has_a_turn_before_anybody_has_a_second() -> None:
    persons = torch.arange(8).repeat_interleave(2)
    first_round = list(islice(balanced_batches(persons, 2, 1, torch.Generator().manual_seed(3)), 4))
    assert sorted(persons[torch.cat(first_round)].tolist()) == list(range(8))


def test_too_few_people_is_an_error_with_both_numbers() -> None:
    with pytest.raises(ValueError, match="persons_per_batch is 5, there are only 2 people"):
        next(balanced_batches(torch.tensor([0, 1]), 5, 1, torch.Generator()))
