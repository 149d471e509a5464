"""The API keys in use: who a key belongs to, read anew when the key file changes."""

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Self

from service.access.api_key import ApiKey, KeyDescription, parse_key
from service.access.key_file import FileStamp, KeyFileContent, KeyFileError, read_key_file
from service.errors import Unauthenticated
from service.settings import Settings, is_loopback

# Told the keys that were in use, None at the start of the service, and those that are now; again and again until it
# succeeds.
OnKeyChange = Callable[[Sequence[KeyDescription] | None, Sequence[KeyDescription]], Awaitable[None]]

# How soon a key that was revoked is refused.
CHECK_INTERVAL_SECONDS = 1.0
# Compared with for an ID that nobody has, so that such a key takes as long to refuse as one with a wrong secret. No
# secret has this hash.
_NO_HASH = bytes(32)
_NO_SUCH_KEY = "the API key is none of this service's: it is mistyped or was revoked"

_log = logging.getLogger(__name__)


class KeyRing:
    """The keys of one file, as it was when it last could be read.

    A file that becomes unreadable or damaged while the service runs changes nothing: the keys that were good stay good,
    and the log and a metric say that the file is not taken up.
    """

    def __init__(self, path: Path, content: KeyFileContent) -> None:
        self._path = path
        self._stamp: FileStamp | None = content.stamp
        self._keys = _by_id(content)
        self.problem: str | None = None

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the keys of a file.

        Raises:
            KeyFileError: they cannot be read.
        """
        return cls(path, read_key_file(path))

    @property
    def descriptions(self) -> tuple[KeyDescription, ...]:
        """The keys in use, in the file's order."""
        return tuple(key.description for key in self._keys.values())

    def authenticate(self, text: str, now: datetime) -> KeyDescription:
        """Whose key a text is.

        Raises:
            Unauthenticated: nobody's, or its time is over.
        """
        presented = parse_key(text)
        if presented is None:
            raise Unauthenticated("this is not an API key: one looks like qaconv_<8 digits>_<43 characters>")
        key = self._keys.get(presented.key_id)
        is_right = hmac.compare_digest(presented.secret_sha256, key.secret_sha256 if key else _NO_HASH)
        if key is None or not is_right:
            raise Unauthenticated(_NO_SUCH_KEY)
        description = key.description
        if description.is_expired(now):
            raise Unauthenticated(
                f"the API key {description.key_id} has expired at {description.expires_at:%Y-%m-%dT%H:%M:%SZ}: ask the "
                "service's operator for a new one"
            )
        return description

    def refresh(self) -> None:
        """Read the file again where it has changed; `problem` says why it could not be."""
        try:
            # What cannot be looked at cannot be read either, and reading says why.
            with suppress(OSError):
                if FileStamp.of(self._path.stat()) == self._stamp:
                    return
            content = read_key_file(self._path)
        except KeyFileError as error:
            self._stamp = None
            if self.problem != str(error):
                _log.error("%s; the %d keys read before stay in use until it is mended", error, len(self._keys))
            self.problem = str(error)
            return
        self._keys, self._stamp, self.problem = _by_id(content), content.stamp, None
        _log.info("read the key file again: %d keys", len(self._keys))

    async def watch(self, on_change: OnKeyChange, interval_seconds: float = CHECK_INTERVAL_SECONDS) -> None:
        """Keep the keys as the file has them until cancelled.

        Args:
            on_change: told of every change, and at first, with None as those before, of all keys.
            interval_seconds: between two looks at the file.
        """
        told: tuple[KeyDescription, ...] | None = None
        while True:
            try:
                await asyncio.to_thread(self.refresh)
                if (now := self.descriptions) != told:
                    await on_change(told, now)
                    told = now
            except Exception:
                # A watch that ends would leave revoked keys in use.
                _log.exception("the key file was not looked at, or a change of keys was not recorded: trying again")
            await asyncio.sleep(interval_seconds)


def open_key_ring(settings: Settings) -> KeyRing | None:
    """The keys of these settings; None where they name no file, and everything is allowed.

    Raises:
        KeyFileError: the file cannot be read; or other machines reach the service, and there is not one key in it.
    """
    if settings.api_keys_file is None:
        return None
    key_ring = KeyRing.open(settings.api_keys_file)
    if not key_ring.descriptions and not is_loopback(settings.host) and not settings.allow_remote_without_keys:
        raise KeyFileError(
            f"host {settings.host} can be reached from other machines and the key file {settings.api_keys_file} has no "
            "key in it: make one with `qaconv-service keys create`, or use 127.0.0.1"
        )
    return key_ring


def _by_id(content: KeyFileContent) -> dict[str, ApiKey]:
    return {key.description.key_id: key for key in content.keys}


async def log_key_change(before: Sequence[KeyDescription] | None, after: Sequence[KeyDescription]) -> None:
    """Write which keys came, went and changed into the log: their IDs and names."""
    old, new = ({key.key_id: key for key in keys or ()} for keys in (before, after))
    for key in after:
        if key.key_id not in old:
            _log.info("API key %s (%s) is in use, with %s", key.key_id, key.name, ", ".join(sorted(key.scopes)))
        elif key != old[key.key_id]:
            _log.info("API key %s (%s) has changed", key.key_id, key.name)
    for key in old.values():
        if key.key_id not in new:
            _log.info("API key %s (%s) is revoked", key.key_id, key.name)
