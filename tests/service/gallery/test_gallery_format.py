"""In which form a gallery lies, by what is wanted and what there is memory for."""

import pytest
import torch

from model.config import ModelConfig
from service.gallery import capacity
from service.gallery.capacity import CapacityError
from service.gallery.gallery_format import GalleryFormat, choose_format

CPU = torch.device("cpu")
CONFIG = ModelConfig(256, 128)
NUMBERS = 128 * 128
COARSE, BOTH = NUMBERS + 52, 3 * NUMBERS + 52


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of it holds 1,000 detections in both forms."""
    monkeypatch.setattr(capacity, "_memory_bytes", lambda _: 2000 * BOTH)


def choose(
    precision: str, wanted: int | None, exact_maps: str = "auto", *, multiplies_int8: bool = True
) -> GalleryFormat:
    return choose_format(precision, exact_maps, wanted, CONFIG, CPU, multiplies_int8=multiplies_int8)


def test_auto_is_int8_where_that_is_fast() -> None:
    assert choose("auto", 10).is_coarse
    slow = choose("auto", 10, multiplies_int8=False)
    assert (slow.is_coarse, slow.exact_maps, slow.exact.storage) == (False, None, torch.float16)
    # Asked for, it is had.
    assert choose("int8", 10, multiplies_int8=False).is_coarse


def test_exact_scores_are_of_the_numbers_on_the_disk_multiplied_in_float32() -> None:
    for precision in ("int8", "float16"):
        exact = choose(precision, 10).exact
        assert (exact.storage, exact.compute) == (torch.float16, torch.float32)


@pytest.mark.parametrize(
    ("wanted", "exact_maps", "expected"),
    [
        (1000, "auto", ("device", BOTH, 1000)),
        (1001, "auto", ("disk", COARSE, 1001)),
        (2000, "device", ("device", BOTH, 2000)),
        (1000, "disk", ("disk", COARSE, 1000)),
        # A hundred thousand would not fit: as many as half the memory holds.
        (None, "auto", ("device", BOTH, 1000)),
        (None, "disk", ("disk", COARSE, 1000 * BOTH // COARSE)),
    ],
)
def test_exact_maps_are_on_the_device_where_they_fit(
    wanted: int | None, exact_maps: str, expected: tuple[str, int, int]
) -> None:
    form = choose("int8", wanted, exact_maps)
    assert (form.exact_maps, form.detection_bytes, form.capacity) == expected


def test_more_than_there_is_memory_for_is_refused() -> None:
    with pytest.raises(CapacityError, match="QACONV_GALLERY_CAPACITY to at most 2000, or QACONV_EXACT_MAPS=disk"):
        choose("int8", 2001, "device")
    assert choose("int8", 2001).exact_maps == "disk"
    with pytest.raises(CapacityError, match=r"QACONV_GALLERY_CAPACITY to at most \d+$"):
        choose("int8", 10_000, "disk")
    with pytest.raises(CapacityError, match="at most 3003, or QACONV_PRECISION=int8 and QACONV_EXACT_MAPS=disk"):
        choose("float16", 3004)
