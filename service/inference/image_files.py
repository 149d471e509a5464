"""What of an image file is decoded: its pixels and nothing beside them.

Text, colour profiles and thumbnails lie beside the pixels and say nothing of a person. A decoder that reads them fails
where they are damaged, and unpacks what is packed in them. So they are left out before it sees the file; of EXIF data,
which says how the picture is turned, the bytes are handed out. What is no file of its kind is left as it is: the
decoder says why.
"""

import struct
from collections.abc import Iterator

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_SIGNATURE = b"\xff\xd8\xff"
JPEG_END = b"\xff\xd9"

# What a PNG's decoder needs: the header, the palette, what is transparent, pixels, and whether it is an animation.
_PNG_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"acTL", b"fcTL", b"fdAT"}
_PNG_END = b"\x00\x00\x00\x00IEND\xae\x42\x60\x82"
_WEBP_CHUNKS = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"}
_WEBP_ALPHA_AND_ANIMATION = 0x12
# Of JPEG: application segments and comments. JFIF (0) and Adobe's (14) say how colours are to be read.
_JPEG_BESIDE = {*range(0xE1, 0xEE), 0xEF, 0xFE}
_JPEG_SCAN = 0xDA
# Segments of 2 that say that the file holds several pictures, which is refused.
_SEVERAL_PICTURES = b"MPF\x00"
_EXIF = b"Exif\x00\x00"
# A picture of 16 million pixels has some thousands. A file of many more is made to keep its reader busy.
_MOST_PARTS = 65_536
# As much as a JPEG can hold. Longer ones are not for an orientation.
_MOST_EXIF_BYTES = 65_536


def separate_pixels(content: bytes) -> tuple[bytes, bytes]:
    """A file without what lies beside its pixels, and its EXIF data (TIFF); empty where there is none.

    Args:
        content: a JPEG, PNG or WebP file, or anything else.
    """
    try:
        if content.startswith(_JPEG_SIGNATURE):
            return _separate_jpeg(content)
        if content.startswith(PNG_SIGNATURE):
            return _separate_png(content)
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return _separate_webp(content)
    except (struct.error, IndexError, _TooManyPartsError):
        pass  # cut off in the middle of a header, or no picture
    return content, b""


class _TooManyPartsError(Exception):
    """A file of more parts than any picture has."""


def _separate_jpeg(content: bytes) -> tuple[bytes, bytes]:
    kept, exif, start = bytearray(content[:2]), b"", 2
    parts = _counted()
    while content[start] == 0xFF and content[start + 1] != _JPEG_SCAN:
        next(parts)
        if content[start + 1] == 0xFF:  # fills
            start += 1
            continue
        (length,) = struct.unpack_from(">H", content, start + 2)
        segment = content[start : start + 2 + length]
        if segment[4:10] == _EXIF:
            exif = exif or segment[10:]
        elif segment[1] not in _JPEG_BESIDE or segment[4:8] == _SEVERAL_PICTURES:
            kept += segment
        start += 2 + length
    return bytes(kept) + content[start:], exif


def _separate_png(content: bytes) -> tuple[bytes, bytes]:
    kept, exif = bytearray(PNG_SIGNATURE), b""
    for kind, chunk in _png_chunks(content):
        if kind in _PNG_CHUNKS:
            kept += chunk
        elif kind == b"eXIf":
            exif = exif or chunk[8:-4]
    return bytes(kept) + _PNG_END, exif[:_MOST_EXIF_BYTES]


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and bytes of each chunk: length, kind, data, checksum. The last one may be cut off."""
    start = len(PNG_SIGNATURE)
    parts = _counted()
    while start + 8 <= len(content):
        next(parts)
        (length,) = struct.unpack_from(">I", content, start)
        yield content[start + 4 : start + 8], content[start : start + 12 + length]
        start += 12 + length


def _separate_webp(content: bytes) -> tuple[bytes, bytes]:
    kept, exif, start = bytearray(), b"", 12
    parts = _counted()
    while start + 8 <= len(content):
        next(parts)
        kind = content[start : start + 4]
        (length,) = struct.unpack_from("<I", content, start + 4)
        data = content[start + 8 : start + 8 + length]
        if kind == b"EXIF":
            exif = exif or data.removeprefix(_EXIF)
        elif kind == b"VP8X" and data:
            kept += content[start : start + 8] + bytes([data[0] & _WEBP_ALPHA_AND_ANIMATION]) + data[1:]
        elif kind in _WEBP_CHUNKS:
            kept += content[start : start + 8] + data + b"\x00" * (length % 2)
        start += 8 + length + length % 2
    head = b"RIFF" + struct.pack("<I", 4 + len(kept)) + b"WEBP"
    return head + kept, exif[:_MOST_EXIF_BYTES]


def _counted() -> Iterator[int]:
    """Counts a file's parts, and ends where there are too many."""
    yield from range(_MOST_PARTS)
    raise _TooManyPartsError
