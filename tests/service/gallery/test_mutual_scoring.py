"""Everybody against everybody, as the reference says."""

import pytest
import torch

from model.gallery_scoring import BlockedScorer, Float32ReferenceScorer, position_major
from service.gallery.device_gallery import DeviceGallery
from service.gallery.mutual_scoring import MutualScoring, MutualScoringJob
from service.gallery.slot_table import SlotTable
from tests.service.gallery.gallery_records import CHANNELS, LOCATIONS, build_matcher, draw_maps, record

QUERY, *MAPS = draw_maps(13, seed=3)


@pytest.fixture
def gallery() -> DeviceGallery:
    """Twelve detections in blocks of all sizes, the last ones' slots used before."""
    gallery = DeviceGallery(SlotTable(20), LOCATIONS, CHANNELS, torch.float16, torch.device("cpu"))
    for number, feature_map in enumerate(MAPS):
        gallery.table.reserve(f"d{number:02}")
        gallery.put([record(f"d{number:02}", feature_map)])
    return gallery


def test_both_directions_of_every_pair_in_the_order_asked_for_without_those_erased(gallery: DeviceGallery) -> None:
    gallery.remove(["d04"])
    scoring = MutualScoring(gallery, BlockedScorer(build_matcher(), torch.float32))
    jobs = [MutualScoringJob(QUERY, ("d09", "d04", "d01", "nobody", "d11")), MutualScoringJob(QUERY, ())]
    some, none = scoring.score(jobs)
    assert some.detection_ids == ("d09", "d01", "d11")
    assert (none.detection_ids, none.logits.shape) == ((), (1, 1))
    chosen = [torch.from_numpy(each).float() for each in (QUERY, MAPS[9], MAPS[1], MAPS[11])]
    maps = position_major(torch.stack(chosen))
    expected = Float32ReferenceScorer(build_matcher()).score(maps, maps)
    torch.testing.assert_close(some.logits, expected, rtol=0, atol=1e-5)
    assert not torch.allclose(some.logits, some.logits.T, atol=1e-3)
