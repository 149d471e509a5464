"""The names of the databases within an environment that are kept by detection ID, and how they are opened."""

import lmdb

METADATA, FEATURE_MAPS, CROPS = b"metadata", b"feature_maps", b"crops"
SET_ASIDE = b"set_aside"
REINDEXED_MAPS = b"reindexed_maps"

# How many named databases an environment may have; a table of that size is kept in memory.
MAX_DATABASES = 16


def open_if_there(environment: lmdb.Environment, name: bytes) -> lmdb._Database | None:
    """A database, made where it is not there; None in an environment that is only read and does not have it.

    The first format had no database but those of the records' parts.
    """
    try:
        return environment.open_db(name)
    except (lmdb.ReadonlyError, lmdb.NotFoundError):
        return None
