"""Which model the gallery's feature maps are of, and which one they are on the way to; kept beside the records."""

from dataclasses import dataclass

import lmdb


@dataclass(frozen=True, slots=True)
class GalleryModel:
    """Models by their fingerprints.

    Attributes:
        fingerprint: the one that the gallery is of; None where none was settled yet.
        reindexing_to: the one that maps were made anew for, beside the old ones; None where there is no reindex.
        switching_to: the one that the records are being moved to; None where there is no switch.
    """

    fingerprint: str | None = None
    reindexing_to: str | None = None
    switching_to: str | None = None


_KEYS = {
    "fingerprint": b"model_fingerprint",
    "reindexing_to": b"reindexing_to",
    "switching_to": b"switching_to",
}
_CAPACITY_KEY = b"disk_capacity_bytes"


class GalleryModelEntry:
    """Reads and writes it, inside transactions that others begin."""

    def __init__(self, environment: lmdb.Environment) -> None:
        self._database = environment.open_db(b"gallery")

    def read(self, transaction: "lmdb.Transaction[bytes]") -> GalleryModel:
        """What is remembered."""
        return GalleryModel(**{name: self._get(transaction, key) for name, key in _KEYS.items()})

    def write(self, transaction: "lmdb.Transaction[bytes]", model: GalleryModel) -> None:
        """Remember something else."""
        for name, key in _KEYS.items():
            value: str | None = getattr(model, name)
            if value is None:
                transaction.delete(key, db=self._database)
            else:
                transaction.put(key, value.encode("ascii"), db=self._database)

    def read_capacity_bytes(self, transaction: "lmdb.Transaction[bytes]") -> int | None:
        """How much of the disk the service lets the records take; None before a service wrote it."""
        value = self._get(transaction, _CAPACITY_KEY)
        return None if value is None else int(value)

    def write_capacity_bytes(self, transaction: "lmdb.Transaction[bytes]", capacity_bytes: int) -> None:
        """Remember the capacity, which another process that writes here has to keep to."""
        transaction.put(_CAPACITY_KEY, str(capacity_bytes).encode("ascii"), db=self._database)

    def _get(self, transaction: "lmdb.Transaction[bytes]", key: bytes) -> str | None:
        value = transaction.get(key, db=self._database)
        return None if value is None else value.decode("ascii")
