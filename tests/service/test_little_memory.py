"""Memory that really runs out: processes that may not have more than a few megabytes beyond what they have."""

import json
import subprocess
import sys
from typing import Any

_PRELUDE = """
import asyncio, json, resource
from pathlib import Path
import torch
from model.config import ModelConfig
from model.feature_extractor import FeatureExtractor
from service.errors import Unavailable
from service.gallery.capacity import CapacityError
from service.gallery.device_gallery import DeviceGallery
from service.gallery.slot_table import SlotTable
from service.inference.device_worker import DeviceWorker, Operation
from service.inference.feature_extraction import FeatureExtraction
from service.metrics import Metrics

torch.set_num_threads(1)

def allow_only(more_megabytes):
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + more_megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
"""

_EXTRACTION = """
config = ModelConfig(256, 128, backbone="resnet18", final_layer="layer2", channels=16)
torch.manual_seed(1)
extraction = FeatureExtraction(FeatureExtractor(config).eval(), torch.device("cpu"))
crops = [torch.randint(0, 256, (3, 256, 128), dtype=torch.uint8) for _ in range(64)]
alone = [extraction.extract([crop])[0] for crop in crops[:8]]
metrics = Metrics()
worker = DeviceWorker(1000, metrics)

async def run(items, operation):
    return await asyncio.gather(*(worker.run(operation, item) for item in items), return_exceptions=True)

extract = Operation("extract", extraction.extract, 64)
asyncio.run(run(crops[:1], extract))
allow_only(MEGABYTES)
maps = asyncio.run(run(crops, extract))
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
kinds = sorted({type(each).__name__ for each in maps})
differences = [float(abs(found - wanted).max()) for found, wanted in zip(maps, alone)] if kinds == ["ndarray"] else []
halvings = metrics.counter("qaconv_device_batch_halvings_total", "", ["operation"]).labels("extract")._value.get()
after = asyncio.run(run(crops[:1], extract))
print(json.dumps([kinds, max(differences, default=None), halvings, type(after[0]).__name__, worker.is_alive,
                  [str(each) for each in maps[:1]] if kinds != ["ndarray"] else []]))
worker.close()
"""


def run(program: str) -> Any:
    command = [sys.executable, "-c", _PRELUDE + program]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_a_batch_that_the_machine_has_no_memory_for_is_done_in_parts() -> None:
    kinds, difference, halvings, after, is_alive, _ = run(_EXTRACTION.replace("MEGABYTES", "120"))
    assert kinds == ["ndarray"]
    # Sums in another order: two steps of float16 near 1.
    assert difference <= 2**-10
    assert halvings >= 1
    assert (after, is_alive) == ("ndarray", True)


def test_a_crop_that_it_has_no_memory_for_at_all_is_unavailable_and_the_process_lives() -> None:
    kinds, _, _, after, is_alive, told = run(_EXTRACTION.replace("MEGABYTES", "1"))
    assert kinds == ["Unavailable"]
    assert "too little memory" in told[0]
    assert (after, is_alive) == ("ndarray", True)


def test_a_gallery_that_does_not_fit_says_how_much_would() -> None:
    told = run("""
slots = SlotTable(100_000)
allow_only(600)
try:
    DeviceGallery(slots, 192, 128, torch.float16, torch.device("cpu"))
except CapacityError as error:
    print(json.dumps(str(error)))
""")
    # 600 MiB are three blocks of 4,096 detections of 48 KiB, 192 MiB each.
    assert told == (
        "gallery_capacity 100000 does not fit into the memory of cpu, which took 12288 detections. Searches need "
        "memory too: set QACONV_GALLERY_CAPACITY to 6144 or a little more"
    )
