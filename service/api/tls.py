"""TLS by a certificate and a key that may be renewed while the service runs."""

import asyncio
import logging
import ssl
from pathlib import Path

# A renewed certificate is served from the next connection after this time on.
CHECK_INTERVAL_SECONDS = 1.0

_log = logging.getLogger(__name__)


class ServedCertificate:
    """The TLS context of a server, which takes up its files when they change.

    Files that cannot be used change nothing: the certificate that was good is served on, and the log says why.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        """Load the files.

        Raises:
            ValueError: they cannot be read, are no PEM, do not belong together, or the key is encrypted.
        """
        self._certificate, self._key = certificate, key
        self._stamps = self._look()
        self._problem: str | None = None
        self.context = self._load(_create_context())

    def refresh(self) -> None:
        """Take up the files where they have changed."""
        stamps = self._look()
        if stamps == self._stamps:
            return
        try:
            # In a context of its own first: a certificate without its key would leave the served one with neither.
            self._load(_create_context())
            self._load(self.context)
        except ValueError as error:
            if self._problem != str(error):
                _log.error("%s; the certificate loaded before is served on until this is mended", error)
            self._problem = str(error)
            return
        self._stamps, self._problem = stamps, None
        _log.info("loaded the renewed certificate %s", self._certificate)

    async def watch(self, interval_seconds: float = CHECK_INTERVAL_SECONDS) -> None:
        """Take up changes until cancelled."""
        while True:
            await asyncio.sleep(interval_seconds)
            try:
                # In the event loop's own thread, which is the one that begins connections with this context.
                self.refresh()
            except Exception:
                _log.exception("the certificate could not be looked at: trying again")

    def _load(self, context: ssl.SSLContext) -> ssl.SSLContext:
        for path in (self._certificate, self._key):
            # OpenSSL's own words do not say which of the files it is.
            try:
                path.open("rb").close()
            except OSError as error:
                raise ValueError(f"the TLS file {path} cannot be read: {error.strerror}") from None
        try:
            context.load_cert_chain(self._certificate, self._key, password=_refuse_encrypted)
        except ssl.SSLError as error:
            reason = (error.reason or "NOT PEM").replace("_", " ").lower()
            raise ValueError(
                f"the TLS certificate {self._certificate} and key {self._key} cannot be used ({reason}): both must be "
                "PEM, and the key that of the first certificate, not encrypted"
            ) from None
        return context

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(path) for path in (self._certificate, self._key))


def _create_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _refuse_encrypted() -> str:
    """Instead of OpenSSL's question at the terminal, where nobody may sit."""
    raise ValueError("the TLS key is encrypted: give one that is not, readable by the service alone")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
