"""Compiles the native scorer into one library for every x86-64 machine. Only the standard library: setup.py runs it."""

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

_SOURCES = Path(__file__).resolve().parent
_FLAGS = ("-std=c++17", "-O2", "-fPIC", "-fvisibility=hidden")
_AVX2 = ("-mavx2", "-mfma", "-mf16c")
_AVX512 = (*_AVX2, "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq")
# What each file may use beyond plain x86-64. At run time a kernel is chosen only where the processor has it.
_INSTRUCTIONS: dict[str, tuple[str, ...]] = {
    "gallery_scoring.cpp": (),
    "instruction_sets.cpp": (),
    "float32_avx2.cpp": _AVX2,
    "float32_avx512.cpp": _AVX512,
    "bfloat16_avx512.cpp": (*_AVX512, "-mavx512bf16"),
    "int8_avx512.cpp": (*_AVX512, "-mavx512vnni"),
    "bfloat16_amx.cpp": _AVX512,
    "int8_amx.cpp": _AVX512,
}


class NativeBuildError(Exception):
    """There is no library to be had here: no compiler, one too old, or another processor. The message says which."""


def compile_library(target: Path, extra_flags: Sequence[str] = (), program: Path | None = None) -> None:
    """Compiles and links all sources.

    Args:
        target: the library to write; its folder is made.
        extra_flags: for compiler and linker, behind the usual ones.
        program: a source with a `main`, to link a program that tries the sources instead of a library.

    Raises:
        NativeBuildError: nothing was written.
    """
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        raise NativeBuildError(f"the native scorer is for x86-64, this is {platform.machine()}")
    compiler = _find_compiler()
    sources = {_SOURCES / source: instructions for source, instructions in _INSTRUCTIONS.items()}
    if program is not None:
        sources[program] = ("-I", str(_SOURCES))
    with TemporaryDirectory() as folder:
        objects = [str(Path(folder) / f"{source.stem}.o") for source in sources]
        for (source, flags), compiled in zip(sources.items(), objects, strict=True):
            _run([*compiler, *_FLAGS, *flags, *extra_flags, "-c", str(source), "-o", compiled])
        linked = Path(folder) / target.name
        kind = "-shared" if program is None else "-pie"
        _run([*compiler, kind, "-pthread", *extra_flags, *objects, "-o", str(linked)])
        target.parent.mkdir(parents=True, exist_ok=True)
        # A process may have the old library mapped: the new one takes its name, not its bytes.
        beside = target.with_name(f".{target.name}.new")
        shutil.copy(linked, beside)
        beside.replace(target)


def _find_compiler() -> list[str]:
    named = os.environ.get("CXX", "").split()
    # GCC first: clang keeps sums of the AVX2 kernel on the stack, at half its speed; the other kernels are as fast.
    candidates = [named] if named else [["g++"], ["c++"], ["clang++"]]
    for candidate in candidates:
        if shutil.which(candidate[0]):
            return candidate
    raise NativeBuildError(f"no C++ compiler was found (looked for {', '.join(c[0] for c in candidates)})")


def _run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise NativeBuildError(f"{' '.join(command)} failed:\n{result.stderr.strip()}")
