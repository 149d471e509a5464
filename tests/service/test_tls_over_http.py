"""TLS, asked of a real service in a process of its own."""

import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from service.access.scope import Scope
from service.main import main
from tests.service.conftest import StartService
from tests.service.drawn_crops import crop_file
from tests.service.made_certificates import write_certificate
from tests.service.made_keys import add_key, bearer

HEALTHCHECK = Path(__file__).parents[2] / "deploy" / "healthcheck.py"


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate)


def test_https_with_a_certificate_that_is_renewed(
    start_service: StartService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    write_certificate(certificate, key, "first")
    key_file = tmp_path / "keys.json"
    api_key = add_key(key_file, Scope.SEARCH, Scope.READ)
    service = start_service(tls_certificate=certificate, tls_key=key, api_keys_file=key_file)
    assert service.url.startswith("https://127.0.0.1:")
    first = trusting(certificate)
    with httpx.Client(base_url=service.url, verify=first, headers=bearer(api_key)) as client:
        answer = client.get("/v1/model")
        assert answer.status_code == 200
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
    with pytest.raises(httpx.TransportError):
        httpx.get(service.url.replace("https", "http") + "/livez")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{service.url}/livez", verify=old)

    _check_commands(service.url, certificate, api_key, tmp_path, monkeypatch, capsys)
    _check_health(service.url, certificate, monkeypatch)

    write_certificate(certificate, key, "second")
    deadline = time.monotonic() + 10
    while True:
        try:
            assert httpx.get(f"{service.url}/livez", verify=trusting(certificate)).status_code == 200
            break
        except httpx.ConnectError:
            assert time.monotonic() < deadline, service.log
            time.sleep(0.05)
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{service.url}/livez", verify=first)
    assert service.stop() == 0
    assert "Traceback" not in service.log


def _check_commands(
    url: str,
    certificate: Path,
    api_key: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    crop, api_key_file = tmp_path / "crop.jpg", tmp_path / "key"
    crop.write_bytes(crop_file(1))
    api_key_file.write_text(f"{api_key}\n")

    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as caught:
            main([*arguments, "--url", url])
        return int(caught.value.code or 0), capsys.readouterr().err

    assert run("search", str(crop), "--ca-file", str(certificate), "--api-key-file", str(api_key_file)) == (0, "")
    status, message = run("search", str(crop), "--api-key-file", str(api_key_file))
    assert (status, "--ca-file" in message) == (1, True)
    monkeypatch.setenv("QACONV_CA_FILE", str(certificate))
    status, message = run("search", str(crop))
    assert status == 1
    assert "(401): this needs an API key" in message
    assert "--api-key-file FILE" in message
    monkeypatch.setenv("QACONV_API_KEY", api_key)
    assert run("search", str(crop)) == (0, "")
    (tmp_path / "0001_c1s1_000001_00.jpg").write_bytes(crop_file(1))
    crop.unlink()
    status, message = run("ingest", str(tmp_path))
    assert status == 1
    assert "(403): this needs a key with the scope ingest" in message
    assert api_key not in message


def _check_health(url: str, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QACONV_PORT", str(httpx.URL(url).port))
    command = [sys.executable, str(HEALTHCHECK)]
    plain = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert plain.returncode == 1
    monkeypatch.setenv("QACONV_TLS_CERTIFICATE", str(certificate))
    healthy = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert (healthy.returncode, healthy.stdout[:4]) == (0, "200 ")


def test_a_certificate_that_cannot_be_used_is_told_at_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate, key, other = tmp_path / "certificate.pem", tmp_path / "key.pem", tmp_path / "other.pem"
    write_certificate(certificate, key, "first")
    write_certificate(tmp_path / "unused.pem", other, "other")

    def refusal(*flags: str) -> str:
        with pytest.raises(SystemExit):
            main(["serve", "--port", "0", "--data-dir", str(tmp_path / "data"), *flags])
        (line,) = capsys.readouterr().err.splitlines()
        assert isinstance(line, str)
        return line

    assert "give --tls-key too, or neither" in refusal("--tls-certificate", str(certificate))
    assert "give --tls-certificate too, or neither" in refusal("--tls-key", str(key))
    assert "key values mismatch" in refusal("--tls-certificate", str(certificate), "--tls-key", str(other))


def test_a_client_that_begins_no_tls_is_not_waited_for(start_service: StartService, tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    write_certificate(certificate, key, "first")
    service = start_service(tls_certificate=certificate, tls_key=key, header_timeout_seconds=0.5)
    url = httpx.URL(service.url)
    with socket.create_connection((url.host, url.port or 0), timeout=10) as silent:
        began = time.monotonic()
        assert silent.recv(1) == b""
    assert 0.4 < time.monotonic() - began < 5
