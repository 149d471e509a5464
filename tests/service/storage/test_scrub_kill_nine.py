"""A scrub that is killed leaves every record whole."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from service.storage.detection_store import DetectionStore
from tests.service.storage.erasable_records import draw_record, numbers_in
from tests.service.storage.scrub_histories import HISTORIES, survey

pytestmark = pytest.mark.anyio

KILLED = """
import asyncio, random, sys, threading
from pathlib import Path
from service.storage.detection_store import DetectionStore
from service.storage.reindexed_maps import ReindexedMap, crop_digest
from tests.service.storage.erasable_records import draw_record

async def main(seed, number):
    store = DetectionStore.open(Path(sys.argv[1]))
    drawn = random.Random(seed)
    print("open", flush=True)

    async def scrub():
        while True:
            await asyncio.to_thread(store.scrub)

    scrubbing = asyncio.create_task(scrub())
    while True:
        number += 1
        key = drawn.randrange(30)
        print("put", key, number, flush=True)
        await store.put(draw_record(f"det:{key}", number, random.Random(number)))
        print("done", key, number, flush=True)
        if number % 5 == 0:
            print("put", key, 0, flush=True)
            await store.delete([f"det:{key}"])
            print("done", key, 0, flush=True)

asyncio.run(main(int(sys.argv[2]), int(sys.argv[3])))
"""


async def test_kill_9_while_scrubbing_leaves_every_record_whole(data_dir: Path) -> None:
    may_be: dict[int, set[int]] = {key: {0} for key in range(30)}
    drawn = random.Random(2)
    for kills in range(HISTORIES):
        _run_and_kill(data_dir, kills, drawn.uniform(0.3, 1.0), may_be)
        store = DetectionStore.open(data_dir)
        found = dict.fromkeys(may_be, 0)
        for record in store.iterate_records(pytest.fail):
            key, number = int(record.metadata.detection_id.removeprefix("det:")), record.metadata.timestamp_us
            expected = draw_record(f"det:{key}", number, random.Random(number))
            assert (record.metadata, record.crop) == (expected.metadata, expected.crop)
            np.testing.assert_array_equal(record.feature_map, expected.feature_map)
            found[key] = number
        assert all(found[key] in may_be[key] for key in may_be), (found, may_be)
        may_be = {key: {number} for key, number in found.items()}
        survey(data_dir)
        store.scrub()
        there = {number for number in found.values() if number}
        assert numbers_in(data_dir) == there
        store.close()


def _run_and_kill(data_dir: Path, kills: int, seconds: float, may_be: dict[int, set[int]]) -> None:
    """Notes for every key which records it may have: what was acknowledged last, and what was begun since."""
    command = [sys.executable, "-c", KILLED, str(data_dir), str(kills), str(kills * 100_000)]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        for line in process.stdout:
            if len(words := line.split()) == 3:
                key, number = int(words[1]), int(words[2])
                may_be[key] = {number} if words[0] == "done" else may_be[key] | {number}
