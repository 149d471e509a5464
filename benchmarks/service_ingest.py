"""How many crops a second are ingested through HTTP, beside how many the network alone extracts in the same run.

`python benchmarks/service_ingest.py`: JPEG files to a real service on loopback, one by one and in batches, by 1 and 8
clients; an ingest is answered when it is on the disk, in Redis and on the device.
"""

import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from itertools import islice
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

# A script has its own folder on the path, not the repository's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.results_file import Section, Spread, table
from benchmarks.served_gallery import DrawnCrop, camera_of, describe_moment, load_network
from benchmarks.service_benchmark import Measured, ServiceSetup, run_benchmark
from benchmarks.service_clients import PreparedRequest, prepare, send_all
from benchmarks.service_process import ServiceProcess, serve
from model.preprocessing import preprocess_crop
from service.inference.feature_extraction import FeatureExtraction

_REPEATS = 5
_CROPS = 256  # of each way in each repeat
_BATCH = 128  # crops in one batch request; several clients share the crops, and send smaller ones
_CLIENTS = (1, 8)
_EXTRACTED_TOGETHER = 32  # as the service does by default
_NETWORK = "the network alone, torch.inference_mode"
_EXTRACTION = "the service's extraction alone"

# Ingests or extracts so many crops.
Work = Callable[[], object]


def measure(setup: ServiceSetup) -> Measured:
    """All ways take turns within every repeat; the service rests while extraction alone is measured."""
    count, batch, repeats = (8, 4, 1) if setup.is_short else (_CROPS, _BATCH, _REPEATS)
    with serve(setup.folder / "ingested") as service:
        works = {**_extractions(setup, count), **_ingests(setup, service, count, batch)}
        rates: dict[str, list[float]] = {name: [] for name in works}
        for repeat in range(-1, repeats):  # the first only warms up
            for name, work in works.items():
                started = time.perf_counter()
                work()
                if repeat >= 0:
                    rates[name].append(count / (time.perf_counter() - started))
            print(f"ingest: turn {repeat + 1} of {repeats}", flush=True)
    return Measured([_section(rates, count, batch)])


def _extractions(setup: ServiceSetup, count: int) -> Mapping[str, Work]:
    config = setup.checkpoint.config
    crops = [_pixels(crop, setup) for crop in islice(itertools.cycle(setup.stored), count)]
    batches = [crops[start : start + _EXTRACTED_TOGETHER] for start in range(0, count, _EXTRACTED_TOGETHER)]
    stacked = [torch.stack(batch) for batch in batches]
    assert stacked[0].shape[1:] == (3, config.input_height, config.input_width)
    network = load_network().extractor.to(memory_format=torch.contiguous_format)
    extraction = FeatureExtraction(load_network().extractor, torch.device("cpu"))

    def extract_alone() -> None:
        with torch.inference_mode():
            for batch in stacked:
                network(batch)

    return {_NETWORK: extract_alone, _EXTRACTION: lambda: [extraction.extract(batch) for batch in batches]}


def _pixels(crop: DrawnCrop, setup: ServiceSetup) -> Tensor:
    with Image.open(BytesIO(crop.content)) as image:
        return preprocess_crop(image.convert("RGB"), setup.checkpoint.config)


def _ingests(setup: ServiceSetup, service: ServiceProcess, count: int, batch: int) -> Mapping[str, Work]:
    numbers = itertools.count()  # no detection is sent twice: a replacement costs something else

    def put_each(clients: int) -> Work:
        return lambda: send_all(service.url, list(islice(_puts(setup, numbers), count)), clients)

    def put_batches(clients: int) -> Work:
        size = min(batch, count // clients)
        return lambda: send_all(service.url, list(islice(_batches(setup, numbers, size), count // size)), clients)

    ways = {"single PUTs": put_each, "the batch call": put_batches}
    return {f"{name}, {clients} clients": way(clients) for name, way in ways.items() for clients in _CLIENTS}


def _puts(setup: ServiceSetup, numbers: Iterator[int]) -> Iterator[PreparedRequest]:
    for number in numbers:
        crop = setup.stored[number % len(setup.stored)]
        fields = {"camera_id": camera_of(number), "timestamp": describe_moment(number)}
        yield prepare("PUT", f"/v1/detections/new-{number}", fields, [("image", ("crop.jpg", crop.content))])


def _batches(setup: ServiceSetup, numbers: Iterator[int], size: int) -> Iterator[PreparedRequest]:
    while some := list(islice(numbers, size)):
        manifest = [
            {
                "file": f"{number}.jpg",
                "detection_id": f"new-{number}",
                "camera_id": camera_of(number),
                "timestamp": describe_moment(number),
            }
            for number in some
        ]
        files = [("images", (f"{number}.jpg", setup.stored[number % len(setup.stored)].content)) for number in some]
        yield prepare("POST", "/v1/detections:batch", {"manifest": json.dumps(manifest)}, files)


def _section(rates: Mapping[str, Sequence[float]], count: int, batch: int) -> Section:
    rows = [[name, str(Spread.of(some)), str(_ratio(some, rates[_EXTRACTION]))] for name, some in rates.items()]
    text = "\n\n".join(
        (
            f"{count} crops of each way in each of {len(rates[_NETWORK])} repeats, medians and their "
            f"range, the ratios within each repeat; "
            f"extraction in batches of {_EXTRACTED_TOGETHER}, a batch call with up to {batch} crops. Extraction alone "
            "has its crops decoded and resized beforehand; an ingest receives, decodes, extracts and writes. "
            "Targets: the service's extraction not slower than the network alone; the batch call at least 0.8 of "
            "extraction alone.",
            table(["way", "crops a second", "× extraction alone"], rows),
        )
    )
    return Section("Ingest", text)


def _ratio(rates: Sequence[float], bases: Sequence[float]) -> Spread:
    """Within each repeat, for a machine that slows down slows both."""
    return Spread.of([rate / base for rate, base in zip(rates, bases, strict=True)])


if __name__ == "__main__":
    run_benchmark("service-ingest", "`python benchmarks/service_ingest.py`", [measure])
