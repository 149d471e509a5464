"""Every kind of file that a client may send as an image, good and bad."""

import asyncio
import struct
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from model.config import ModelConfig
from model.preprocessing import preprocess_crop
from service.errors import (
    InvalidField,
    LimitExceeded,
    QueueFull,
    ServiceError,
    Unavailable,
    UnreadableImage,
    UnsupportedImage,
)
from service.inference.image_decoding import ImageDecoder, ImageLimits, ignore_decoders_warnings, open_upright
from tests.service.drawn_crops import crop_file, draw_crop, encode
from tests.service.inference.png_files import GREY, RGB, png_file

CONFIG = ModelConfig(64, 32, backbone="resnet18", final_layer="layer2", channels=16)
LIMITS = ImageLimits(max_pixels=16_000_000, min_side=8)
EXIF_ORIENTATION = 0x0112


@pytest.fixture(autouse=True)
def warnings_as_in_the_service() -> None:
    ignore_decoders_warnings()


def animation(kind: str) -> bytes:
    return encode(draw_crop(1), kind, save_all=True, append_images=[draw_crop(2), draw_crop(3)])


def webp_header(width: int, height: int) -> bytes:
    """The beginning of a lossless WebP file, without its pixels."""
    bits = (width - 1) | (height - 1) << 14
    content = b"\x2f" + struct.pack("<I", bits) + bytes(15)
    return b"RIFF" + struct.pack("<I", 12 + len(content)) + b"WEBPVP8L" + struct.pack("<I", len(content)) + content


UNREADABLE = {
    "nothing": lambda: b"",
    "text": lambda: b"not an image, whatever its name says\n" * 20,
    "truncated JPEG": lambda: crop_file(1, 120, 240)[:-1500],
    "JPEG header alone": lambda: crop_file(1)[:30],
    "truncated PNG": lambda: encode(draw_crop(1, 120, 240), "PNG")[:-100],
    "truncated WebP": lambda: encode(draw_crop(1, 120, 240), "WEBP")[:-100],
    "PNG signature alone": lambda: b"\x89PNG\r\n\x1a\n",
}
UNSUPPORTED = {
    "animated WebP": lambda: animation("WEBP"),
    "animated PNG": lambda: animation("PNG"),
    "animated GIF": lambda: animation("GIF"),
    "GIF": lambda: encode(draw_crop(1), "GIF"),
    "BMP": lambda: encode(draw_crop(1), "BMP"),
    "TIFF": lambda: encode(draw_crop(1), "TIFF"),
    "CMYK JPEG": lambda: encode(draw_crop(1).convert("CMYK")),
    "grey PNG of 16 bits": lambda: png_file(40, 80, 16, GREY),
    "RGB PNG of 16 bits": lambda: png_file(40, 80, 16, RGB),
    "PNG of 1 bit": lambda: encode(draw_crop(1).convert("1"), "PNG"),
    "two pictures in a JPEG": lambda: encode(draw_crop(1), "MPO", save_all=True, append_images=[draw_crop(2)]),
}
TOO_LARGE = {
    "PNG of 20,000 × 20,000": lambda: png_file(20_000, 20_000, 8, RGB),
    "PNG between the two libraries' limits": lambda: png_file(10_000, 10_000, 8, GREY),
    "PNG just over the limit": lambda: png_file(4001, 4000, 8, GREY),
    "WebP of 16,383 × 16,383": lambda: webp_header(16_383, 16_383),
}


def check_refused(content: bytes, error: type[ServiceError]) -> None:
    with pytest.raises(error) as raised:
        open_upright(content, LIMITS)
    assert type(raised.value) is error
    assert len(raised.value.detail) > 20


@pytest.mark.parametrize("make", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_is_no_image_or_only_part_of_one_is_unreadable(make: Callable[[], bytes]) -> None:
    check_refused(make(), UnreadableImage)


@pytest.mark.parametrize("make", UNSUPPORTED.values(), ids=UNSUPPORTED.keys())
def test_other_kinds_of_image_are_unsupported(make: Callable[[], bytes]) -> None:
    check_refused(make(), UnsupportedImage)


@pytest.mark.parametrize("make", TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_too_many_pixels_are_refused_before_any_is_decoded(
    make: Callable[[], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = make()

    def decode(image: ImageFile.ImageFile) -> None:
        pytest.fail(f"{image.size} was decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", decode)
    start = time.process_time()
    check_refused(content, LimitExceeded)
    # Reading a header takes milliseconds; decoding these takes seconds and gigabytes.
    assert time.process_time() - start < 0.5


def test_the_bomb_is_a_true_one() -> None:
    image, media_type = open_upright(png_file(3000, 2000, 8, RGB), LIMITS)
    assert (image.size, media_type) == ((3000, 2000), "image/png")
    assert image.getextrema() == ((0, 0), (0, 0), (0, 0))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 80), (40, 7)])
def test_a_side_that_is_too_short_is_refused(width: int, height: int) -> None:
    check_refused(encode(Image.new("RGB", (width, height)), "PNG"), InvalidField)


@pytest.mark.parametrize(("width", "height"), [(8, 8), (4000, 4000)])
def test_the_limits_themselves_are_allowed(width: int, height: int) -> None:
    assert open_upright(png_file(width, height, 8, GREY), LIMITS)[0].size == (width, height)


@pytest.mark.parametrize(("kind", "media_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_three_kinds_are_read(kind: str, media_type: str, mode: str) -> None:
    drawn = draw_crop(4).convert(mode)
    image, found = open_upright(encode(drawn, kind, quality=95), LIMITS)
    assert (image.mode, image.size, found) == ("RGB", (40, 80), media_type)
    # Lossy kinds blur the edges of the patches, not the patches.
    difference = np.abs(np.asarray(image, dtype=int) - np.asarray(drawn.convert("RGB"), dtype=int))
    assert difference.mean() < 12


@pytest.mark.parametrize("mode", ["P", "RGBA", "LA"])
def test_palettes_and_transparency_are_read(mode: str) -> None:
    drawn = draw_crop(4).convert("L").convert(mode) if mode == "LA" else draw_crop(4).convert(mode)
    image, _ = open_upright(encode(drawn, "PNG"), LIMITS)
    np.testing.assert_array_equal(np.asarray(image), np.asarray(drawn.convert("RGB")))


@pytest.mark.parametrize("transparency", [0, bytes([0, 128, 255])], ids=["one colour", "by colour"])
def test_a_palette_with_transparent_colours_is_read(transparency: int | bytes) -> None:
    drawn = draw_crop(4).convert("P")
    image, _ = open_upright(encode(drawn, "PNG", transparency=transparency), LIMITS)
    np.testing.assert_array_equal(np.asarray(image), np.asarray(drawn.convert("RGB")))


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (1, lambda pixels: pixels),
        (2, lambda pixels: pixels[:, ::-1]),
        (3, lambda pixels: pixels[::-1, ::-1]),
        (6, lambda pixels: np.rot90(pixels, -1)),
        (8, lambda pixels: np.rot90(pixels, 1)),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_exif_orientation_turns_the_pixels(
    kind: str, orientation: int, turned: Callable[[np.ndarray], np.ndarray]
) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    drawn = draw_crop(5, 40, 80)
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    image, _ = open_upright(encode(drawn, kind, exif=exif, **options), LIMITS)
    expected = turned(np.asarray(drawn))
    assert image.size == (expected.shape[1], expected.shape[0])
    assert np.abs(np.asarray(image, dtype=int) - expected).mean() < (6 if kind == "JPEG" else 1e-9)


@pytest.fixture
def decoder() -> Iterator[ImageDecoder]:
    decoder = ImageDecoder(CONFIG, LIMITS, threads=2, max_waiting=3)
    yield decoder
    decoder.close()


@pytest.mark.anyio
async def test_a_crop_comes_as_the_model_takes_it(decoder: ImageDecoder) -> None:
    crop = await decoder.decode(encode(draw_crop(6, 50, 90), "PNG"))
    assert (crop.width, crop.height, crop.media_type) == (50, 90, "image/png")
    assert crop.pixels.dtype == torch.uint8
    assert torch.equal(crop.pixels, preprocess_crop(draw_crop(6, 50, 90), CONFIG))


@pytest.mark.anyio
async def test_errors_reach_the_caller_and_the_next_image_is_decoded(decoder: ImageDecoder) -> None:
    answers = await asyncio.gather(
        decoder.decode(b"text"), decoder.decode(crop_file(1)), decoder.decode(b""), return_exceptions=True
    )
    assert isinstance(answers[0], UnreadableImage)
    assert isinstance(answers[2], UnreadableImage)
    assert (await decoder.decode(crop_file(1))).width == 40


@pytest.mark.anyio
async def test_more_than_may_wait_are_refused_at_once(decoder: ImageDecoder, monkeypatch: pytest.MonkeyPatch) -> None:
    is_open = threading.Event()

    def wait_then_load(image: ImageFile.ImageFile) -> object:
        assert is_open.wait(10)
        return load(image)

    load = ImageFile.ImageFile.load
    monkeypatch.setattr(ImageFile.ImageFile, "load", wait_then_load)
    content = encode(draw_crop(1), "PNG")
    waiting = [asyncio.create_task(decoder.decode(content)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(QueueFull, match="3 images wait"):
        await decoder.decode(content)
    waiting.pop().cancel()
    is_open.set()
    assert [crop.width for crop in await asyncio.gather(*waiting)] == [40, 40]
    assert (await decoder.decode(content)).width == 40


@pytest.mark.anyio
async def test_a_closed_decoder_is_unavailable(decoder: ImageDecoder) -> None:
    decoder.close()
    with pytest.raises(Unavailable, match="shutting down"):
        await decoder.decode(crop_file(1))
