"""API keys in a file, for tests."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from service.access.api_key import create_key
from service.access.key_file import edit_key_file
from service.access.scope import Scope


def add_key(
    path: Path,
    *scopes: Scope,
    name: str = "test",
    requests_per_minute: int | None = None,
    expires_in: timedelta | None = None,
    camera_ids: frozenset[str] | None = None,
) -> str:
    """Puts a new key into a file, which is made if it is not there, and returns the key's text."""
    now = datetime.now(UTC)
    text, key = create_key(
        name,
        frozenset(scopes),
        now,
        requests_per_minute=requests_per_minute,
        expires_at=None if expires_in is None else now + expires_in,
        camera_ids=camera_ids,
    )
    with edit_key_file(path, may_be_new=True) as edited:
        edited.keys.append(key)
    return text


def bearer(key: str) -> dict[str, str]:
    """The header that sends a key."""
    return {"Authorization": f"Bearer {key}"}
