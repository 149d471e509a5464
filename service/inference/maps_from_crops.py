"""Feature maps from stored image files, by the very decoding and extraction that an ingest goes through."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from service.errors import InvalidField, LimitExceeded, UnreadableImage, UnsupportedImage, UnusableFeatureMap
from service.inference.feature_extraction import FeatureMap
from service.inference.image_decoding import ImageDecoder

Extract = Callable[[Tensor], Awaitable[FeatureMap]]


@dataclass(frozen=True, slots=True)
class UnusableCrop:
    """Why no feature map can be made from what is stored of a crop."""

    reason: str


async def make_feature_maps(
    crops: Sequence[bytes], decoder: ImageDecoder, extract: Extract
) -> list[FeatureMap | UnusableCrop]:
    """Feature maps, float16 [d, h, w], of image files; for each that cannot be used the reason.

    Args:
        crops: image files; an empty one was not kept. No more than the decoder lets wait.
        decoder: for the model that extracts.
        extract: from pixels as the decoder gives them to a feature map; a failure of the device passes through.
    """
    return await asyncio.gather(*(_make_feature_map(crop, decoder, extract) for crop in crops))


async def _make_feature_map(crop: bytes, decoder: ImageDecoder, extract: Extract) -> FeatureMap | UnusableCrop:
    if not crop:
        return UnusableCrop("the crop was not kept")
    try:
        decoded = await decoder.decode(crop)
        return await extract(decoded.pixels)
    except (UnreadableImage, UnsupportedImage, LimitExceeded, InvalidField, UnusableFeatureMap) as error:
        return UnusableCrop(error.detail)
