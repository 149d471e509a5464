"""A native kernel is taken where it scores right, and else the next one."""

import logging
from collections.abc import Sequence
from importlib import import_module

import pytest
import torch

from model.config import ModelConfig
from model.gallery_scoring import BlockedScorer, NativeScorer, choose_scorer, installed_library
from model.gallery_scoring.choose_native_scorer import choose_native_scorer
from model.gallery_scoring.interface import FoldedMatcher
from model.gallery_scoring.native_library import NativeKernel, NativeLibrary, ScoringCall, StorageFormat
from model.gallery_scoring.precision import ScoringPrecision
from model.query_adaptive_convolution import QueryAdaptiveConvolution
from reference.trained_head import train_head

INT8 = ScoringPrecision(torch.int8, torch.float32)
# Before those that this processor has.
UNTRIED = NativeKernel(-1, "amx_untried")


class PartlyWrongLibrary(NativeLibrary):
    """The installed one, with a kernel more, and wrong in some logits of some kernels; remembers what was called."""

    def __init__(self, installed: NativeLibrary, wrong: dict[str, float], of: Sequence[StorageFormat]) -> None:
        self._installed = installed
        self._wrong = wrong
        self._of = of
        self.kernels = [UNTRIED, *installed.kernels]
        self.called: list[tuple[str, StorageFormat]] = []

    def choose_kernel(
        self, storage: StorageFormat, channels: int, instruction_set: str | None = None
    ) -> NativeKernel | None:
        if UNTRIED in self.kernels and storage in self._of:
            return UNTRIED
        for kernel in self.kernels:
            if kernel != UNTRIED and self._installed.choose_kernel(storage, channels, kernel.name):
                return kernel
        return None

    def score(self, kernel: NativeKernel, call: ScoringCall, storage: StorageFormat, threads: int) -> None:
        self.called.append((kernel.name, storage))
        right = self._installed.choose_kernel(storage, call.channels) if kernel == UNTRIED else kernel
        assert right is not None
        if kernel.name in self._wrong:
            call.bias += self._wrong[kernel.name]
        self._installed.score(right, call, storage, threads)


@pytest.fixture(scope="module")
def installed() -> NativeLibrary:
    found = installed_library()
    if found is None:
        pytest.skip("no native scorer is installed here")
    return found


def build(kernel_size: int = 1) -> FoldedMatcher:
    config = ModelConfig(input_height=96, input_width=64, kernel_size=kernel_size)
    matcher = QueryAdaptiveConvolution(config).eval()
    train_head(matcher.head, seed=4)
    return FoldedMatcher.of(matcher, config, "cpu")


def kernels_of(scorer: object) -> tuple[str, str]:
    assert isinstance(scorer, NativeScorer)
    return scorer.kernel_for(torch.int8, 16).name, scorer.kernel_for(torch.float16, 16).name


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_kernels_that_are_right_are_kept_and_both_formats_checked(
    installed: NativeLibrary, caplog: pytest.LogCaptureFixture, kernel_size: int
) -> None:
    library = PartlyWrongLibrary(installed, {}, ["int8"])
    scorer = choose_native_scorer(build(kernel_size), 16, INT8, library)
    assert kernels_of(scorer)[0] == "amx_untried"
    assert [storage for _, storage in library.called] == ["int8"] * 2 + ["float16"] * 2  # all maps, then some
    assert not caplog.records


@pytest.mark.parametrize("error", [0.01, -3.0, float("nan"), float("inf")])
def test_a_wrong_one_is_named_and_the_next_taken(
    installed: NativeLibrary, caplog: pytest.LogCaptureFixture, error: float
) -> None:
    library = PartlyWrongLibrary(installed, {"amx_untried": error}, ["int8", "float16"])
    scorer = choose_native_scorer(build(), 16, INT8, library)
    assert kernels_of(scorer) == kernels_of(NativeScorer(build(), installed))
    (told,) = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert told.startswith(
        "native kernel amx_untried is left out, with maps of torch.int8: the kernel's logits are off"
    )
    assert UNTRIED in library.kernels


def test_what_comes_after_a_wrong_one_is_checked_too(installed: NativeLibrary) -> None:
    """Wrong with float16 alone; the kernel of int8, which had passed, is checked again as it stands then."""
    first = NativeScorer(build(), installed).kernel_for(torch.float16, 16).name
    library = PartlyWrongLibrary(installed, {first: 1.0}, [])
    scorer = choose_native_scorer(build(), 16, INT8, library)
    if isinstance(scorer, NativeScorer):
        assert first not in kernels_of(scorer)
    last = {storage: name for name, storage in library.called}
    assert library.called[-4::2] == [(last["int8"], "int8"), (last["float16"], "float16")]


def test_without_a_right_one_it_is_plain_torch(installed: NativeLibrary, caplog: pytest.LogCaptureFixture) -> None:
    wrong = {kernel.name: 1.0 for kernel in [UNTRIED, *installed.kernels]}
    library = PartlyWrongLibrary(installed, wrong, ["int8"])
    assert isinstance(choose_native_scorer(build(), 16, INT8, library), BlockedScorer)
    assert "plain torch" in caplog.text
    assert all(kernel.name in caplog.text for kernel in library.kernels if "amx" not in kernel.name)


def test_whoever_asks_for_a_scorer_gets_one_that_was_checked(
    installed: NativeLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = PartlyWrongLibrary(installed, {"amx_untried": 1.0}, ["bfloat16"])
    # The package has a function of the module's name.
    monkeypatch.setattr(import_module("model.gallery_scoring.choose_scorer"), "installed_library", lambda: library)
    scorer = choose_scorer(build(), 16, ScoringPrecision(torch.bfloat16, torch.float32))
    assert isinstance(scorer, NativeScorer)
    assert scorer.kernel_for(torch.bfloat16, 16) != UNTRIED
