"""Clients and proxies of others, with what they send by themselves. Where a program is missing, its test is skipped."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.service.conftest import StartService
from tests.service.drawn_crops import crop_file
from tests.service.running_service import RunningService

PROGRAMS = Path(__file__).parent / "other_clients"
BOUNDARY = "qaconv-boundary"
UPGRADES = {
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n",
    "websocket": b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "none": b"",
}


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} here")
    return found


@pytest.fixture
def form(tmp_path: Path) -> Path:
    """A detection as multipart/form-data."""
    data = {"camera_id": "others", "timestamp": "1790000000"}
    content_type = f"multipart/form-data; boundary={BOUNDARY}"
    request = httpx.Request(
        "PUT", "http://a", data=data, files={"image": crop_file(3)}, headers={"Content-Type": content_type}
    )
    path = tmp_path / "form"
    path.write_bytes(request.read())
    return path


def put(service: RunningService, detection_id: str) -> None:
    data = {"camera_id": "others", "timestamp": "1790000000"}
    url = f"{service.url}/v1/detections/{detection_id}"
    assert httpx.put(url, data=data, files={"image": crop_file(3)}).status_code == 201


def run(*command: str | Path) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def is_stored(service: RunningService, detection_id: str) -> bool:
    return httpx.get(f"{service.url}/v1/detections/{detection_id}").status_code == 200


def test_java_asks_for_http_2(running_service: RunningService, form: Path) -> None:
    url = f"{running_service.url}/v1/detections/by-java"
    assert run(program("java"), PROGRAMS / "PutDetection.java", url, form, BOUNDARY) == "201"
    assert is_stored(running_service, "by-java")


@pytest.mark.parametrize("flags", [("--http2",), ("--http2", "--expect100-timeout", "5", "-H", "Expect: 100-continue")])
def test_curl_asks_for_http_2(running_service: RunningService, form: Path, flags: tuple[str, ...]) -> None:
    curl = program("curl")
    if "HTTP2" not in run(curl, "--version"):
        pytest.skip("this curl has no HTTP/2")
    detection_id = f"by-curl-{len(flags)}"
    url = f"{running_service.url}/v1/detections/{detection_id}"
    kind = ("-H", f"Content-Type: multipart/form-data; boundary={BOUNDARY}")
    written = ("-s", "-o", "/dev/null", "-w", "%{http_code} %{http_version}")
    assert run(curl, *flags, *written, "-X", "PUT", *kind, "--data-binary", f"@{form}", url) == "201 1.1"
    assert is_stored(running_service, detection_id)


def smuggle(port: int, service: RunningService, upgrade: str, detection_id: str) -> bytes:
    """What a client gets for a search through a proxy whose body is a request to erase something."""
    hidden = f"DELETE /v1/detections/{detection_id} HTTP/1.1\r\nHost: {httpx.URL(service.url).netloc.decode()}\r\n\r\n"
    head = b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\n" + UPGRADES[upgrade]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(head + b"Content-Length: %d\r\n\r\n" % len(hidden))
        time.sleep(0.05)
        client.sendall(hidden.encode())
        received = b""
        client.settimeout(0.5)
        try:
            while data := client.recv(65536):
                received += data
        except TimeoutError:
            pass
    return received


def test_gos_client_and_its_reverse_proxy(running_service: RunningService, form: Path, tmp_path: Path) -> None:
    binary = tmp_path / "reverse_proxy"
    run(program("go"), "build", "-o", binary, PROGRAMS / "reverse_proxy.go")
    command = [binary, running_service.url, "/v1/detections/by-go", form, BOUNDARY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as proxy:
        try:
            assert proxy.stdout is not None
            assert proxy.stdout.readline().strip() == "201"
            check_proxy(int(proxy.stdout.readline()), running_service)
        finally:
            proxy.kill()


def check_proxy(port: int, service: RunningService) -> None:
    """That a proxy which lets searches pass alone does so."""
    assert httpx.get(f"http://127.0.0.1:{port}/v1/gallery").status_code == 403
    for upgrade in UPGRADES:
        detection_id = f"kept-{port}-{upgrade}"
        put(service, detection_id)
        answers = smuggle(port, service, upgrade, detection_id)
        assert answers.count(b"HTTP/1.1 ") == 1, answers
        assert b"415" in answers.splitlines()[0]
        assert is_stored(service, detection_id)
    form = {"detection_id": detection_id}
    assert httpx.post(f"http://127.0.0.1:{port}/v1/search", data=form).status_code == 200


@contextmanager
def nginx(directory: Path, locations: str) -> Iterator[int]:
    """An nginx with these locations, on a port of its own."""
    directory.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    temporary = "".join(
        f"{kind}_temp_path {directory};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = directory / "nginx.conf"
    configuration.write_text(
        f"user root; daemon off; pid {directory}/pid; error_log {directory}/log; events {{}}\n"
        f"http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port}; {locations} }} }}\n"
    )
    command = [program("nginx"), "-p", str(directory), "-c", str(configuration), "-e", str(directory / "log")]
    with subprocess.Popen(command) as server:
        try:
            deadline = time.monotonic() + 10
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    assert time.monotonic() < deadline, (directory / "log").read_text()
                    time.sleep(0.02)
            yield port
        finally:
            server.terminate()


def test_nginx_with_its_usual_lines_for_websockets(running_service: RunningService, tmp_path: Path) -> None:
    passing = (
        f"location /v1/search {{ proxy_pass {running_service.url}; proxy_http_version 1.1; "
        'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; proxy_request_buffering off; }'
    )
    with nginx(tmp_path / "nginx", f"{passing} location / {{ return 403; }}") as port:
        check_proxy(port, running_service)


def test_nginx_under_a_part_of_its_paths(start_service: StartService, tmp_path: Path) -> None:
    service = start_service(root_path="/reid", trusted_proxies='["127.0.0.1"]')
    address = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
    locations = {
        "off": f"location /reid/ {{ proxy_pass {service.url}/; {address} }}",
        "on": f"location /reid/ {{ proxy_pass {service.url}; {address} }}",
    }
    for name, location in locations.items():
        with (
            nginx(tmp_path / name, location) as port,
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
        ):
            data = {"camera_id": "c", "timestamp": "1"}
            made = client.post("/reid/v1/detections", data=data, files={"image": crop_file(1)})
            assert made.status_code == 201
            assert made.headers["location"].startswith("/reid/v1/detections/")
            assert client.get(made.headers["location"]).status_code == 200
            assert client.get("/reid/openapi.json").json()["servers"] == [{"url": "/reid"}]
            assert "Paths begin with /reid." in client.get("/reid/docs").text
            assert client.get("/reid/readyz").status_code == 200
            forged = {"X-Forwarded-For": "192.0.2.7"}
            assert client.get("/reid/v1/gallery", headers=forged).status_code == 200
    lines = [json.loads(line) for line in service.log.splitlines() if line.startswith("{")]
    addresses = {line["client"] for line in lines if line.get("route") == "/v1/gallery"}
    assert addresses == {"192.0.2.7"}, "127.0.0.1 is trusted, and said so"
