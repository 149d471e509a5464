"""What the Triton kernel compiles to for the cards of its table, without a card: instructions, registers, spills.

A change that makes the registers spill, or that leaves the instructions of the tensor cores, would still be right; only
slow. Compiled by the ptxas that Triton brings, read by its cuobjdump.
"""

import importlib.util
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from model.gallery_scoring.triton_tiling import ROWS_OF_A_DETECTION, Tiling, choose_tiling, padded

if importlib.util.find_spec("triton") is None:
    pytest.skip("Triton is not installed", allow_module_level=True)

import triton
from triton.backends import nvidia
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from model.gallery_scoring.triton_kernel import score_pairs

_TOOLS = Path(nvidia.__file__).with_name("bin")
_REGISTERS_OF_A_MULTIPROCESSOR = 65536
_POINTERS = ("queries", "gallery", "query_weights", "gallery_weights", "scores")
_NUMBERS = {
    "query_count": "i32",
    "gallery_count": "i32",
    "groups_per_program": "i32",
    "bias": "fp32",
}
_ELEMENT_BYTES = {"fp16": 2, "bf16": 2, "i8": 1}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all((_TOOLS / tool).exists() for tool in ("ptxas", "cuobjdump")),
        reason="Triton's package has no ptxas or no cuobjdump here",
    ),
]


@dataclass(frozen=True, slots=True)
class Compiled:
    """What one program of the compiled kernel takes, and the product's instructions in it."""

    tiling: Tiling
    registers: int
    spilled_bytes: int
    shared_memory_bytes: int
    ptx: str

    def count(self, pattern: str) -> int:
        return len(re.findall(pattern, self.ptx))

    def programs_at_once(self, shared_memory_kibibytes: int) -> int:
        """On one multiprocessor with so much shared memory, 1 KiB of it kept by the system for each program."""
        by_registers = _REGISTERS_OF_A_MULTIPROCESSOR // (-(-self.registers // 8) * 8 * 32 * self.tiling.warps)
        return min(by_registers, shared_memory_kibibytes * 1024 // (self.shared_memory_bytes + 1024))


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))


@pytest.mark.parametrize(("number", "locations"), [("fp16", 192), ("fp16", 128), ("i8", 192)])
def test_for_hopper(number: str, locations: int, tmp_path: Path) -> None:
    compiled = compile_kernel((9, 0), number, locations, tmp_path)
    depth = {"fp16": 16, "i8": 32}[number]
    # 64 × 128 locations in one product, for 192 another of 64 × 64, each in steps of `depth` channels.
    wide, narrow = 128 // depth, 128 // depth if locations == 192 else 0
    assert compiled.count(rf"wgmma\.mma_async\.sync\.aligned\.m64n128k{depth}\.") == wide
    assert compiled.count(r"wgmma\.mma_async") == wide + narrow
    assert compiled.count(r"[^g]mma\.sync") == 0
    assert_resources(compiled, number, locations)
    assert compiled.programs_at_once(228) >= 2


@pytest.mark.parametrize(("number", "locations"), [("fp16", 192), ("fp16", 128), ("i8", 192)])
def test_for_ampere(number: str, locations: int, tmp_path: Path) -> None:
    compiled = compile_kernel((8, 0), number, locations, tmp_path)
    depth = {"fp16": 16, "i8": 32}[number]
    # Each warp: a fourth of 32 × locations, in products of 16 × 8 × depth.
    assert (
        compiled.count(rf"mma\.sync\.aligned\.m16n8k{depth}\.") == (32 // 16) * (locations // 8) * (128 // depth) // 4
    )
    assert_resources(compiled, number, locations)
    assert compiled.programs_at_once(164) >= 2


@pytest.mark.parametrize("number", ["fp16", "i8"])
@pytest.mark.parametrize("capability", [(8, 9), (12, 0)])
def test_smaller_cards_do_not_spill(capability: tuple[int, int], number: str, tmp_path: Path) -> None:
    compiled = compile_kernel(capability, number, 192, tmp_path)
    assert compiled.count(r"[^g]mma\.sync") > 0
    assert_resources(compiled, number, 192)
    assert compiled.programs_at_once(100) >= 1


@pytest.mark.parametrize("capability", [(8, 0), (9, 0)])
def test_larger_maps_do_not_spill(capability: tuple[int, int], tmp_path: Path) -> None:
    assert_resources(compile_kernel(capability, "fp16", 288, tmp_path), "fp16", 288)


def test_padding_compiles_too(tmp_path: Path) -> None:
    # The interpreter has no types that a loop could change.
    compiled = compile_kernel((9, 0), "bf16", 35, tmp_path, channels=20)
    assert compiled.spilled_bytes == 0
    assert compiled.count(r"wgmma\.mma_async\.sync\.aligned\.m64n64k16\.f32\.bf16") == 32 // 16


def assert_resources(compiled: Compiled, number: str, locations: int) -> None:
    assert compiled.spilled_bytes == 0
    stated = compiled.tiling.shared_memory_bytes(locations, 128, _ELEMENT_BYTES[number])
    assert 0.5 * stated < compiled.shared_memory_bytes <= stated


def compile_kernel(
    capability: tuple[int, int], number: str, locations: int, folder: Path, channels: int = 128
) -> Compiled:
    """The kernel for maps [locations, channels] with the tiling that the table has for a card."""
    tiling = choose_tiling(capability, locations, channels, _ELEMENT_BYTES[number])
    assert tiling is not None
    constants = {
        "LOCATIONS": locations,
        "CHANNELS": channels,
        "PADDED_CHANNELS": padded(channels),
        "PART": tiling.part,
        "PARTS": tiling.parts(locations),
        "GROUP": tiling.group,
        "ROWS": ROWS_OF_A_DETECTION,
        "STAGES": tiling.stages,
    }
    pointers = {name: f"*{number}" if name in {"queries", "gallery"} else "*fp32" for name in _POINTERS}
    source = ASTSource(
        fn=score_pairs,
        signature=pointers | _NUMBERS | dict.fromkeys(constants, "constexpr"),
        constexprs=constants,
        attrs={(place,): [["tt.divisibility", 16]] for place in range(len(_POINTERS))},
    )
    target = GPUTarget("cuda", 10 * capability[0] + capability[1], 32)
    kernel = triton.compile(source, target=target, options={"num_warps": tiling.warps})
    registers, spilled_bytes = read_resources(kernel.asm["cubin"], folder)
    return Compiled(tiling, registers, spilled_bytes, kernel.metadata.shared, kernel.asm["ptx"])


def read_resources(cubin: bytes, folder: Path) -> tuple[int, int]:
    """Registers of a thread, and bytes of its stack: nothing but spilled registers lies there."""
    path = folder / "kernel.cubin"
    path.write_bytes(cubin)
    command = [str(_TOOLS / "cuobjdump"), "--dump-resource-usage", str(path)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"REG:(\d+) STACK:(\d+)", text)
    assert found is not None, text
    return int(found[1]), int(found[2])
