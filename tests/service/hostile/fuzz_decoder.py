"""Feeds hostile files to the image decoder for some seconds; a program, so that its memory is its own.

Arguments: seconds, seed. Prints how many files of which outcome, the slowest in seconds and the peak memory in bytes
above what the process had before. Ends with status 1 at the first file whose outcome is neither a picture nor an error
that a client is told of, and writes that file to standard error in hexadecimal.
"""

import re
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

from service.errors import ServiceError
from service.inference.image_decoding import ImageLimits, ignore_decoders_warnings, open_upright
from tests.service.hostile.mutated_files import bombs, mutate, seed_files

LIMITS = ImageLimits(max_pixels=16_000_000, min_side=8)


def outcome_of(content: bytes) -> str:
    try:
        image, _ = open_upright(content, LIMITS)
    except ServiceError as error:
        return error.slug
    assert image.mode == "RGB"
    assert image.width * image.height <= LIMITS.max_pixels
    assert min(image.size) >= LIMITS.min_side
    return "decoded"


def peak_bytes() -> int:
    # Of this program alone: getrusage also knows the largest that its parent was.
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) * 1024


def main(seconds: float, seed: int) -> None:
    ignore_decoders_warnings()
    random = Random(seed)
    seeds = seed_files()
    outcome_of(seeds[0])
    before = peak_bytes()
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    hostile = bombs()
    end = time.monotonic() + seconds
    while time.monotonic() < end or hostile:
        content = hostile.pop() if hostile else mutate(random, seeds)
        began = time.monotonic()
        try:
            outcomes[outcome_of(content)] += 1
        except BaseException:
            print(content.hex(), file=sys.stderr)  # noqa: T201
            raise
        slowest = max(slowest, time.monotonic() - began)
    print(f"{sum(outcomes.values())} files: {dict(outcomes.most_common())}")  # noqa: T201
    print(f"slowest {slowest:.3f} s")  # noqa: T201
    print(f"peak {peak_bytes() - before} bytes")  # noqa: T201


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
