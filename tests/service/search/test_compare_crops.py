"""Comparison of two crops, against slow loops."""

from math import exp, inf

import numpy as np
import pytest
from PIL import Image

from model.preprocessing import preprocess_crop
from reference.correspondences import find_pairs
from reference.query_adaptive_convolution import logit, similarities
from reference.trained_head import head_of_loops
from service.components import Components
from service.errors import LimitExceeded, UnreadableImage
from service.search.compare_crops import compare_crops, open_picture, sigmoid
from tests.service.drawn_crops import crop_file, draw_crop, encode
from tests.service.inference.png_files import GREY, png_file
from tests.service.stored_crops import check_agreement


@pytest.mark.anyio
async def test_it_equals_slow_loops(components: Components) -> None:
    drawn = draw_crop(1, 50, 90), draw_crop(2, 44, 100)
    compared = await compare_crops(components, *(encode(image, "PNG") for image in drawn), 1000, -1.0)
    crops = [preprocess_crop(image, components.checkpoint.config)[None] for image in drawn]
    maps = [components.checkpoint.extractor(crop).detach().half().double().numpy()[0] for crop in crops]
    expected = logit(*maps, 1, head_of_loops(components.checkpoint.matcher.head))
    # The maps are rounded to float16, here and there to the other side.
    assert compared.logit == pytest.approx(expected, abs=5e-3)
    assert compared.appearance_score == pytest.approx(1 / (1 + exp(-compared.logit)), rel=1e-12)
    pairs = find_pairs(similarities(*maps, 1), width=4, size=1)
    assert abs(len(compared.correspondences) - len(pairs)) <= 3
    count = min(len(compared.correspondences), len(pairs))
    found = [each.similarity for each in compared.correspondences[:count]]
    np.testing.assert_allclose(found, [pair.similarity for pair in pairs[:count]], atol=5e-3)
    assert found == sorted(found, reverse=True)
    assert {each.direction for each in compared.correspondences} <= {"mutual", "query_to_gallery", "gallery_to_query"}
    assert (compared.query_size, compared.gallery_size) == ((50, 90), (44, 100))
    assert await check_agreement(components) == []


@pytest.mark.anyio
async def test_a_crop_and_itself_agree_everywhere(components: Components) -> None:
    compared = await compare_crops(components, crop_file(1), crop_file(1), 1000, 0.99)
    assert len(compared.correspondences) >= 32
    assert sum(each.query == each.gallery for each in compared.correspondences) >= 32
    few = await compare_crops(components, crop_file(1), crop_file(1), 5)
    assert few.correspondences == compared.correspondences[:5]
    other = await compare_crops(components, crop_file(1), crop_file(2))
    assert other.appearance_score < compared.appearance_score


@pytest.mark.anyio
async def test_crops_are_upright(components: Components) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = encode(draw_crop(1, 80, 40), "PNG", exif=exif)
    upright = encode(draw_crop(1, 80, 40).transpose(Image.Transpose.ROTATE_270), "PNG")
    compared = await compare_crops(components, lying, upright, 1000, 0.99)
    assert (compared.query_size, compared.gallery_size) == ((40, 80), (40, 80))
    pictures = [open_picture(components, content) for content in (lying, upright)]
    assert pictures[0].size == (40, 80)
    np.testing.assert_array_equal(*map(np.asarray, pictures))
    assert sum(each.query == each.gallery for each in compared.correspondences) >= 32


@pytest.mark.anyio
async def test_a_bad_image_on_either_side_is_its_error(components: Components) -> None:
    with pytest.raises(UnreadableImage) as unreadable:
        await compare_crops(components, b"text", crop_file(1))
    with pytest.raises(LimitExceeded) as too_large:
        await compare_crops(components, crop_file(1), png_file(5000, 5000, 8, GREY))
    assert [wrong.field for wrong in unreadable.value.field_errors] == ["query"]
    assert [wrong.field for wrong in too_large.value.field_errors] == ["gallery"]


@pytest.mark.parametrize(
    ("logit", "expected"),
    [(0.0, 0.5), (2.0, 0.8807970779778823), (-2.0, 0.11920292202211755), (800.0, 1.0), (-800.0, 0.0), (inf, 1.0)],
)
def test_sigmoid(logit: float, expected: float) -> None:
    assert sigmoid(logit) == pytest.approx(expected, rel=1e-15)


def test_sigmoid_of_very_unlike_crops_is_small_and_not_nothing() -> None:
    assert sigmoid(-700.0) == pytest.approx(exp(-700.0), rel=1e-12)
    assert sigmoid(40.0) + sigmoid(-40.0) == pytest.approx(1.0, rel=1e-15)
