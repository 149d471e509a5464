"""Hostile files: good ones with bytes changed, cut, doubled, spliced and with sizes that lie. Drawn from a seed."""

import struct
from collections.abc import Callable
from random import Random

from PIL import Image

from tests.service.drawn_crops import draw_crop, encode
from tests.service.inference.png_files import GREY, RGB, png_file

Mutation = Callable[[Random, bytearray], None]

# Numbers at which sizes and lengths overflow, wrap or turn negative.
_EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def seed_files() -> list[bytes]:
    """Good files of every kind that is accepted, with what real ones carry: EXIF, palettes, transparency, scans."""
    crop = draw_crop(1, 60, 120)
    exif = Image.Exif()
    exif[0x0112] = 6
    return [
        encode(crop),
        encode(crop, progressive=True, quality=30),
        encode(crop, exif=exif, quality=95, subsampling=0),
        encode(crop.convert("L")),
        encode(crop, "PNG"),
        encode(crop.quantize(16), "PNG", transparency=3),
        encode(crop.convert("RGBA"), "PNG", exif=exif),
        encode(crop, "WEBP", quality=40),
        encode(crop, "WEBP", lossless=True, exif=exif),
        encode(crop.convert("RGBA"), "WEBP"),
    ]


def bombs() -> list[bytes]:
    """Small files that say, or are, very large pictures."""
    return [
        png_file(60_000, 60_000, 8, GREY),
        png_file(30_000, 30_000, 8, RGB),
        png_file(4_001, 4_000, 8, RGB),
        png_file(1, 16_000_001, 8, GREY),
        png_file(4_000, 4_000, 8, RGB),
        png_file(2_000_000, 8, 8, GREY),
    ]


def mutate(random: Random, seeds: list[bytes]) -> bytes:
    """One hostile file."""
    content = bytearray(random.choice(seeds))
    for _ in range(random.choice((1, 1, 1, 2, 4, 16))):
        if content:
            random.choice(_MUTATIONS)(random, content)
    if random.random() < 0.1:
        other = random.choice(seeds)
        content[len(content) // 2 :] = other[random.randrange(len(other)) :]
    return bytes(content)


def _flip_bit(random: Random, content: bytearray) -> None:
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)


def _flip_bit_of_the_header(random: Random, content: bytearray) -> None:
    content[random.randrange(min(len(content), 200))] ^= 1 << random.randrange(8)


def _write_an_edge(random: Random, content: bytearray) -> None:
    value = random.choice(_EDGES)
    width = 1 if value <= 0xFF else 2 if value <= 0xFFFF else 4
    order = random.choice("<>")
    place = random.randrange(len(content))
    packed = struct.pack(order + {1: "B", 2: "H", 4: "I"}[width], value)
    content[place : place + width] = packed[: len(content) - place]


def _cut(random: Random, content: bytearray) -> None:
    del content[random.randrange(len(content)) :]


def _remove(random: Random, content: bytearray) -> None:
    place = random.randrange(len(content))
    del content[place : place + random.randrange(1, 64)]


def _double(random: Random, content: bytearray) -> None:
    place = random.randrange(len(content))
    part = content[place : place + random.randrange(1, 512)]
    content[place:place] = part * random.choice((1, 2, 50))


def _insert_noise(random: Random, content: bytearray) -> None:
    place = random.randrange(len(content))
    content[place:place] = random.randbytes(random.choice((1, 8, 300)))


def _overwrite(random: Random, content: bytearray) -> None:
    place = random.randrange(len(content))
    end = min(len(content), place + random.randrange(1, 128))
    content[place:end] = bytes([random.randrange(256)]) * (end - place)


_MUTATIONS: tuple[Mutation, ...] = (
    _flip_bit,
    _flip_bit_of_the_header,
    _write_an_edge,
    _write_an_edge,
    _cut,
    _remove,
    _double,
    _insert_noise,
    _overwrite,
)
