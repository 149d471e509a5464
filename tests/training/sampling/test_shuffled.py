from itertools import islice

import pytest
import torch

from training.sampling.balanced import BalancedSampling
from training.sampling.build_batches import steps_of_an_epoch
from training.sampling.graph import GraphSampling
from training.sampling.shuffled import ShuffledSampling, shuffled_batches


def test_each_crop_is_in_one_batch_of_an_epoch() -> None:
    batches = list(islice(shuffled_batches(10, 3, torch.Generator().manual_seed(0)), 6))
    for epoch in (batches[:3], batches[3:]):
        chosen = torch.cat(epoch).tolist()
        assert len(set(chosen)) == len(chosen) == 9
    assert torch.cat(batches[:3]).tolist() != torch.cat(batches[3:]).tolist()


def test_too_few_crops_is_an_error_with_both_numbers() -> None:
    with pytest.raises(ValueError, match="crops_per_batch is 32, there are only 3 crops"):
        next(shuffled_batches(3, 32, torch.Generator()))


def test_an_epoch_by_each_sampling() -> None:
    persons = torch.arange(10).repeat_interleave(7)
    assert steps_of_an_epoch(ShuffledSampling(32), persons) == 2
    assert steps_of_an_epoch(BalancedSampling(4, 2), persons) == 2
    assert steps_of_an_epoch(GraphSampling(4, 2), persons) == 10
    assert steps_of_an_epoch(ShuffledSampling(100), persons) == 1
