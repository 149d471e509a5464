"""Everybody against everybody, as the reference says."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from model.gallery_scoring import BlockedScorer, Float32ReferenceScorer, position_major
from service.gallery import mutual_scoring
from service.gallery.device_gallery import DeviceGallery
from service.gallery.mutual_scoring import MutualScoring, MutualScoringJob
from service.inference.feature_extraction import FeatureMap
from tests.service.gallery.gallery_records import (
    build_coarse_gallery,
    build_gallery,
    build_matcher,
    draw_maps,
    put,
    record,
)

QUERY, *MAPS = draw_maps(13, seed=3)


@pytest.fixture(params=[partial(build_gallery, dtype=torch.float16), build_coarse_gallery], ids=["float16", "int8"])
def gallery(request: pytest.FixtureRequest) -> DeviceGallery:
    """Twelve detections in blocks of all sizes, the last ones' slots used before."""
    gallery = request.param(20)
    put(gallery, [record(f"d{number:02}", feature_map) for number, feature_map in enumerate(MAPS)])
    return gallery


def scoring_of(gallery: DeviceGallery) -> MutualScoring:
    return MutualScoring(gallery, BlockedScorer(build_matcher().mean_of_directions(), torch.float32))


def mean_of_reference(feature_maps: Sequence[FeatureMap]) -> Tensor:
    """Both directions by the model's own head, averaged."""
    maps = position_major(torch.from_numpy(np.stack(feature_maps)).float())
    logits = Float32ReferenceScorer(build_matcher()).score(maps, maps)
    assert len(maps) == 1 or not torch.allclose(logits, logits.T, atol=1e-3)
    return (logits + logits.T) / 2


def test_the_mean_of_both_directions_in_the_order_asked_for_without_those_erased(gallery: DeviceGallery) -> None:
    gallery.remove(["d04"])
    jobs = [MutualScoringJob(QUERY, ("d09", "d04", "d01", "nobody", "d11")), MutualScoringJob(QUERY, ())]
    some, none = scoring_of(gallery).score(jobs)
    assert some.detection_ids == ("d09", "d01", "d11")
    assert (none.detection_ids, none.logits.shape) == ((), (1, 1))
    expected = mean_of_reference([QUERY, MAPS[9], MAPS[1], MAPS[11]])
    torch.testing.assert_close(some.logits, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(none.logits, mean_of_reference([QUERY]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("rows_together", [1, 5, 12, 13, 14])
def test_every_pair_is_there_whatever_is_scored_together(
    gallery: DeviceGallery, rows_together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mutual_scoring, "_ROWS_TOGETHER", rows_together)
    names = tuple(f"d{number:02}" for number in range(12))
    (scores,) = scoring_of(gallery).score([MutualScoringJob(QUERY, names)])
    torch.testing.assert_close(scores.logits, mean_of_reference([QUERY, *MAPS]), rtol=0, atol=1e-5)
