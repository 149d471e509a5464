"""Every change of the API keys on record, those made while no service ran included."""

import asyncio
from collections.abc import Sequence
from typing import Any

from service.audit_events import KeyDescription, KeysChanged
from service.storage.audit_log import AuditLog
from service.storage.audit_reading import find_last


async def record_key_change(
    audit: AuditLog, before: Sequence[KeyDescription], after: Sequence[KeyDescription], *, while_down: bool = False
) -> None:
    """Put on record that the keys are others now. Not held up by a full disk: a key is withdrawn whatever happens."""
    await audit.record_regardless(KeysChanged(_in_order(before), _in_order(after), while_down))


async def record_keys_at_start(audit: AuditLog, keys: Sequence[KeyDescription]) -> None:
    """Compare the keys with those last on record, and put on record if they were changed while no service ran.

    Raises:
        OSError: the record cannot be read.
    """
    last = await asyncio.to_thread(find_last, audit.directory, KeysChanged.event)
    if last is None:
        if keys:
            await audit.record_regardless(KeysChanged(None, _in_order(keys), while_down=True))
        return
    before = [_read_key(fields) for fields in last.fields()["after"]]
    if _in_order(before) != _in_order(keys):
        await record_key_change(audit, before, keys, while_down=True)


def _in_order(keys: Sequence[KeyDescription]) -> tuple[KeyDescription, ...]:
    return tuple(sorted(keys, key=lambda key: key.key_id))


def _read_key(fields: dict[str, Any]) -> KeyDescription:
    return KeyDescription(**{**fields, "scopes": tuple(fields["scopes"])})
