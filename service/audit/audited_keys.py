"""Every change of the API keys on record, those made while no service ran included."""

import asyncio
from collections.abc import Sequence
from typing import Any

from service.access.api_key import KeyDescription
from service.access.key_ring import log_key_change
from service.audit.audit_events import AuditedKey, KeysChanged
from service.rfc_3339 import format_moment
from service.storage.audit.audit_log import AuditLog
from service.storage.audit.audit_reading import find_last


class KeysOnRecord:
    """What a key ring tells of its changes: into the log, and on record."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    async def __call__(self, before: Sequence[KeyDescription] | None, after: Sequence[KeyDescription]) -> None:
        """Put a change on record. Not held up by a full disk: a key is withdrawn whatever happens.

        Args:
            before: the keys until now; None at the start, where those last on record stand in.
            after: the keys from now on.

        Raises:
            OSError: the record cannot be read.
        """
        await log_key_change(before, after)
        if before is None:
            await self._compare_with_record(_describe(after))
        else:
            await self._audit.record_regardless(KeysChanged(_describe(before), _describe(after), while_down=False))

    async def _compare_with_record(self, keys: tuple[AuditedKey, ...]) -> None:
        last = await asyncio.to_thread(find_last, self._audit.directory, KeysChanged.event)
        before = None if last is None else tuple(read_key(fields) for fields in last.fields()["after"])
        if (before or ()) != keys:
            await self._audit.record_regardless(KeysChanged(before, keys, while_down=True))


def _describe(keys: Sequence[KeyDescription]) -> tuple[AuditedKey, ...]:
    described = (
        AuditedKey(
            key_id=key.key_id,
            name=key.name,
            scopes=tuple(sorted(key.scopes)),
            secret_fingerprint=key.secret_fingerprint,
            requests_per_minute=key.requests_per_minute,
            camera_ids=None if key.camera_ids is None else tuple(sorted(key.camera_ids)),
            expires_at=None if key.expires_at is None else format_moment(int(key.expires_at.timestamp()) * 1_000_000),
        )
        for key in keys
    )
    return tuple(sorted(described, key=lambda key: key.key_id))


def read_key(fields: dict[str, Any]) -> AuditedKey:
    """A key as an entry has it."""
    cameras = fields.get("camera_ids")  # entries from before keys could be limited lack it
    lists = {"scopes": tuple(fields["scopes"]), "camera_ids": None if cameras is None else tuple(cameras)}
    return AuditedKey(**{**fields, **lists})
