"""The most operations a second that the machine's product instructions do, by the name of the kernel that uses them."""

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.taking_turns import time_once
from model.gallery_scoring import installed_library

_SOURCE = Path(__file__).resolve().with_suffix(".cpp")
_INSTRUCTIONS_A_ROUND = 14
# Products and sums of one instruction.
_OPERATIONS = {"avx2": 16, "avx512": 32, "avx512_bf16": 64, "avx512_vnni": 128}
_TURNS = 5


def measure_instruction_peaks(threads: int, rounds: int) -> Mapping[str, float]:
    """Operations a second of so many threads together, the best of several turns of so many rounds.

    For the instruction sets of this processor's native kernels; without a compiler or kernels there are none. AMX is
    not among them: its tiles have to be configured first.
    """
    library, compiler = installed_library(), find_compiler()
    if library is None or not compiler:
        return {}
    names = [kernel.name for kernel in library.kernels if kernel.name in _OPERATIONS]
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / "instruction_peaks.so"
        subprocess.run([*compiler, "-O2", "-shared", "-fPIC", str(_SOURCE), "-o", str(compiled)], check=True)
        loops = ctypes.CDLL(str(compiled))
        return {name: _measure(getattr(loops, name), _OPERATIONS[name], threads, rounds) for name in names}


def find_compiler() -> Sequence[str]:
    """The command of this machine's C++ compiler, as CXX says or the usual one; empty where there is none."""
    command = os.environ.get("CXX", "c++").split()
    return command if command and shutil.which(command[0]) else []


def _measure(loop: "ctypes._NamedFuncPointer", operations: int, threads: int, rounds: int) -> float:
    loop.argtypes, loop.restype = [ctypes.c_int64], None
    with ThreadPoolExecutor(threads) as pool:

        def run_in_all() -> None:
            for running in [pool.submit(loop, rounds) for _ in range(threads)]:
                running.result()

        seconds = min(time_once(partial(run_in_all)) for _ in range(_TURNS))
    return threads * rounds * _INSTRUCTIONS_A_ROUND * operations / seconds
