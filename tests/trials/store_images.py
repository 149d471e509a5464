"""Whether a data directory holds what a program of `store_workload` was promised, whole."""

import asyncio
import random
import shutil
from pathlib import Path

import lmdb
import numpy as np

from service.records import DetectionRecord
from service.storage.detection_store import DetectionStore
from tests.trials import parameters
from tests.trials.forgetful_disk import ForgetfulDisk
from tests.trials.parameters import Figures
from tests.trials.promises import Promised
from tests.trials.store_workload import make_record

_CAPACITY_BYTES = 2**26
_BEGINNING = 40


def lose_power(disk: ForgetfulDisk, directory: Path, images: int, used_seed: int, figures: Figures) -> None:
    """Makes images at random places of a journal and looks into each.

    Raises:
        AssertionError: something that was acknowledged is lost, or half a record is there.
    """
    chance = random.Random(used_seed)
    # Some of them while the store is made: what is wrong with its beginning is wrong with all that follows.
    beginning = min(_BEGINNING, disk.length)
    places = sorted(chance.randint(0, chance.choice([disk.length] * 5 + [beginning])) for _ in range(images))
    for number, place in enumerate(places):
        disk.replay(place)
        promised = Promised.by(disk.acknowledged())
        image = directory / "image"
        try:
            disk.lose_power(chance, image)
            check_image(image / "data", promised)
        except (AssertionError, lmdb.Error) as error:
            error.add_note(f"at record {place} of {disk.length}, image {number} of {images}")
            error.add_note(parameters.how_to_repeat(used_seed))
            raise
        shutil.rmtree(image)
        figures.add("images")
        figures.add("acknowledged records found again", sum(version > 0 for version in promised.sure.values()))
        figures.say(at_most_every_seconds=20)


def check_image(data_dir: Path, promised: Promised) -> None:
    store = DetectionStore.open(data_dir, capacity_bytes=_CAPACITY_BYTES)
    try:
        damaged: list[str] = []
        found = {
            record.metadata.detection_id: check_whole(record)
            for record in store.iterate_records(lambda *what: damaged.append(": ".join(what)))
        }
        assert damaged == []
        for detection_id in promised.sure.keys() | promised.possible.keys() | found.keys():
            version = found.get(detection_id, 0)
            assert promised.allows(detection_id, version), (
                f"{detection_id} has version {version}; acknowledged was {promised.sure.get(detection_id, 0)}, begun "
                f"were {promised.possible.get(detection_id)}"
            )
        check_no_orphans(store, found)
        # It goes on from there.
        asyncio.run(store.put(make_record("new", 1)))
        written = store.get_record("new")
        assert written is not None
        assert check_whole(written) == 1
    finally:
        store.close()


def check_whole(record: DetectionRecord) -> int:
    """The version of a record, all of whose parts are of that version."""
    version = record.metadata.timestamp_us - 1_790_000_000_000_000
    expected = make_record(record.metadata.detection_id, version)
    assert record.metadata == expected.metadata
    assert np.array_equal(record.feature_map, expected.feature_map), f"the map is not that of {record.metadata}"
    assert record.crop == expected.crop, f"the crop is not that of {record.metadata}"
    return version


def check_no_orphans(store: DetectionStore, found: dict[str, int]) -> None:
    """No map and no crop without its record."""
    environment = store._environment
    for name in (b"metadata", b"feature_maps", b"crops"):
        database = environment.open_db(name)
        with environment.begin() as transaction, transaction.cursor(database) as cursor:
            assert {key.decode() for key in cursor.iternext(values=False)} == found.keys(), name
