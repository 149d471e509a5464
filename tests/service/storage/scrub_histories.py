"""Random histories of a store, and whether what they left there is whole."""

import asyncio
import os
import random
from pathlib import Path

import numpy as np
import pytest

from service.records import DetectionRecord
from service.storage.detection_store import DetectionStore
from service.storage.lmdb_pages import newest_snapshot, survey_pages
from tests.service.storage.erasable_records import draw_record

# The long form: QACONV_TEST_HISTORIES=200 runs so many histories.
HISTORIES = int(os.environ.get("QACONV_TEST_HISTORIES", "3"))


class History:
    """Random puts, replacements and deletions, in groups of any size, against what should be there."""

    def __init__(self, store: DetectionStore, seed: int) -> None:
        self.drawn = random.Random(seed)
        self.there: dict[str, DetectionRecord] = {}
        self.gone: set[int] = set()
        self._store = store
        self._number = seed * 1_000_000

    async def go_on(self, groups: int, ids: int = 150) -> None:
        for _ in range(groups):
            await asyncio.gather(*(self._put(ids) for _ in range(self.drawn.randrange(1, 60))))
            erased = self.drawn.sample(sorted(self.there), min(len(self.there), self.drawn.randrange(40)))
            if self.drawn.random() < 0.5:
                await self._store.delete(erased)
            else:
                await asyncio.gather(*(self._store.delete([each]) for each in erased))
            for each in erased:
                self.gone.add(self.there.pop(each).metadata.timestamp_us)

    async def _put(self, ids: int) -> None:
        self._number += 1
        record = draw_record(f"det:{self.drawn.randrange(ids):04}", self._number, self.drawn)
        before = self.there.get(record.metadata.detection_id)
        if before is not None:
            self.gone.add(before.metadata.timestamp_us)
        self.there[record.metadata.detection_id] = record
        await self._store.put(record)


def check_whole(store: DetectionStore, there: dict[str, DetectionRecord], data_dir: Path) -> None:
    """Every record reads back as it was written, and LMDB and the survey find the file in order."""
    found = {record.metadata.detection_id: record for record in store.iterate_records(pytest.fail)}
    assert found.keys() == there.keys()
    for detection_id, record in there.items():
        assert found[detection_id].metadata == record.metadata
        assert found[detection_id].crop == record.crop
        np.testing.assert_array_equal(found[detection_id].feature_map, record.feature_map)
    survey(data_dir)


def survey(data_dir: Path) -> None:
    descriptor = os.open(data_dir / "records" / "data.mdb", os.O_RDONLY)
    survey_pages(descriptor, newest_snapshot(descriptor))
    os.close(descriptor)
