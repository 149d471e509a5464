"""Which machine this is, as every results file says at its head."""

import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path

import torch

from model.gallery_scoring import installed_library

# Those that matter for products and maxima, as Linux spells them.
_INSTRUCTION_SETS = ("avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16")
_INSTRUCTION_SETS += ("amx_bf16", "amx_int8", "amx_fp16", "asimd", "sve", "bf16", "i8mm")

# Generation by family and first model of AMD's server and desktop processors; the last entry that begins before wins.
_ZEN_MODELS = ((0x17, 0x00, 1), (0x17, 0x30, 2), (0x19, 0x00, 3), (0x19, 0x10, 4), (0x19, 0x20, 3), (0x19, 0x60, 4))
_ZEN_MODELS += ((0x1A, 0x00, 5),)


def hardware_name(device: str = "cpu") -> str:
    """The machine in a file's name, such as "amd-zen4-2-cores", or the GPU's name for "cuda"."""
    if device == "cuda":
        return _slug(torch.cuda.get_device_name())
    return f"{_processor_slug()}-{core_count()}-cores"


def describe_machine(device: str = "cpu") -> Mapping[str, str]:
    """What a reader has to know of the machine and its software, by what it is: values fit into a table."""
    library = installed_library()
    kernels = ", ".join(kernel.name for kernel in library.kernels) if library is not None else ""
    described = {
        "processor": f"{_processor()}, {core_count()} cores, {memory_bytes() / 2**30:.0f} GiB of memory",
        "instruction sets": ", ".join(instruction_sets()) or "unknown",
        "native kernels": kernels or "none",
        "system": f"{platform.system()} on {platform.machine()}",
        "versions": f"Python {platform.python_version()}, torch {torch.__version__}",
    }
    if device == "cuda":
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        described["GPU"] = f"{torch.cuda.get_device_name()}, {memory:.0f} GiB"
    return described


def instruction_sets() -> tuple[str, ...]:
    """Those of this processor that matter here; none where the system does not tell."""
    has = set(f"{_cpu_info('flags')} {_cpu_info('Features')}".split())
    return tuple(name for name in _INSTRUCTION_SETS if name in has)


def core_count() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes() -> int:
    """Of the whole machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def available_memory_bytes() -> int:
    """That can be taken without pushing anything out; all of it where the system does not tell."""
    path = Path("/proc/meminfo")
    found = re.search(r"^MemAvailable:\s+(\d+) kB", path.read_text(), re.MULTILINE) if path.exists() else None
    return int(found[1]) * 1024 if found else memory_bytes()


def _processor() -> str:
    return _cpu_info("model name") or platform.processor() or platform.machine()


def _processor_slug() -> str:
    family, model = _cpu_info("cpu family"), _cpu_info("model")
    if _cpu_info("vendor_id") == "AuthenticAMD":
        begun = [zen for zen in _ZEN_MODELS if zen[:2] <= (int(family), int(model)) and zen[0] == int(family)]
        if begun:
            return f"amd-zen{begun[-1][2]}"
    name = re.sub(r"\((r|tm)\)|\bcpu\b|\bprocessor\b|@.*", " ", _processor(), flags=re.IGNORECASE)
    return _slug(name) + ("-amx" if "amx_int8" in instruction_sets() else "")


def _cpu_info(key: str) -> str:
    """The first processor's entry of Linux; empty where there is none."""
    path = Path("/proc/cpuinfo")
    found = re.search(rf"^{key}\s*: (.*)$", path.read_text(), re.MULTILINE) if path.exists() else None
    return found[1].strip() if found else ""


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
