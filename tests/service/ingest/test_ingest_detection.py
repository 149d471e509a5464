"""Ingest: what is stored, what a second one does, and that a refused crop leaves nothing."""

import asyncio
import time

import numpy as np
import pytest
import torch

from model.preprocessing import preprocess_crop
from service.components import Components
from service.errors import LimitExceeded, ServiceError, UnreadableImage, UnsupportedImage
from service.ingest.ingest_detection import NewDetection, ingest_detection
from service.search.search_gallery import search_gallery
from tests.service.drawn_crops import crop_file, draw_crop, encode
from tests.service.inference.png_files import RGB, png_file
from tests.service.stored_crops import at, check_agreement, ingest, search_for

pytestmark = pytest.mark.anyio


async def test_a_detection_is_stored_with_all_that_was_sent(components: Components) -> None:
    image = encode(draw_crop(3, 50, 90), "PNG")
    before_us = time.time_ns() // 1000
    answer = await ingest_detection(components, NewDetection("cam:1", "c1", at(5), "t", "p", image))
    assert answer.is_new
    record = components.store.get_record("cam:1")
    assert record is not None
    assert record.metadata == answer.metadata
    assert record.crop == image
    metadata = answer.metadata
    assert (metadata.camera_id, metadata.timestamp_us, metadata.track_id, metadata.person_id) == ("c1", at(5), "t", "p")
    assert (metadata.image_width, metadata.image_height, metadata.image_media_type) == (50, 90, "image/png")
    assert metadata.model_fingerprint == components.checkpoint.fingerprint
    assert before_us <= metadata.created_at_us <= time.time_ns() // 1000
    crop = preprocess_crop(draw_crop(3, 50, 90), components.checkpoint.config)
    expected = components.checkpoint.extractor(crop[None]).detach().numpy()[0]
    np.testing.assert_allclose(record.feature_map, expected, rtol=0, atol=2**-10)
    assert await check_agreement(components) == ["cam:1"]


async def test_the_same_again_replaces_and_is_harmless(components: Components) -> None:
    first = await ingest(components, "a", 1, "c1", 5, "t")
    again = await ingest(components, "a", 1, "c1", 5, "t")
    assert (first.is_new, again.is_new) == (True, False)
    other = await ingest(components, "a", 2, "c2", 6)
    assert other.is_new is False
    assert components.store.get_metadata("a") == other.metadata
    assert components.store.get_crop("a") == crop_file(2)
    assert await check_agreement(components) == ["a"]


async def test_without_an_id_each_gets_one_of_its_own(components: Components) -> None:
    detection = NewDetection(None, "c1", at(0), None, None, crop_file(1))
    answers = await asyncio.gather(*(ingest_detection(components, detection) for _ in range(10)))
    given = {answer.metadata.detection_id for answer in answers}
    assert len(given) == 10
    assert all(answer.is_new for answer in answers)
    assert await check_agreement(components) == sorted(given)


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (b"text", UnreadableImage),
        (crop_file(1, 120, 240)[:-1500], UnreadableImage),
        (encode(draw_crop(1), "GIF"), UnsupportedImage),
        (png_file(20_000, 20_000, 8, RGB), LimitExceeded),
    ],
    ids=["text", "truncated", "GIF", "20,000 × 20,000"],
)
async def test_a_refused_crop_leaves_nothing_and_its_neighbours_alone(
    components: Components, image: bytes, error: type[Exception]
) -> None:
    kept = await ingest(components, "kept", 1)
    answers = await asyncio.gather(
        ingest(components, "neighbour", 2),
        ingest_detection(components, NewDetection("bad", "c1", at(0), None, None, image)),
        ingest_detection(components, NewDetection("kept", "c9", at(0), None, None, image)),
        return_exceptions=True,
    )
    assert [isinstance(answer, error) for answer in answers] == [False, True, True]
    assert await check_agreement(components) == ["kept", "neighbour"]
    assert components.store.get_metadata("kept") == kept.metadata


async def test_a_map_that_is_not_finite_is_neither_stored_nor_searched_with(components: Components) -> None:
    await ingest(components, "a", 1)
    with torch.no_grad():
        components.checkpoint.extractor.neck[0].weight[0] = torch.nan
    with pytest.raises(ServiceError, match="infinite or no numbers: serve another checkpoint"):
        await ingest(components, "b", 2)
    with pytest.raises(ServiceError, match="infinite or no numbers: serve another checkpoint"):
        await search_gallery(components, search_for(crop_file(3)))
    assert await check_agreement(components) == ["a"]
