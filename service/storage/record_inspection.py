"""Reads every record of an environment and says which are damaged; also while a service writes there.

In a process of its own: pages that are damaged, or missing where a file was cut, can end the process that reads them.
"""

import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from service.storage.record_copy import open_for_reading
from service.storage.record_databases import DamagedDatabase, RecordDatabases
from service.storage.set_aside_encoding import SetAsideRecord


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found.

    Attributes:
        records: those that are sound.
        models: how many of them are of each model, by its fingerprint.
        damaged: by ID, what is wrong.
        set_aside: those that a service found damaged before, and took out of what it serves.
    """

    records: int
    models: dict[str, int]
    damaged: dict[str, str]
    set_aside: tuple[SetAsideRecord, ...]


def inspect_records(records_dir: Path, *, is_shared: bool) -> Inspection:
    """Read every record strictly.

    Args:
        records_dir: holds `data.mdb`.
        is_shared: a service may be writing there.

    Raises:
        FileNotFoundError: there are no records.
        DamagedDatabase: the database itself cannot be walked.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        try:
            return process.submit(_inspect, records_dir, is_shared).result()
        except BrokenProcessPool:
            reason = "reading it ended the process that did, as a file does that was cut short"
            raise DamagedDatabase.found_in(os.fspath(records_dir), reason) from None


def _inspect(records_dir: Path, is_shared: bool) -> Inspection:
    models: Counter[str] = Counter()
    damaged: dict[str, str] = {}
    with open_for_reading(records_dir, is_shared=is_shared) as environment:
        databases = RecordDatabases(environment)
        for record in databases.iterate_records(damaged.__setitem__):
            models[record.metadata.model_fingerprint] += 1
        set_aside = tuple(databases.iterate_set_aside())
    return Inspection(models.total(), dict(models), damaged, set_aside)
