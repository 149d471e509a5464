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
    """How alike two crops are and where.

    Attributes:
        logit: the matcher's score.
        appearance_score: p_a, its logistic function.
        correspondences: best first.
        query_size: width and height of the upright image in pixels.
        gallery_size: likewise.
    """

    logit: float
    appearance_score: float
    correspondences: tuple[Correspondence, ...]
    query_size: tuple[int, int]
    gallery_size: tuple[int, int]


async def compare_crops(
    components: Components,
    query: bytes,
    gallery: bytes,
    num_correspondences: int = DEFAULT_CORRESPONDENCES,
    min_similarity: float = DEFAULT_MIN_SIMILARITY,
) -> Comparison:
    """Compares two image files, in float32, and lists their best correspondences.

    Raises:
        UnreadableImage, UnsupportedImage, LimitExceeded, InvalidField: an image, named `query` or `gallery`.
        QueueFull, Unavailable: try again.
    """
    crops = await asyncio.gather(
        components.decoder.decode(query, "query"), components.decoder.decode(gallery, "gallery")
    )
    extract = components.operations.extract
    query_map, gallery_map = await asyncio.gather(*(components.worker.run(extract, crop.pixels) for crop in crops))
    (pair,) = await components.worker.run(components.operations.match, MatchingJob(query_map, [gallery_map]))
    config = components.checkpoint.config
    correspondences = list_correspondences(
        pair.partners, config.map_width, config.kernel_size, num_correspondences, min_similarity
    )
    query_size, gallery_size = ((crop.width, crop.height) for crop in crops)
    return Comparison(pair.logit, sigmoid(pair.logit), tuple(correspondences), query_size, gallery_size)


def open_picture(components: Components, content: bytes) -> Image.Image:
    """An image file's picture as it is looked at: upright, RGB. It takes a while: call it in a thread.

    Raises:
        UnreadableImage, UnsupportedImage, LimitExceeded, InvalidField: the image.
    """
    limits = ImageLimits(components.settings.max_image_pixels, components.settings.min_image_side)
    return open_upright(content, limits)[0]


def sigmoid(logit: float) -> float:
    """p_a of a logit, in float64, without overflow."""
    if logit >= 0:
        return 1 / (1 + exp(-logit))
    return exp(logit) / (1 + exp(logit))
