"""How many detections a device holds."""

import os

import pytest
import torch

from service.gallery import capacity
from service.gallery.capacity import CapacityError, choose_capacity

CPU = torch.device("cpu")
taken_bytes = capacity._taken_bytes
MEMORY = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(autouse=True)
def _nothing_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that numbers are exact."""
    monkeypatch.setattr(capacity, "_taken_bytes", lambda: 0)
    monkeypatch.setattr(capacity, "container_memory_bytes", lambda: None)


def test_a_containers_limit_counts_but_for_what_the_process_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "container_memory_bytes", lambda: 640 * 2**20)
    monkeypatch.setattr(capacity, "_taken_bytes", lambda: 400 * 2**20)
    assert choose_capacity(None, 49_152, CPU) == 120 * 2**20 // 49_152
    with pytest.raises(CapacityError, match=f"has {240 * 2**20:,}"):
        choose_capacity(100_000, 49_152, CPU)
    monkeypatch.setattr(capacity, "_taken_bytes", lambda: 700 * 2**20)
    assert choose_capacity(None, 49_152, CPU) == 1


def test_what_this_process_takes_is_known() -> None:
    assert 2**24 < taken_bytes() < MEMORY


def test_without_a_wish_it_is_a_hundred_thousand_or_half_the_memory() -> None:
    assert choose_capacity(None, 1024, CPU) == 100_000
    assert choose_capacity(None, MEMORY // 1000, CPU) == 500
    assert choose_capacity(None, MEMORY * 4, CPU) == 1


def test_a_wish_is_granted_where_it_fits() -> None:
    assert choose_capacity(7, 1024, CPU) == 7
    assert choose_capacity(MEMORY // 4096, 4096, CPU) == MEMORY // 4096
    with pytest.raises(CapacityError, match="set QACONV_GALLERY_CAPACITY to at most") as raised:
        choose_capacity(MEMORY // 4096 + 1, 4096, CPU)
    assert f"{MEMORY:,}" in str(raised.value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_what_is_free_counts() -> None:
    cuda = torch.device("cuda")
    free, _ = torch.cuda.mem_get_info(cuda)
    assert choose_capacity(1000, 1024, cuda) == 1000
    with pytest.raises(CapacityError):
        choose_capacity(free // 1024 + 2**20, 1024, cuda)
