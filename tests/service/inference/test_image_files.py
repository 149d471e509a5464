"""Sound pixels are decoded whatever lies beside them, and nothing beside them is unpacked; transparency shows grey."""

import struct
import tracemalloc
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from service.errors import UnreadableImage, UnsupportedImage
from service.inference.image_decoding import ImageLimits, find_warnings, open_upright
from service.inference.image_files import separate_pixels
from tests.service.drawn_crops import draw_crop, encode

LIMITS = ImageLimits(max_pixels=16_000_000, min_side=8)
ORIENTATION, X_RESOLUTION = 0x0112, 0x011A


def pixels(content: bytes) -> Image.Image:
    return open_upright(content, LIMITS)[0]


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and one.tobytes() == other.tobytes()


def turned_exif(*, resolution_is_text: bool = False) -> bytes:
    """EXIF data that say that the picture lies on its side."""
    entries = [struct.pack("<HHIHxx", ORIENTATION, 3, 1, 6)]
    if resolution_is_text:
        entries.append(struct.pack("<HHI4s", X_RESOLUTION, 2, 4, b"72\0\0"))
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(entries) + b"\0\0\0\0"


def with_jpeg_segment(content: bytes, marker: int, data: bytes) -> bytes:
    return content[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data + content[2:]


def with_png_chunk(content: bytes, kind: bytes, data: bytes) -> bytes:
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return content[:33] + chunk + content[33:]  # behind the header


def webp_with_exif(data: bytes) -> bytes:
    return encode(draw_crop(1), "WEBP", lossless=True, exif=data)


JPEG, PNG = encode(draw_crop(1), "JPEG"), encode(draw_crop(1), "PNG")
WEBP = encode(draw_crop(1), "WEBP", lossless=True)
GARBAGE = b"garbage that is no TIFF" * 3
PACKED_TEXT = b"comment\0\0" + zlib.compress(bytes(3_000_000))
BESIDE: dict[str, tuple[bytes, bytes]] = {
    "JPEG, EXIF that is none": (with_jpeg_segment(JPEG, 0xE1, b"Exif\0\0" + GARBAGE), JPEG),
    "JPEG, EXIF cut off": (with_jpeg_segment(JPEG, 0xE1, b"Exif\0\0" + turned_exif()[:14]), JPEG),
    "JPEG, an empty colour profile": (with_jpeg_segment(JPEG, 0xE2, b"ICC_PROFILE\0\0\0"), JPEG),
    "JPEG, a damaged colour profile": (with_jpeg_segment(JPEG, 0xE2, b"ICC_PROFILE\0\1\1" + GARBAGE), JPEG),
    "JPEG, a comment that is not text": (with_jpeg_segment(JPEG, 0xFE, b"\xff\xd8\xff\xda" * 9), JPEG),
    "JPEG, without its end": (JPEG[:-2], JPEG),
    "JPEG, without half of its end": (JPEG[:-1], JPEG),
    "JPEG, more behind its end": (JPEG + GARBAGE, JPEG),
    "PNG, EXIF that is none": (with_png_chunk(PNG, b"eXIf", GARBAGE), PNG),
    "PNG, text that unpacks to 3 MB": (with_png_chunk(PNG, b"zTXt", PACKED_TEXT), PNG),
    "PNG, text of 3 MB": (with_png_chunk(PNG, b"tEXt", b"comment\0" + bytes(3_000_000)), PNG),
    "PNG, international text that cannot be unpacked": (with_png_chunk(PNG, b"iTXt", b"c\0\1\0\0\0" + GARBAGE), PNG),
    "PNG, a damaged colour profile": (with_png_chunk(PNG, b"iCCP", b"icc\0\0" + GARBAGE), PNG),
    "PNG, a resolution of no length": (with_png_chunk(PNG, b"pHYs", b""), PNG),
    "PNG, without half of its end": (PNG[:-2], PNG),
    "PNG, without its end": (PNG[:-12], PNG),
    "WebP, EXIF that is none": (webp_with_exif(GARBAGE), WEBP),
    "WebP, EXIF cut off": (webp_with_exif(turned_exif()[:14]), WEBP),
    "WebP, EXIF that is cut off with the file": (webp_with_exif(turned_exif())[:-2], WEBP),
}


@pytest.mark.parametrize(("content", "sound"), BESIDE.values(), ids=BESIDE)
def test_what_lies_beside_the_pixels_does_not_matter(content: bytes, sound: bytes) -> None:
    assert same(pixels(content), pixels(sound))


@pytest.mark.parametrize("resolution_is_text", [False, True])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_orientation_is_read_whatever_else_exif_data_say(kind: str, resolution_is_text: bool) -> None:
    exif = turned_exif(resolution_is_text=resolution_is_text)
    content = {
        "JPEG": with_jpeg_segment(JPEG, 0xE1, b"Exif\0\0" + exif),
        "PNG": with_png_chunk(PNG, b"eXIf", exif),
        "WEBP": webp_with_exif(exif),
    }[kind]
    upright = pixels({"JPEG": JPEG, "PNG": PNG, "WEBP": WEBP}[kind])
    assert same(pixels(content), upright.transpose(Image.Transpose.ROTATE_270))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations(orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    upright, stored = np.asarray(draw_crop(1)), pixels(encode(draw_crop(1), "PNG", exif=exif))
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 3),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, 1),
    }
    assert np.array_equal(np.asarray(stored), turned[orientation])


@pytest.mark.parametrize("missing", [10, 200, 900])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_lacks_pixels_is_refused_in_plain_words(missing: int, progressive: bool) -> None:
    content = encode(draw_crop(1, 120, 240), "JPEG", progressive=progressive)
    with pytest.raises(UnreadableImage, match=r"damaged, or not all there$"):
        pixels(content[:-missing])


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_others_that_lack_pixels_are_refused_in_plain_words(kind: str) -> None:
    with pytest.raises(UnreadableImage, match=r"damaged, or not all there$"):
        pixels(encode(draw_crop(1, 120, 240), kind)[:-100])


@pytest.mark.parametrize(
    ("beginning", "name"),
    [
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"\0\0\0\x18ftypmif1", "HEIC"),
        (b"\0\0\0\x20ftypavif", "AVIF"),
        (b"\0\0\0\x20ftypisom", "a video"),
        (b"\xff\x0a\xfa\x1f", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", "SVG"),
    ],
)
def test_other_kinds_are_refused_by_name(beginning: bytes, name: str) -> None:
    with pytest.raises(UnsupportedImage, match=f"^the image is {name}.*send a JPEG, PNG or WebP file"):
        pixels(beginning + bytes(100))


def hidden(colour: tuple[int, int, int]) -> Image.Image:
    """A visible square, and a colour that nobody sees around it."""
    image = Image.new("RGBA", (40, 80), (*colour, 0))
    image.paste((200, 30, 40, 255), (10, 20, 30, 60))
    return image


def palette(colour: tuple[int, int, int]) -> bytes:
    image = Image.new("P", (40, 80), 0)
    image.putpalette([*colour, 200, 30, 40])
    image.paste(1, (10, 20, 30, 60))
    return encode(image, "PNG", transparency=0)


def transparent_colour(colour: tuple[int, int, int]) -> bytes:
    return encode(hidden(colour).convert("RGB"), "PNG", transparency=colour)


def transparent_grey(colour: tuple[int, int, int]) -> bytes:
    return encode(hidden(colour).convert("LA"), "PNG")


TRANSPARENT: dict[str, Callable[[tuple[int, int, int]], bytes]] = {
    "RGBA": lambda colour: encode(hidden(colour), "PNG"),
    "WebP": lambda colour: encode(hidden(colour), "WEBP", lossless=True, exact=True),
    "palette": palette,
    "RGB with one transparent": transparent_colour,
    "LA": transparent_grey,
}


@pytest.mark.parametrize("write", TRANSPARENT.values(), ids=TRANSPARENT)
def test_hidden_colours_do_not_show(write: Callable[[tuple[int, int, int]], bytes]) -> None:
    one, other = (pixels(write(colour)) for colour in ((255, 255, 0), (0, 10, 250)))
    assert same(one, other)
    assert one.getpixel((2, 2)) == (128, 128, 128)


def test_half_transparent_is_half_grey() -> None:
    assert pixels(encode(Image.new("RGBA", (40, 80), (228, 28, 128, 128)), "PNG")).getpixel((0, 0)) == (178, 78, 128)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_colour_profiles_are_not_read(kind: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert same(pixels(encode(draw_crop(1), kind, icc_profile=profile)), pixels(encode(draw_crop(1), kind)))


def test_nothing_beside_the_pixels_is_left() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("who", "somebody")
    for content in (
        encode(draw_crop(1), "PNG", pnginfo=text),
        encode(draw_crop(1), "JPEG", comment=b"somebody"),
        encode(draw_crop(1), "WEBP", xmp=b"<x>somebody</x>"),
    ):
        assert b"somebody" in content
        assert b"somebody" not in separate_pixels(content)[0]


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((64, 128), None),
        ((100, 100), None),
        ((1000, 2160), None),
        ((129, 128), "wider than high"),
        ((2001, 2002), "has more"),
    ],
)
def test_a_picture_that_is_no_crop_gets_a_warning(size: tuple[int, int], words: str | None) -> None:
    found = [(warning.code, words is not None and words in warning.detail) for warning in find_warnings(*size)]
    assert found == ([] if words is None else [("picture_is_no_crop", True)])


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xff\xd8" + b"\xff\xdb\x00\x02" * 500_000, id="JPEG"),
        pytest.param(b"\xff\xd8" + b"\xff" * 2_000_000, id="JPEG that is only fills"),
        pytest.param(PNG[:33] + b"\0\0\0\0IDAT\x35\xaf\x06\x1e" * 200_000, id="PNG"),
        pytest.param(b"RIFF\xff\xff\xff\x7fWEBP" + b"VP8 \0\0\0\0" * 200_000, id="WebP"),
    ],
)
def test_a_file_of_very_many_parts_is_not_taken_apart(content: bytes) -> None:
    tracemalloc.start()
    assert separate_pixels(content) == (content, b"")
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 2 * len(content)
    with pytest.raises(UnreadableImage):
        pixels(content)
