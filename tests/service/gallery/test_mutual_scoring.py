"""Everybody against everybody, as the reference says."""

from functools import partial

import pytest
import torch

from model.gallery_scoring import Float32ReferenceScorer, position_major
from service.gallery.device_gallery import DeviceGallery
from service.gallery.mutual_scoring import MutualScoring, MutualScoringJob
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


def test_both_directions_of_every_pair_in_the_order_asked_for_without_those_erased(gallery: DeviceGallery) -> None:
    gallery.remove(["d04"])
    scoring = MutualScoring(gallery)
    jobs = [MutualScoringJob(QUERY, ("d09", "d04", "d01", "nobody", "d11")), MutualScoringJob(QUERY, ())]
    some, none = scoring.score(jobs)
    assert some.detection_ids == ("d09", "d01", "d11")
    assert (none.detection_ids, none.logits.shape) == ((), (1, 1))
    chosen = [torch.from_numpy(each).float() for each in (QUERY, MAPS[9], MAPS[1], MAPS[11])]
    maps = position_major(torch.stack(chosen))
    expected = Float32ReferenceScorer(build_matcher()).score(maps, maps)
    torch.testing.assert_close(some.logits, expected, rtol=0, atol=1e-5)
    assert not torch.allclose(some.logits, some.logits.T, atol=1e-3)
