"""How long a start from the disk takes, and how many bytes a detection takes where: device, disk, Redis, the process.

`python benchmarks/service_start.py`: galleries written into the store as an ingest leaves them, then a real service
started on each. Their files are in the system's cache, for they were just written.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# A script has its own folder on the path, not the repository's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.results_file import Plot, Point, Section, number, table
from benchmarks.service_benchmark import Measured, ServiceSetup, run_benchmark
from benchmarks.service_process import Memory, serve

_SIZES = (5000, 20_000, 100_000)
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class _Start:
    seconds: float
    processor_seconds: float
    memory: Memory
    gallery_bytes: int
    disk_bytes: int


def measure(setup: ServiceSetup) -> Measured:
    """One start of each size, and one of an empty gallery, which is taken off."""
    sizes = (16,) if setup.is_short else _SIZES
    starts = {size: _start(setup.gallery(size), max(sizes)) for size in (0, *sizes)}
    series = {"service": [Point(size, start.seconds) for size, start in starts.items()]}
    plot = Plot("start", "Start from the disk", "detections", "seconds", series, has_logarithmic_axes=False)
    return Measured([_section(starts)], [plot])


def _start(data_dir: Path, capacity: int) -> _Start:
    disk_bytes = sum(path.stat().st_blocks * 512 for path in (data_dir / "records").glob("*.mdb"))
    with serve(data_dir, gallery_capacity=capacity) as service:
        print(f"{data_dir.name}: ready after {service.start_seconds:.1f} s", flush=True)
        used = service.processor_seconds()
        return _Start(service.start_seconds, used, service.memory(), service.gallery_bytes(), disk_bytes)


def _section(starts: Mapping[int, _Start]) -> Section:
    empty = starts[0]
    rows = [
        [
            f"{size:,}",
            number(start.seconds),
            number(start.processor_seconds),
            "" if not size else number((start.seconds - empty.seconds) / size * 1e5),
            *(number(value / _MIB) for value in (start.gallery_bytes, *_beyond(start), start.disk_bytes)),
        ]
        for size, start in starts.items()
    ]
    per_detection = [
        [f"{size:,}", *(f"{value / size:,.0f}" for value in _per_gallery(start, empty))]
        for size, start in starts.items()
        if size
    ]
    where = ["device", "process, beyond the device's maps", "Redis", "disk"]
    text = "\n\n".join(
        (
            "From the start of the process until `/readyz` is 200: imports, the model, the survey of the disk, Redis "
            "from the disk, the device from the disk. Seconds a 100,000 detections are beyond the empty gallery's; of "
            "smaller galleries they are extrapolated. Memory is resident, MiB, without the pages of the records' file.",
            table(["detections", "seconds", "processor seconds", "seconds a 100,000", *where], rows),
            "Bytes a detection, beyond the empty gallery's:",
            table(["detections", *where], per_detection),
        )
    )
    return Section("Start from the disk, and bytes a detection", text)


def _beyond(start: _Start) -> tuple[int, int]:
    return start.memory.own - start.gallery_bytes, start.memory.redis


def _per_gallery(start: _Start, empty: _Start) -> tuple[int, ...]:
    beyond = (here - before for here, before in zip(_beyond(start), _beyond(empty), strict=True))
    return (start.gallery_bytes, *beyond, start.disk_bytes - empty.disk_bytes)


if __name__ == "__main__":
    run_benchmark("service-start", "`python benchmarks/service_start.py`", [measure])
