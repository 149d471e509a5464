"""From the bytes of an image file to upright pixels of the model's input size, checked before they are decoded."""

import asyncio
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from io import BytesIO

from PIL import Image, UnidentifiedImageError
from torch import Tensor

from model.config import ModelConfig
from model.preprocessing import preprocess_crop
from service.errors import (
    FieldError,
    InvalidField,
    LimitExceeded,
    QueueFull,
    ServiceError,
    Unavailable,
    UnreadableImage,
    UnsupportedImage,
)
from service.inference.image_files import JPEG_END, PNG_SIGNATURE, separate_pixels
from service.observability.metrics import Metrics
from service.out_of_memory import is_out_of_memory
from service.records import RequestWarning

_MEDIA_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_MODES = ("RGB", "RGBA", "L", "LA", "P")
_OTHER_KINDS = {
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"\x00\x00\x01\x00": "ICO",
    b"%PDF": "PDF",
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
    b"\x00\x00\x00\x0cjP  ": "JPEG 2000",
    b"<svg": "SVG",
    b"<?xml": "SVG or other XML",
}
# By their brand, behind `ftyp`.
_MEDIA_FILES = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
}
# Behind pixels that are transparent: mid grey, which is near the mean of pictures and nearest to all colours at once.
_GREY = (128, 128, 128)
_ORIENTATION = 0x0112
# A person who fills the height of a camera of 4K has half of them.
_MOST_PIXELS_OF_A_CROP = 4_000_000
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Put behind a JPEG that lacks its end, one after the other; not zeros, which its decoder takes itself.
_BEHIND_A_JPEG = (b"", b"\x55" * 64, b"\xaa" * 64)
_PNG_BIT_DEPTH_OFFSET = 24


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What an image may be: at most `max_pixels`, no side under `min_side` pixels."""

    max_pixels: int
    min_side: int


@dataclass(frozen=True, slots=True)
class DecodedCrop:
    """A crop, ready for the feature extractor.

    Attributes:
        pixels: uint8 [3, input_height, input_width].
        width: of the upright image, before resizing.
        height: likewise.
        media_type: of the file.
    """

    pixels: Tensor
    width: int
    height: int
    media_type: str


def find_warnings(width: int, height: int) -> tuple[RequestWarning, ...]:
    """What speaks against a picture's being the crop of one person, by its upright size in pixels."""
    if width > height:
        reason = "it is wider than high"
    elif width * height > _MOST_PIXELS_OF_A_CROP:
        reason = f"it has more than {_MOST_PIXELS_OF_A_CROP:,}"
    else:
        return ()
    detail = (
        f"the picture has {width}×{height} pixels and is probably not the crop of one person, for {reason}: the whole "
        "picture is compared, so cut the person out"
    )
    return (RequestWarning("picture_is_no_crop", detail),)


class ImageDecoder:
    """Decodes in threads, at most `max_waiting` images at once.

    Args:
        config: the model that the pixels are for.
        limits: what is refused.
        threads: how many images are decoded side by side.
        max_waiting: images decoded or waiting; more are refused.
        metrics: where the waiting and the refused are counted.
    """

    def __init__(
        self, config: ModelConfig, limits: ImageLimits, threads: int, max_waiting: int, metrics: Metrics | None = None
    ) -> None:
        self._config = config
        self._limits = limits
        self._max_waiting = max_waiting
        self._waiting = 0
        ignore_decoders_warnings()
        metrics = metrics or Metrics()
        self._refusals = metrics.refusals.labels("decoding_queue")
        metrics.watch(
            "qaconv_decoding_images_waiting", "Images that are decoded or wait for it.", lambda: self._waiting
        )
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="decoding")

    async def decode(self, content: bytes, field: str = "image") -> DecodedCrop:
        """Decodes one image file.

        Args:
            content: the file's.
            field: what the client calls this image; errors of the image name it.

        Raises:
            UnreadableImage, UnsupportedImage, LimitExceeded, InvalidField: see `open_upright`.
            QueueFull: too many images wait.
            Unavailable: the decoder is closed.
        """
        if self._waiting >= self._max_waiting:
            self._refusals.inc()
            raise QueueFull(f"{self._max_waiting} images wait to be decoded, the most that may: try again later")
        self._waiting += 1
        try:
            return await self._begin(content, field)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Decodes what waits, then ends the threads."""
        self._threads.shutdown()

    def _begin(self, content: bytes, field: str) -> asyncio.Future[DecodedCrop]:
        try:
            decode = partial(copy_context().run, self._decode, content, field)
            return asyncio.get_running_loop().run_in_executor(self._threads, decode)
        except RuntimeError as error:
            raise Unavailable("the service is shutting down: try again later") from error

    def _decode(self, content: bytes, field: str) -> DecodedCrop:
        try:
            image, media_type = open_upright(content, self._limits)
            return DecodedCrop(preprocess_crop(image, self._config), image.width, image.height, media_type)
        except ServiceError as error:
            error.field_errors = (FieldError(field, error.detail),)
            raise
        except (MemoryError, RuntimeError) as error:
            if is_out_of_memory(error):
                raise Unavailable("the machine has too little memory to decode the image: try again later") from error
            raise


def ignore_decoders_warnings() -> None:
    """Keeps what Pillow warns of out of the process's log, which a hostile file could else fill: sizes, which have a
    lower limit here, and damaged EXIF data. For the whole process: Python's warnings know no threads.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")


def open_upright(content: bytes, limits: ImageLimits) -> tuple[Image.Image, str]:
    """The image in a file, turned as its EXIF orientation says, in RGB, and its media type.

    Raises:
        UnreadableImage: not an image, damaged or truncated.
        UnsupportedImage: not a JPEG, PNG or WebP; an animation; not 8 bits of grey, palette or RGB.
        LimitExceeded: more than `max_pixels`; found before anything is decoded.
        InvalidField: a side shorter than `min_side`.
    """
    try:
        return _open_upright(content, limits)
    except (ServiceError, MemoryError):
        raise  # too little memory is no fault of the image
    except Image.DecompressionBombError as error:
        raise LimitExceeded(f"the image has more than the {limits.max_pixels} pixels allowed") from error
    except Exception as error:
        # Decoders raise whatever a hostile file provokes (OSError, SyntaxError, struct.error, ...): to the client
        # all of it means the same, and their words mean nothing.
        raise UnreadableImage(
            f"the {len(content)} bytes of the image cannot be decoded: they are damaged, or not all there"
        ) from error


def _open_upright(content: bytes, limits: ImageLimits) -> tuple[Image.Image, str]:
    _refuse_other_kinds(content)
    pixels, exif = separate_pixels(content)
    try:
        image = Image.open(BytesIO(pixels), formats=tuple(_MEDIA_TYPES))
    except UnidentifiedImageError as error:
        raise UnreadableImage(f"the {len(content)} bytes are not an image: send a JPEG, PNG or WebP file") from error
    with image:
        _check_header(image, content, limits)
        media_type = _MEDIA_TYPES[str(image.format)]
        loaded = _load(image, pixels)
    upright = _turn(loaded, exif)
    return _on_grey(upright), media_type


def _load(image: Image.Image, content: bytes) -> Image.Image:
    """The image with its pixels; of a JPEG the mark of its end may be missing, if no pixel is.

    Whether one is, its bytes cannot say. But a decoder that still needs some takes whatever is put behind them for
    pixels: so they are all there if it makes no difference what that is.
    """
    try:
        image.load()
    except OSError:
        if image.format != "JPEG":
            raise
        content = content.removesuffix(JPEG_END[:1])
        ended = [Image.open(BytesIO(content + behind + JPEG_END), formats=("JPEG",)) for behind in _BEHIND_A_JPEG]
        first, *others = (each.tobytes() for each in ended)
        if any(each != first for each in others):
            raise
        return ended[0]
    return image


def _turn(image: Image.Image, exif: bytes) -> Image.Image:
    """The image as its EXIF orientation says; where that cannot be read, as it is."""
    data = Image.Exif()
    try:
        data.load(exif)
        turn = _TURNS.get(data.get(_ORIENTATION, 1))
    except Exception:  # whatever damaged EXIF data provoke: the pixels are sound
        turn = None
    return image if turn is None else image.transpose(turn)


def _on_grey(image: Image.Image) -> Image.Image:
    """In RGB; what is transparent shows mid grey, and not the colours that a file hides under it."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    above = image.convert("RGBA")
    behind = Image.new("RGBA", above.size, _GREY)
    behind.alpha_composite(above)
    return behind.convert("RGB")


def _refuse_other_kinds(content: bytes) -> None:
    kind = next((kind for signature, kind in _OTHER_KINDS.items() if content.startswith(signature)), None)
    if content[4:8] == b"ftyp":
        kind = _MEDIA_FILES.get(content[8:12], "a video, or another file of ISO media")
    if kind is not None:
        raise UnsupportedImage(f"the image is {kind}, which is not accepted: send a JPEG, PNG or WebP file")


def _check_header(image: Image.Image, content: bytes, limits: ImageLimits) -> None:
    if image.format not in _MEDIA_TYPES or getattr(image, "n_frames", 1) > 1:
        raise UnsupportedImage(f"the {image.format} file holds several pictures: send a single one")
    if image.mode not in _MODES:
        raise UnsupportedImage(f"the image's pixels are {image.mode}: send 8 bits of grey or RGB")
    if content.startswith(PNG_SIGNATURE) and content[_PNG_BIT_DEPTH_OFFSET] > 8:
        raise UnsupportedImage(f"the PNG has {content[_PNG_BIT_DEPTH_OFFSET]} bits a channel: send 8 bits")
    if image.width * image.height > limits.max_pixels:
        raise LimitExceeded(
            f"the image has {image.width}×{image.height} pixels, at most {limits.max_pixels} are allowed: send the "
            "crop of a person, not the frame"
        )
    if min(image.size) < limits.min_side:
        raise InvalidField(
            f"the image has {image.width}×{image.height} pixels, each side needs at least {limits.min_side}"
        )
