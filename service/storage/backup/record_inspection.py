"""Reads every record of an environment and says which are damaged; also while a service writes there.

In a process of its own: pages that are damaged, or missing where a file was cut, can end the process that reads them.
"""

import os
from collections import Counter
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from service.storage.backup.record_copy import open_for_reading
from service.storage.damaged_database import DamagedDatabase
from service.storage.record_databases import RecordDatabases
from service.storage.set_aside_encoding import SetAsideRecord

_spawning = get_context("spawn")


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
    receiving, sending = _spawning.Pipe(duplex=False)
    process = _spawning.Process(target=_send_inspection, args=(records_dir, is_shared, sending))
    process.start()
    sending.close()
    try:
        found: Inspection | Exception = receiving.recv()
    except EOFError:
        process.join()
        raise _why_it_ended(records_dir, process.exitcode) from None
    finally:
        receiving.close()
    process.join()
    if isinstance(found, Exception):
        raise found
    return found


def _why_it_ended(records_dir: Path, exit_status: int | None) -> Exception:
    if exit_status is not None and exit_status < 0:
        reason = f"reading it ended the process that did (signal {-exit_status}), as a file does that was cut short"
        return DamagedDatabase.found_in(os.fspath(records_dir), reason)
    return OSError(f"the process that reads {records_dir} did not come to its end (exit status {exit_status})")


def _send_inspection(records_dir: Path, is_shared: bool, sending: Connection) -> None:
    try:
        sending.send(_inspect(records_dir, is_shared))
    except (OSError, DamagedDatabase) as error:
        sending.send(error)


def _inspect(records_dir: Path, is_shared: bool) -> Inspection:
    models: Counter[str] = Counter()
    damaged: dict[str, str] = {}
    with open_for_reading(records_dir, is_shared=is_shared) as environment:
        databases = RecordDatabases(environment)
        for record in databases.walker.iterate_records(damaged.__setitem__):
            models[record.metadata.model_fingerprint] += 1
        set_aside = tuple(databases.walker.iterate_set_aside())
    return Inspection(models.total(), dict(models), damaged, set_aside)
