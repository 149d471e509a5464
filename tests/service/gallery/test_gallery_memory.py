"""What a device with too little memory says at the start: of the whole gallery, whichever part of it failed."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from model.checkpoint import Checkpoint, create_checkpoint
from model.config import ModelConfig
from service.gallery.capacity import CapacityError
from service.gallery.create_gallery import create_gallery, create_scorer
from service.gallery.gallery_format import choose_format
from service.gallery.gallery_memory import GalleryMemory

CPU = torch.device("cpu")
CAPACITY = 20_000
BLOCKS, BLOCK_SLOTS = 5, 4096
NUMBERS = 16 * 8 * 4
EXACT, COARSE = 2 * NUMBERS, NUMBERS + 52


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return create_checkpoint("small", ModelConfig(128, 64, backbone="resnet18", final_layer="layer2", channels=4))


def giving(number: int) -> Callable[..., Tensor]:
    """An allocator that has memory for so many tensors."""
    allocate, given = torch.empty, []

    def give(*arguments: object, **others: object) -> Tensor:
        if len(given) == number:
            raise torch.OutOfMemoryError("full")
        given.append(1)
        return allocate(*arguments, **others)

    return give


@pytest.mark.parametrize(
    ("precision", "exact_maps", "tensors", "detection_bytes", "given_bytes", "smaller"),
    [
        ("float16", "auto", 3, EXACT, 3 * BLOCK_SLOTS * EXACT, ", or QACONV_PRECISION=int8 and QACONV_EXACT_MAPS=disk"),
        ("int8", "device", 3, EXACT + COARSE, 3 * BLOCK_SLOTS * EXACT, ", or QACONV_EXACT_MAPS=disk"),
        # All exact maps, and two of five blocks of coarse ones.
        (
            *("int8", "device", BLOCKS + 2, EXACT + COARSE),
            *(BLOCK_SLOTS * (BLOCKS * EXACT + 2 * NUMBERS), ", or QACONV_EXACT_MAPS=disk"),
        ),
        # All maps, and no scales or factors of errors.
        ("int8", "disk", BLOCKS, COARSE, BLOCK_SLOTS * BLOCKS * NUMBERS, ""),
        ("int8", "disk", BLOCKS + 1, COARSE, BLOCK_SLOTS * BLOCKS * NUMBERS + CAPACITY * 4, ""),
    ],
)
def test_it_names_what_would_fit_and_what_helps(
    checkpoint: Checkpoint,
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
    exact_maps: str,
    tensors: int,
    detection_bytes: int,
    given_bytes: int,
    smaller: str,
) -> None:
    form = choose_format(precision, exact_maps, CAPACITY, checkpoint.config, CPU, multiplies_int8=True)
    scoring = create_scorer(checkpoint, form, CPU)
    monkeypatch.setattr(torch, "empty", giving(tensors))
    with pytest.raises(CapacityError) as raised:
        create_gallery(checkpoint, form, scoring, lambda _: None)
    fit = given_bytes // detection_bytes
    assert str(raised.value) == (
        f"gallery_capacity 20000 does not fit into the memory of cpu, which has room for {fit} detections of "
        f"{detection_bytes:,} bytes. Searches need memory too: set QACONV_GALLERY_CAPACITY to {fit // 2} or a little "
        f"more{smaller}"
    )


def test_what_is_no_lack_of_memory_passes_through() -> None:
    with pytest.raises(RuntimeError, match="negative dimension"):
        GalleryMemory(1, 1, CPU).take((-1,), torch.float32)
