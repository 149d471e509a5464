"""Memory that really runs out: a process that may not have more than some megabytes beyond what it has."""

import json
import subprocess
import sys

_PROGRAM = """
import asyncio, json, resource
from pathlib import Path
import torch
from model.config import ModelConfig
from model.feature_extractor import FeatureExtractor
from service.gallery.capacity import CapacityError
from service.gallery.gallery_memory import GalleryMemory
from service.gallery.map_blocks import MapBlocks
from service.inference.device_worker import DeviceWorker, Operation
from service.inference import feature_extraction
from service.inference.feature_extraction import FeatureExtraction
from service.observability.metrics import Metrics

CPU = torch.device("cpu")
torch.set_num_threads(1)
feature_extraction._CROPS_AT_ONCE_ON_CPU = 64  # all of a batch, as on a GPU

def allow(more_megabytes):
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + more_megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))

def allow_all():
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

def run(crops):
    return run_all(extract, crops)

def run_all(operation, items):
    async def gather():
        return await asyncio.gather(*(worker.run(operation, item) for item in items), return_exceptions=True)
    return asyncio.run(gather())

torch.manual_seed(1)
extractor = FeatureExtractor(ModelConfig(256, 128, backbone="resnet18", final_layer="layer2", channels=16)).eval()
extraction = FeatureExtraction(extractor, CPU)
extract = Operation("extract", extraction.extract, 64)
crops = [torch.randint(0, 256, (3, 256, 128), dtype=torch.uint8) for _ in range(48)]
metrics = Metrics()
worker = DeviceWorker(1000, metrics)
alone = run(crops[:1])[0]
halvings = metrics.counter("qaconv_device_batch_halvings_total", "", ["operation"]).labels("extract")

allow(100)
maps = run(crops)
allow_all()
parts = [sorted({type(each).__name__ for each in maps}), float(abs(maps[0] - alone).max()), halvings._value.get()]

large = Operation("large", lambda sizes: [torch.ones(size).sum().item() for size in sizes], 64)
allow(20)
refused = run_all(large, [200 * 2**20, 1000])
allow_all()
refusals = [f"{type(each).__name__}: {each}"[:60] for each in refused]
after = [type(run(crops[:1])[0]).__name__, worker.is_alive]
worker.close()

allow(620)
try:
    told = MapBlocks(GalleryMemory(100_000, 49_152, CPU), 192, 128, torch.float16)
except CapacityError as error:
    told = error
allow_all()
print(json.dumps([parts, refusals, after, str(told)]))
"""


def test_the_device_bears_little_memory() -> None:
    command = [sys.executable, "-c", _PROGRAM]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert ended.returncode == 0, ended.stderr
    parts, refusals, after, told = json.loads(ended.stdout)
    # 100 MB more: not enough for 48 crops at once. All are extracted, in halves.
    kinds, difference, halvings = parts
    assert kinds == ["ndarray"]
    # Sums in another order: two steps of float16 near 1.
    assert difference <= 2**-10
    assert halvings >= 1
    # 20 MB more: too little for one that needs 800 MiB, which takes nobody with it.
    assert refusals == ["Unavailable: the device has too little memory for this request"[:60], "float: 1000.0"]
    assert after == ["ndarray", True]
    # 620 MB: three blocks of 4,096 detections of 48 KiB, 192 MiB each.
    assert told == (
        "gallery_capacity 100000 does not fit into the memory of cpu, which has room for 12288 detections of "
        "49,152 bytes. Searches need memory too: set QACONV_GALLERY_CAPACITY to 6144 or a little more"
    )
