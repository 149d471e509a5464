"""Receipts of erasures: how many detections, when it was asked for, and when nothing of them was left on disk.

They name no detection, are kept on disk so that a pending one outlives the process, and are forgotten after a year.
"""

import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import takewhile
from typing import Any, Protocol

import lmdb

from service.records import MICROSECONDS_PER_SECOND

RECEIPT_RETENTION_SECONDS = 365 * 24 * 3600

_VERSION = 1
# Few enough that the other writes of the group do not wait for them.
_WRITTEN_TOGETHER = 1000


@dataclass(frozen=True, slots=True)
class ErasureReceipt:
    """What is known of an erasure.

    Attributes:
        receipt_id: a UUID of version 7, whose order is that of time.
        erased: how many detections.
        requested_at_us: when it was asked for.
        completed_at_us: when a scrub that began after the erasure had ended with nothing left; None before.
    """

    receipt_id: str
    erased: int
    requested_at_us: int
    completed_at_us: int | None = None


class Write(Protocol):
    """Runs a function in a write transaction, and returns once that is on the disk."""

    def __call__(self, apply: Callable[["lmdb.Transaction[bytes]"], None], *, continues: bool) -> Awaitable[None]:
        """`continues`: this is not refused for a full queue."""


class ErasureReceipts:
    """The receipts of one environment."""

    def __init__(self, environment: lmdb.Environment, write: Write) -> None:
        self._environment = environment
        self._receipts = environment.open_db(b"receipts")
        self._write = write
        # In memory, because every scrub asks for them: there may be a year of receipts, and few of them are pending.
        self._pending = {each.receipt_id: each for each in self._iterate() if each.completed_at_us is None}

    async def add(self, receipt: ErasureReceipt) -> None:
        """Keeps a receipt; never refused for a full queue, because the erasure is done.

        Raises:
            StorageFull, lmdb.Error: the disk; the erasure has no receipt.
        """
        await self._put([receipt])
        self._pending[receipt.receipt_id] = receipt

    async def complete(self, receipts: Sequence[ErasureReceipt], completed_at_us: int) -> None:
        """Notes that nothing is left of what these receipts stand for."""
        for start in range(0, len(receipts), _WRITTEN_TOGETHER):
            part = receipts[start : start + _WRITTEN_TOGETHER]
            await self._put([replace(each, completed_at_us=completed_at_us) for each in part])
            for each in part:
                self._pending.pop(each.receipt_id, None)

    def get(self, receipt_id: str, now_us: int) -> ErasureReceipt | None:
        """A receipt; None if there is none, or it is older than receipts are kept."""
        with self._environment.begin() as transaction:
            value = transaction.get(receipt_id.encode(), db=self._receipts)
        receipt = None if value is None else _decode(receipt_id.encode(), value)
        return None if receipt is None or _is_outlived(receipt, now_us) else receipt

    def pending(self) -> list[ErasureReceipt]:
        """Those that are not complete, oldest first."""
        return sorted(self._pending.values(), key=lambda each: each.receipt_id)

    async def forget_outlived(self, now_us: int) -> None:
        """Forgets complete receipts that are older than receipts are kept."""
        # Their IDs are in the order of time: what follows the first that is kept is kept, too.
        outlived = takewhile(lambda each: _is_outlived(each, now_us), self._iterate())
        keys = [each.receipt_id.encode() for each in outlived if each.completed_at_us is not None]
        for start in range(0, len(keys), _WRITTEN_TOGETHER):
            await self._delete(keys[start : start + _WRITTEN_TOGETHER])

    def _iterate(self) -> Iterator[ErasureReceipt]:
        """All of them, oldest first, in one transaction."""
        with self._environment.begin() as transaction, transaction.cursor(self._receipts) as cursor:
            for key, value in cursor:
                yield _decode(key, value)

    async def _put(self, receipts: Sequence[ErasureReceipt]) -> None:
        def apply(transaction: "lmdb.Transaction[bytes]") -> None:
            for receipt in receipts:
                transaction.put(receipt.receipt_id.encode(), _encode(receipt), db=self._receipts)

        await self._write(apply, continues=True)

    async def _delete(self, keys: Sequence[bytes]) -> None:
        def apply(transaction: "lmdb.Transaction[bytes]") -> None:
            for key in keys:
                transaction.delete(key, db=self._receipts)

        await self._write(apply, continues=True)


def _is_outlived(receipt: ErasureReceipt, now_us: int) -> bool:
    return receipt.requested_at_us < now_us - RECEIPT_RETENTION_SECONDS * MICROSECONDS_PER_SECOND


def _encode(receipt: ErasureReceipt) -> bytes:
    fields = asdict(receipt)
    del fields["receipt_id"]
    return json.dumps({"version": _VERSION, **fields}, separators=(",", ":")).encode()


def _decode(key: bytes, value: bytes) -> ErasureReceipt:
    fields: dict[str, Any] = json.loads(value)
    version = fields.pop("version")
    if version != _VERSION:
        raise ValueError(f"receipt {key.decode()} has version {version!r}; this service reads version {_VERSION}")
    return ErasureReceipt(key.decode(), **fields)
