"""Independent random streams by name, so that what is drawn does not depend on the order it is drawn in."""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What a random stream decides. The numbers are part of every seed: add new ones, never change old ones."""

    PERSON = 1
    CAMERA = 2
    SCENE = 3
    WALK = 4
    CROP = 5
    BYSTANDER = 7
    TRACK = 8
    GRAIN = 9
    DISTANCE = 10


def random_stream(seed: int, stream: Stream, *indices: int) -> np.random.Generator:
    """The generator of one thing, e.g. `random_stream(seed, Stream.CROP, 17)` for the 17th crop."""
    # numpy pads a seed's parts with zeros: without their number, those of [4] and of [4, 0] would be the same.
    return np.random.default_rng(np.random.SeedSequence([seed, int(stream), *indices, 1 + len(indices)]))
