"""An API key: the text that a client holds, and what the service keeps of it."""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime

from service.access.scope import Scope

# A prefix of its own lets scanners of repositories find a key that was committed by mistake.
_TEXT = re.compile(r"qaconv_([0-9a-f]{8})_([A-Za-z0-9_-]{43})", re.ASCII)
_ID_BYTES, _SECRET_BYTES = 4, 32


@dataclass(frozen=True, slots=True)
class KeyDescription:
    """What may be told of a key: nothing that lets anyone in.

    Attributes:
        key_id: 8 hexadecimal digits, part of the key's text.
        name: what the operator calls it.
        requests_per_minute: None: not limited.
        created_at: with a time zone, as `expires_at`.
        expires_at: from then on it is refused; None: never.
        secret_fingerprint: tells one secret from another: 16 hexadecimal digits of the SHA-256 of its hash. Who puts
            another secret under the ID of a key is seen by it.
        camera_ids: the cameras that it is limited to; None: all.
    """

    key_id: str
    name: str
    scopes: frozenset[Scope]
    requests_per_minute: int | None
    created_at: datetime
    expires_at: datetime | None
    secret_fingerprint: str
    camera_ids: frozenset[str] | None = None

    def is_expired(self, now: datetime) -> bool:
        """Whether the key's time is over."""
        return self.expires_at is not None and now >= self.expires_at


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is stored: its description, and the SHA-256 of its secret.

    SHA-256 without salt or stretching suffices, because the secret is no password: it is 256 random bits, which nobody
    finds by trying, however fast each try is.
    """

    description: KeyDescription
    secret_sha256: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """A key that a client sent: well formed, and nothing more is known of it."""

    key_id: str
    secret_sha256: bytes = field(repr=False)


def create_key(
    name: str,
    scopes: frozenset[Scope],
    created_at: datetime,
    *,
    requests_per_minute: int | None = None,
    expires_at: datetime | None = None,
    camera_ids: frozenset[str] | None = None,
) -> tuple[str, ApiKey]:
    """A new key: its text, which is nowhere kept, and what is stored of it."""
    key_id, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    secret_sha256 = _hash(secret)
    description = KeyDescription(
        key_id, name, scopes, requests_per_minute, created_at, expires_at, fingerprint_secret(secret_sha256), camera_ids
    )
    return f"qaconv_{key_id}_{secret}", ApiKey(description, secret_sha256)


def fingerprint_secret(secret_sha256: bytes) -> str:
    """The `secret_fingerprint` of a key."""
    return hashlib.sha256(secret_sha256).hexdigest()[:16]


def parse_key(text: str) -> PresentedKey | None:
    """A key's text in its parts; None where it is no key's text."""
    found = _TEXT.fullmatch(text)
    return None if found is None else PresentedKey(found[1], _hash(found[2]))


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("ascii")).digest()
