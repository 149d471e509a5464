"""A gallery in the form that was chosen, with the scorers of its model."""

from dataclasses import dataclass

import torch

from model.checkpoint import Checkpoint
from model.gallery_scoring import choose_scorer
from model.gallery_scoring.interface import FoldedMatcher, GalleryScorer, Int8Scorer
from model.gallery_scoring.precision import ScoringPrecision
from service.gallery.coarse_maps import CoarseMaps
from service.gallery.device_gallery import DeviceGallery
from service.gallery.gallery_format import GalleryFormat
from service.gallery.gallery_memory import GalleryMemory
from service.gallery.map_blocks import MapBlocks
from service.gallery.slot_table import SlotTable
from service.gallery.stored_maps import ReadMap, StoredMaps


@dataclass(frozen=True, slots=True)
class DeviceScorer:
    """What scores on a device: the model's folded head, and the fastest scorer that there is for a gallery's form.

    Attributes:
        mean_scorer: of exact maps, with the mean of both directions' logits.
    """

    matcher: FoldedMatcher
    scorer: Int8Scorer
    mean_scorer: GalleryScorer


def create_scorer(checkpoint: Checkpoint, form: GalleryFormat, device: torch.device) -> DeviceScorer:
    """Puts a model's head onto a device and chooses how it is computed there."""
    matcher = FoldedMatcher.of(checkpoint.matcher, checkpoint.config, device)
    precision = ScoringPrecision(torch.int8, form.exact.compute) if form.is_coarse else form.exact
    channels = checkpoint.config.channels
    mean_scorer = choose_scorer(matcher.mean_of_directions(), channels, form.exact)
    return DeviceScorer(matcher, choose_scorer(matcher, channels, precision), mean_scorer)


def create_gallery(checkpoint: Checkpoint, form: GalleryFormat, scoring: DeviceScorer, read: ReadMap) -> DeviceGallery:
    """An empty gallery.

    Args:
        checkpoint: of the model.
        form: what is kept of each detection.
        scoring: of the model, on the device.
        read: a detection's feature map, from its record.

    Raises:
        CapacityError: the device has too little memory; says for how many detections it has, and what else helps.
    """
    device = scoring.matcher.head.query_weights.device
    locations, channels = checkpoint.config.locations, checkpoint.config.channels
    memory = GalleryMemory(form.capacity, form.detection_bytes, device, form.or_smaller)
    table = SlotTable(form.capacity)
    exact = (
        StoredMaps(read, table.detection_ids, form.exact.storage, device)
        if form.exact_maps == "disk"
        else MapBlocks(memory, locations, channels, form.exact.storage)
    )
    coarse = CoarseMaps(memory, channels, scoring.matcher, scoring.scorer) if form.is_coarse else None
    return DeviceGallery(table, scoring.scorer, exact, coarse, device)
