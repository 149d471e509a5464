"""Comparison of two crops that need not be stored: decode → feature maps → match."""

import asyncio
from dataclasses import dataclass
from math import exp

from PIL import Image

from model.correspondences import Correspondence, list_correspondences
from service.components import Components
from service.inference.image_decoding import ImageLimits, open_upright
from service.inference.matching import MatchingJob

# What a search lists too where its request does not say otherwise.
DEFAULT_CORRESPONDENCES = 20
DEFAULT_MIN_SIMILARITY = 0.5


@dataclass(frozen=True, slots=True)
class Comparison:
    """How alike two crops are and where, with the upright crops themselves."""

    logit: float
    appearance_score: float
    correspondences: tuple[Correspondence, ...]
    query: Image.Image
    gallery: Image.Image


async def compare_crops(
    components: Components,
    query: bytes,
    gallery: bytes,
    num_correspondences: int = DEFAULT_CORRESPONDENCES,
    min_similarity: float = DEFAULT_MIN_SIMILARITY,
) -> Comparison:
    """Compares two image files, in float32, and lists their best correspondences.

    Raises:
        UnreadableImage, UnsupportedImage, LimitExceeded, InvalidField: one of the images.
        QueueFull, Unavailable: try again.
    """
    crops = await asyncio.gather(components.decoder.decode(query), components.decoder.decode(gallery))
    extract = components.operations.extract
    query_map, gallery_map = await asyncio.gather(*(components.worker.run(extract, crop.pixels) for crop in crops))
    (pair,) = await components.worker.run(components.operations.match, MatchingJob(query_map, [gallery_map]))
    config = components.checkpoint.config
    correspondences = list_correspondences(
        pair.partners, config.map_width, config.kernel_size, num_correspondences, min_similarity
    )
    limits = ImageLimits(components.settings.max_image_pixels, components.settings.min_image_side)
    images = [(await asyncio.to_thread(open_upright, content, limits))[0] for content in (query, gallery)]
    return Comparison(pair.logit, sigmoid(pair.logit), tuple(correspondences), images[0], images[1])


def sigmoid(logit: float) -> float:
    """p_a of a logit, in float64, without overflow."""
    if logit >= 0:
        return 1 / (1 + exp(-logit))
    return exp(logit) / (1 + exp(logit))
