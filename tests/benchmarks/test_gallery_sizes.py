"""What is measured, and what is left out by name."""

import itertools

import pytest
import torch

from benchmarks.gallery_sizes import Limits, SizeCosts, gallery_size_section, measure_gallery_sizes
from benchmarks.pair_costs import PairCosts, measure_pair_costs
from benchmarks.scoring_ways import PUBLISHED, list_ways, random_setup
from model.config import ModelConfig

_CONFIG = ModelConfig(input_height=32, input_width=32, channels=8)  # 4 locations: 128 bytes in float32
_WAY = "torch, float32"
_AMPLE = Limits(memory_bytes=2**20, cell_seconds=3600, repeats=1)


@pytest.fixture(scope="module")
def pair_costs() -> PairCosts:
    torch.manual_seed(0)
    setup = random_setup(_CONFIG)
    with torch.inference_mode():
        return measure_pair_costs(setup, list_ways(setup, compiles=False), (1, 2), 1, most=4, times_maxsim=False)


def test_all_that_fits_is_measured(pair_costs: PairCosts) -> None:
    costs = _measure(pair_costs, _AMPLE)
    assert set(costs.seconds) == set(itertools.product((10, 30), (1, 2), (PUBLISHED, _WAY)))
    assert costs.left_out == {}
    assert costs.detection_bytes == {"float32": 128, "float16": 64, "bfloat16": 64, "int8": 36}


def test_a_gallery_too_large_for_memory_is_left_out_by_name(pair_costs: PairCosts) -> None:
    costs = _measure(pair_costs, Limits(memory_bytes=30 * 128 - 1, cell_seconds=3600, repeats=1))
    assert {size for size, _, _ in costs.seconds} == {10}
    assert costs.left_out == {"float32": "from 30 detections on: 0.0 GiB, where 0.0 are allowed"}
    assert "- float32 from 30 detections on" in gallery_size_section(costs).text


def test_what_takes_too_long_is_left_out_by_name(pair_costs: PairCosts) -> None:
    costs = _measure(pair_costs, Limits(memory_bytes=2**20, cell_seconds=0, repeats=1))
    assert costs.seconds == {}
    counts = ("1 query,", "2 queries at once,")
    assert set(costs.left_out) == {f"{way}, {count}" for way in (PUBLISHED, _WAY) for count in counts}
    assert all(why.startswith("from 10 detections on: about ") for why in costs.left_out.values())


def _measure(pair_costs: PairCosts, limits: Limits) -> SizeCosts:
    ways = [way for way in list_ways(pair_costs.setup, compiles=False) if way.name == _WAY]
    with torch.inference_mode():
        return measure_gallery_sizes(pair_costs, ways, (1, 2), (10, 30), limits)
