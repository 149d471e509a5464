"""PNG files written by hand: those that the imaging library cannot write, or whose pixels nobody wants in memory."""

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB = 0, 2
_SAMPLES = {GREY: 1, RGB: 3}
_ZEROS_AT_ONCE = 2**20


def png_file(width: int, height: int, bit_depth: int, colour_type: int) -> bytes:
    """A valid PNG of black pixels; its pixels are never in memory, however many they are."""
    header = struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, 0)
    row_bytes = 1 + (width * _SAMPLES[colour_type] * bit_depth + 7) // 8
    return (
        SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", _compressed_zeros(height * row_bytes)) + _chunk(b"IEND")
    )


def _chunk(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _compressed_zeros(count: int) -> bytes:
    """A zlib stream of zeros: one compressed block repeated, and the checksum by its formula."""
    whole, rest = divmod(count, _ZEROS_AT_ONCE)
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = compressor.compress(bytes(_ZEROS_AT_ONCE)) + compressor.flush(zlib.Z_FULL_FLUSH)
    end = zlib.compressobj(9, zlib.DEFLATED, -15)
    tail = end.compress(bytes(rest)) + end.flush()
    checksum = (count % 65521) << 16 | 1
    return b"\x78\xda" + block * whole + tail + struct.pack(">I", checksum)
