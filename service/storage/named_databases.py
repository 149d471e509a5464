"""The names of the databases within an environment that are kept by detection ID, and how they are opened."""

from dataclasses import dataclass

import lmdb

METADATA, FEATURE_MAPS, CROPS = b"metadata", b"feature_maps", b"crops"
SET_ASIDE = b"set_aside"
REINDEXED_MAPS = b"reindexed_maps"

# How many named databases an environment may have; a table of that size is kept in memory.
MAX_DATABASES = 16


@dataclass(frozen=True, slots=True)
class OpenDatabases:
    """The databases of records. Metadata, feature maps and crops have an entry for every record.

    Attributes:
        set_aside, reindexed_maps: None in an environment that is only read, and never had any.
    """

    metadata: lmdb._Database
    feature_maps: lmdb._Database
    crops: lmdb._Database
    set_aside: lmdb._Database | None
    reindexed_maps: lmdb._Database | None

    @property
    def parts(self) -> tuple[lmdb._Database, ...]:
        """Those that hold a record together."""
        return self.metadata, self.feature_maps, self.crops

    @property
    def all(self) -> tuple[lmdb._Database, ...]:
        """Those that may hold something of a detection."""
        others = (self.set_aside, self.reindexed_maps)
        return (*self.parts, *(each for each in others if each is not None))


def open_databases(environment: lmdb.Environment) -> OpenDatabases:
    """All of them, made where they are not there."""
    return OpenDatabases(
        environment.open_db(METADATA),
        environment.open_db(FEATURE_MAPS),
        environment.open_db(CROPS),
        _open_if_there(environment, SET_ASIDE),
        _open_if_there(environment, REINDEXED_MAPS),
    )


def _open_if_there(environment: lmdb.Environment, name: bytes) -> lmdb._Database | None:
    """A database, made where it is not there; None in an environment that is only read and does not have it.

    The first format had no database but those of the records' parts.
    """
    try:
        return environment.open_db(name)
    except (lmdb.ReadonlyError, lmdb.NotFoundError):
        return None
