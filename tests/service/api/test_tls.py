import asyncio
import logging
import socket
import ssl
import threading
from pathlib import Path

import pytest

from service.api.tls import ServedCertificate
from tests.service.made_certificates import write_certificate


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    write_certificate(certificate, key, "first")
    return certificate, key


def served_by(context: ssl.SSLContext) -> bytes:
    """The certificate that a connection is offered."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    left, right = socket.socketpair()

    def serve() -> None:
        with context.wrap_socket(left, server_side=True) as connection:
            connection.recv(1)

    server = threading.Thread(target=serve)
    server.start()
    with trusting.wrap_socket(right) as connection:
        offered = connection.getpeercert(binary_form=True)
        connection.sendall(b"x")
        server.join(10)
    assert offered is not None
    return offered


def of(certificate: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.read_text())


def test_a_renewed_certificate_is_taken_up(files: tuple[Path, Path]) -> None:
    served = ServedCertificate(*files)
    first = of(files[0])
    assert served_by(served.context) == first
    write_certificate(*files, "second")
    assert served_by(served.context) == first
    served.refresh()
    assert served_by(served.context) == of(files[0]) != first


def test_half_of_a_renewal_changes_nothing(files: tuple[Path, Path], caplog: pytest.LogCaptureFixture) -> None:
    served = ServedCertificate(*files)
    first, first_key = of(files[0]), files[1].read_bytes()
    write_certificate(*files, "second")
    second_key = files[1].read_bytes()
    files[1].write_bytes(first_key)
    for _ in range(3):
        served.refresh()
    assert served_by(served.context) == first
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "key values mismatch" in errors[0]
    files[1].unlink()
    served.refresh()
    assert served_by(served.context) == first
    files[1].write_bytes(second_key)
    served.refresh()
    assert served_by(served.context) == of(files[0]) != first


@pytest.mark.anyio
async def test_the_files_are_watched(files: tuple[Path, Path]) -> None:
    served = ServedCertificate(*files)
    watch = asyncio.create_task(served.watch(interval_seconds=0.01))
    write_certificate(*files, "second")
    async with asyncio.timeout(10):
        while await asyncio.to_thread(served_by, served.context) != of(files[0]):
            await asyncio.sleep(0.01)
    watch.cancel()


def test_old_versions_are_not_spoken(files: tuple[Path, Path]) -> None:
    assert ServedCertificate(*files).context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_what_cannot_be_used_is_refused_at_the_start(files: tuple[Path, Path], tmp_path: Path) -> None:
    certificate, key = files
    with pytest.raises(ValueError, match=r"none\.pem cannot be read: No such file"):
        ServedCertificate(tmp_path / "none.pem", key)
    with pytest.raises(ValueError, match="both must be PEM"):
        ServedCertificate(key, certificate)
    other = tmp_path / "other.pem"
    write_certificate(tmp_path / "unused.pem", other, "other")
    with pytest.raises(ValueError, match="key values mismatch"):
        ServedCertificate(certificate, other)
    write_certificate(certificate, key, "encrypted", password=b"secret")
    with pytest.raises(ValueError, match="the TLS key is encrypted"):
        ServedCertificate(certificate, key)
