"""A gallery in the form that was chosen, with the scorers of its model."""

from dataclasses import dataclass

import torch

from model.checkpoint import Checkpoint
from model.gallery_scoring import GalleryScorer, choose_int8_scorer, choose_scorer
from model.gallery_scoring.interface import FoldedMatcher, Int8Scorer
from service.gallery.coarse_maps import CoarseMaps
from service.gallery.device_gallery import DeviceGallery
from service.gallery.gallery_format import GalleryFormat
from service.gallery.map_blocks import MapBlocks
from service.gallery.slot_table import SlotTable
from service.gallery.stored_maps import ReadMap, StoredMaps


@dataclass(frozen=True, slots=True)
class Scorers:
    """What scores on a device: the model's head, exact scoring, and the int8 pass where there is one."""

    matcher: FoldedMatcher
    exact: GalleryScorer
    int8: Int8Scorer | None


def create_scorers(checkpoint: Checkpoint, form: GalleryFormat, device: torch.device) -> Scorers:
    """The fastest scorers that a device has for a gallery's form."""
    matcher = FoldedMatcher.of(checkpoint.matcher, checkpoint.config, device)
    channels = checkpoint.config.channels
    int8 = choose_int8_scorer(matcher, channels) if form.is_coarse else None
    return Scorers(matcher, choose_scorer(matcher, channels, form.exact), int8)


def create_gallery(checkpoint: Checkpoint, form: GalleryFormat, scorers: Scorers, read: ReadMap) -> DeviceGallery:
    """An empty gallery.

    Args:
        checkpoint: of the model.
        form: what is kept of each detection.
        scorers: of the model, on the device.
        read: a detection's feature map, from its record.

    Raises:
        CapacityError: the device has too little memory.
    """
    device = scorers.matcher.head.query_weights.device
    locations, channels = checkpoint.config.locations, checkpoint.config.channels
    table = SlotTable(form.capacity)
    exact = (
        StoredMaps(read, table.detection_ids, (locations, channels), form.exact.storage, device)
        if form.exact_maps == "disk"
        else MapBlocks(form.capacity, locations, channels, form.exact.storage, device)
    )
    coarse = None if scorers.int8 is None else CoarseMaps(form.capacity, channels, scorers.matcher, scorers.int8)
    return DeviceGallery(table, scorers.exact, exact, coarse, device)
