"""The native scorer's library: found beside its sources, loaded once, and called with plain addresses."""

import ctypes
import logging
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

LIBRARY_PATH = Path(__file__).resolve().parent / "native" / "gallery_scoring.so"

StorageFormat = Literal["float32", "float16", "bfloat16", "int8"]

_INTERFACE_VERSION = 2
_FORMAT_NUMBERS: dict[StorageFormat, int] = {"float32": 0, "float16": 1, "bfloat16": 2, "int8": 3}
_NO_SUCH_KERNEL, _OUT_OF_MEMORY = 1, 2

_log = logging.getLogger(__name__)


class NativeLibraryError(Exception):
    """The file is no library of this version; the message says what to do."""


class ScoringCall(ctypes.Structure):
    """`ScoringCall` of native/scoring_call.h, field by field."""

    _fields_ = (
        ("query_maps", ctypes.c_void_p),
        ("gallery_maps", ctypes.c_void_p),
        ("query_scales", ctypes.c_void_p),
        ("gallery_scales", ctypes.c_void_p),
        ("gallery_rows", ctypes.c_void_p),
        ("query_weights", ctypes.c_void_p),
        ("gallery_weights", ctypes.c_void_p),
        ("logits", ctypes.c_void_p),
        ("query_count", ctypes.c_int64),
        ("gallery_count", ctypes.c_int64),
        ("locations", ctypes.c_int64),
        ("channels", ctypes.c_int64),
        ("bias", ctypes.c_float),
        ("format", ctypes.c_int32),
    )


@dataclass(frozen=True, slots=True)
class NativeKernel:
    """A way to score that this processor has: its number in the library, and its name, such as "avx512_vnni"."""

    number: int
    name: str


class NativeLibrary:
    """A loaded library.

    Args:
        path: the file.

    Raises:
        NativeLibraryError: it cannot be loaded, or another version of the sources made it.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._library = ctypes.CDLL(str(path.resolve()))
            version = int(self._library.qaconv_interface_version())
        except (OSError, AttributeError) as error:
            raise NativeLibraryError(f"{path} cannot be loaded ({error}): install the package again") from error
        if version != _INTERFACE_VERSION:
            raise NativeLibraryError(
                f"{path} has interface {version}, not {_INTERFACE_VERSION}: install the package again"
            )
        self._library.qaconv_kernel_name.restype = ctypes.c_char_p
        self._library.qaconv_kernel_takes.argtypes = [ctypes.c_int32, ctypes.c_int32, ctypes.c_int64]
        self._library.qaconv_score.argtypes = [ctypes.c_int32, ctypes.POINTER(ScoringCall), ctypes.c_int32]
        self.kernels: Sequence[NativeKernel] = [
            NativeKernel(number, self._library.qaconv_kernel_name(number).decode())
            for number in range(self._library.qaconv_kernel_count())
            if self._library.qaconv_kernel_runs_here(number)
        ]

    def without(self, kernel: NativeKernel) -> "NativeLibrary":
        """The same library but for a kernel."""
        other = copy(self)
        other.kernels = [each for each in self.kernels if each != kernel]
        return other

    def choose_kernel(
        self, storage: StorageFormat, channels: int, instruction_set: str | None = None
    ) -> NativeKernel | None:
        """The fastest kernel of this processor for maps of a format, or the named one; None where there is none."""
        number = _FORMAT_NUMBERS[storage]
        for kernel in self.kernels:
            if instruction_set in {None, kernel.name} and self._library.qaconv_kernel_takes(
                kernel.number, number, channels
            ):
                return kernel
        return None

    def score(self, kernel: NativeKernel, call: ScoringCall, storage: StorageFormat, threads: int) -> None:
        """Writes a call's logits. The caller answers for what the addresses lead to.

        Raises:
            MemoryError: there is none for the queries in the kernel's own order (as large as they are, in the format
                that is multiplied), or for a thread's workspace.
            ValueError: the kernel does not take such maps.
        """
        call.format = _FORMAT_NUMBERS[storage]
        outcome = self._library.qaconv_score(kernel.number, ctypes.byref(call), threads)
        if outcome == _OUT_OF_MEMORY:
            raise MemoryError(f"no memory to pack {call.query_count} queries for scoring with {threads} threads")
        if outcome == _NO_SUCH_KERNEL:
            raise ValueError(f"kernel {kernel.name} takes no {storage} maps of {call.channels} channels")


@cache
def installed_library() -> NativeLibrary | None:
    """The library that was built with this package; None where it was not, or is not usable here.

    What was found is logged, once in a process.
    """
    if not LIBRARY_PATH.exists():
        _log.info(
            "scoring with torch, several times slower: the native scorer was not built when this was installed. "
            "It needs an x86-64 processor and a C++ compiler; %s is missing",
            LIBRARY_PATH,
        )
        return None
    try:
        library = NativeLibrary(LIBRARY_PATH)
    except NativeLibraryError as error:
        _log.warning("scoring with torch, several times slower: %s", error)
        return None
    if not library.kernels:
        _log.warning("scoring with torch, several times slower: the native scorer needs AVX2, which is not here")
        return None
    _log.info(
        "scoring with the native scorer, which has here: %s", ", ".join(kernel.name for kernel in library.kernels)
    )
    return library
