"""What LMDB finds wrong with the pages of a database, and what the readers of records make of it.

A page that cannot be read costs one record where one record is asked for, and the whole database where all are walked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import lmdb

from service.storage.record_encoding import DamagedRecord

# After one of them a transaction is of no more use.
UNREADABLE_PAGES = (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.BadTxnError)


class DamagedDatabase(RuntimeError):  # noqa: N818 - as DamagedRecord
    """The database itself is damaged, not only records in it; the message says what to do."""

    @classmethod
    def found_in(cls, path: str, reason: object) -> Self:
        """For the database of a folder, with what is wrong with it."""
        return cls(
            f"the database in {path} is damaged: {reason}. Stop the service, keep that folder, and restore the last "
            "backup into an empty data directory (qaconv-service backup restore)"
        )


@contextmanager
def reading_a_record() -> Iterator[None]:
    """Raises DamagedRecord where a page of it cannot be read."""
    try:
        yield
    except UNREADABLE_PAGES as error:
        raise DamagedRecord(f"its pages cannot be read: {error}") from None


@contextmanager
def walking(environment: lmdb.Environment) -> Iterator[None]:
    """Raises DamagedDatabase where a page cannot be read on the way over all records."""
    try:
        yield
    except UNREADABLE_PAGES as error:
        raise DamagedDatabase.found_in(environment.path(), error) from None
