"""Which formats a device scores in."""

import pytest
import torch

from model.gallery_scoring.precision import Precision, ScoringPrecision, choose_precision


def pretend_cpu(monkeypatch: pytest.MonkeyPatch, *, bfloat16: bool, amx: bool) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bfloat16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)


@pytest.mark.parametrize(("bfloat16", "amx"), [(True, False), (False, True)])
def test_a_cpu_with_bfloat16_instructions_uses_them_when_asked(
    monkeypatch: pytest.MonkeyPatch, bfloat16: bool, amx: bool
) -> None:
    pretend_cpu(monkeypatch, bfloat16=bfloat16, amx=amx)
    assert choose_precision("cpu", "bfloat16") == ScoringPrecision(torch.bfloat16, torch.bfloat16)


def test_a_cpu_without_them_stores_bfloat16_and_multiplies_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_cpu(monkeypatch, bfloat16=False, amx=False)
    assert choose_precision("cpu", "bfloat16") == ScoringPrecision(torch.bfloat16, torch.float32)


@pytest.mark.parametrize("wanted", ["float16", "float32"])
def test_no_cpu_multiplies_float16(monkeypatch: pytest.MonkeyPatch, wanted: Precision) -> None:
    pretend_cpu(monkeypatch, bfloat16=True, amx=True)
    assert choose_precision("cpu", wanted) == ScoringPrecision(getattr(torch, wanted), torch.float32)


def test_cuda_multiplies_what_it_stores() -> None:
    assert choose_precision("cuda") == ScoringPrecision(torch.float16, torch.float16)
    assert choose_precision("cuda", "bfloat16") == ScoringPrecision(torch.bfloat16, torch.bfloat16)
    assert choose_precision("cuda", "float32") == ScoringPrecision(torch.float32, torch.float32)


def test_a_cpu_s_default_is_as_exact_as_the_records() -> None:
    assert choose_precision("cpu") == ScoringPrecision(torch.float16, torch.float32)


def test_this_cpu_is_asked_for_its_instructions() -> None:
    assert choose_precision("cpu", "bfloat16").compute in (torch.bfloat16, torch.float32)
