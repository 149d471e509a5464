"""Clients that send nothing, or slowly, or do not read: over raw sockets, against real processes."""

import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from service.main import main
from tests.service.conftest import StartService
from tests.service.drawn_crops import crop_file
from tests.service.running_service import RunningService

HEADER_SECONDS = 1.0
REQUEST_SECONDS = 2.0
MAX_CONNECTIONS = 20


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: object) -> Iterator[RunningService]:
    limits = {
        "header_timeout_seconds": HEADER_SECONDS,
        "request_timeout_seconds": REQUEST_SECONDS,
        "max_connections": MAX_CONNECTIONS,
        "max_requests": 8,
    }
    started = RunningService.start(tmp_path_factory.mktemp("guarded") / "data", tiny_checkpoint, **limits)  # type: ignore[arg-type]
    yield started
    assert started.stop() == 0, started.log
    assert "Traceback" not in started.log


def connect(service: RunningService) -> socket.socket:
    address = httpx.URL(service.url)
    return socket.create_connection((str(address.host), int(address.port or 0)), timeout=15)


def seconds_until_closed(connection: socket.socket, trickle: bytes = b"", every: float = 0.1) -> float:
    """How long until the service has closed a connection, to which a byte is sent now and then."""
    began = time.monotonic()
    connection.settimeout(every)
    while time.monotonic() - began < 15:
        try:
            if trickle:
                connection.sendall(trickle[:1])
                trickle = trickle[1:]
            if not connection.recv(4096):
                return time.monotonic() - began
        except TimeoutError:
            continue
        except OSError:
            return time.monotonic() - began
    raise AssertionError("the connection was never closed")


def metric(service: RunningService, line: str) -> float:
    text = httpx.get(f"{service.url}/metrics").text
    return sum(float(each.rsplit(" ", 1)[1]) for each in text.splitlines() if each.startswith(line))


def test_a_client_that_sends_nothing_is_not_waited_for(service: RunningService) -> None:
    before = metric(service, 'qaconv_refusals_total{reason="header_timeout"}')
    with connect(service) as connection:
        assert HEADER_SECONDS - 0.1 < seconds_until_closed(connection) < HEADER_SECONDS + 3
    assert metric(service, 'qaconv_refusals_total{reason="header_timeout"}') == before + 1


@pytest.mark.parametrize("after_requests", [0, 1])
def test_a_header_byte_by_byte_has_the_same_time(service: RunningService, after_requests: int) -> None:
    with connect(service) as connection:
        for _ in range(after_requests):
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while b"alive" not in answer:  # header and body may come apart
                received = connection.recv(4096)
                assert received, answer
                answer += received
        header = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + 200 * b"x"
        assert HEADER_SECONDS - 0.1 < seconds_until_closed(connection, header) < HEADER_SECONDS + 3


def test_a_header_without_end_is_cut(service: RunningService) -> None:
    with connect(service) as connection, pytest.raises((ConnectionResetError, BrokenPipeError)):
        connection.sendall(b"GET /livez HTTP/1.1\r\n" + 10_000 * (b"X-Long: " + 8192 * b"x" + b"\r\n"))
    assert metric(service, 'qaconv_refusals_total{reason="header_too_long"}') == 1


def test_a_body_byte_by_byte_is_ended_by_the_requests_time(service: RunningService) -> None:
    head = "PUT /v1/detections/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=q\r\n"
    with connect(service) as connection:
        connection.sendall(f"{head}Content-Length: 100000\r\n\r\n--q\r\n".encode())
        answer, began = b"", time.monotonic()
        connection.settimeout(0.1)
        while b"/problems/timeout" not in answer:
            assert time.monotonic() - began < REQUEST_SECONDS + 5
            connection.sendall(b"x")
            try:
                answer += connection.recv(4096)
            except TimeoutError:
                continue
        assert answer.startswith(b"HTTP/1.1 503")
        # The rest of the body is not read for ever either.
        assert seconds_until_closed(connection, 1000 * b"x") < HEADER_SECONDS + 7


def test_an_answer_that_nobody_reads_is_given_up(service: RunningService) -> None:
    process = psutil.Process(service.process.pid)
    with ExitStack() as stack:
        connections = []
        for _ in range(4):
            connection = stack.enter_context(connect(service))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            # 300 answers of the documentation, asked for at once: more than the sockets' buffers hold.
            connection.sendall(300 * b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
            connections.append(connection)
        for connection in connections:
            await_reset(connection, REQUEST_SECONDS + 10)
    assert metric(service, 'qaconv_refusals_total{reason="answer_not_read"}') == 4
    assert len(process.net_connections("tcp")) < MAX_CONNECTIONS


def await_reset(connection: socket.socket, seconds: float) -> None:
    """Waits, without reading anything, until the other side has reset the connection."""
    began = time.monotonic()
    while connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
        assert time.monotonic() - began < seconds
        time.sleep(0.05)


def test_idle_connections_do_not_keep_a_new_client_out(service: RunningService) -> None:
    before = metric(service, 'qaconv_refusals_total{reason="connections"}')
    with ExitStack() as stack:
        idle = [stack.enter_context(connect(service)) for _ in range(3 * MAX_CONNECTIONS)]
        began = time.monotonic()
        assert httpx.get(f"{service.url}/livez", timeout=10).status_code == 200
        assert time.monotonic() - began < 5
        idle[0].settimeout(5)
        assert b"503 Service Unavailable" in idle[0].recv(4096), "the oldest made room, and was told"
        assert metric(service, "qaconv_http_connections ") <= MAX_CONNECTIONS
    assert metric(service, 'qaconv_refusals_total{reason="connections"}') >= before + 2 * MAX_CONNECTIONS


@contextmanager
def descriptors(soft: int) -> Iterator[None]:
    """Lets programs that are started meanwhile have so many file descriptors, unless they ask for more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_three_hundred_idle_connections_with_the_default_limits(start_service: StartService) -> None:
    with descriptors(soft=256):
        service = start_service()
    with ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(connect(service))
        with httpx.Client(base_url=service.url, timeout=10) as client:
            data = {"camera_id": "c", "timestamp": "1"}
            assert client.put("/v1/detections/d", data=data, files={"image": crop_file(1)}).status_code == 201
            assert client.get("/readyz").status_code == 200
    assert service.stop() == 0


def test_more_connections_than_descriptors_are_told_at_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setenv("QACONV_MAX_CONNECTIONS", str(hard))
    with pytest.raises(SystemExit):
        main(["serve", "--port", "0", "--data-dir", str(tmp_path / "data")])
    message = capsys.readouterr().err
    assert f"{hard} connections and 128 descriptors for all else are {hard + 128}" in message
    assert f"set QACONV_MAX_CONNECTIONS to {hard - 128} or less" in message
    assert not (tmp_path / "data").exists()


def test_it_ends_in_time_with_clients_that_hang(start_service: StartService) -> None:
    service = start_service(shutdown_timeout_seconds=1, header_timeout_seconds=60)
    head = "PUT /v1/detections/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=q\r\n"
    with ExitStack() as stack:
        silent, half_header, half_body, no_reader = (stack.enter_context(connect(service)) for _ in range(4))
        half_header.sendall(head.encode())
        half_body.sendall(f"{head}Content-Length: 1000\r\n\r\n--q\r\n".encode())
        no_reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        no_reader.sendall(300 * b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert silent.fileno() > 0
        time.sleep(0.5)
        began = time.monotonic()
        service.process.terminate()
        assert service.process.wait(30) == 0
        took = time.monotonic() - began
        half_body.settimeout(5)
        assert b"shutting down" in half_body.recv(4096)
    # A second for the requests; the rest is the end of Redis, PyTorch and Python on a machine that does other things.
    assert took < 1 + 20
    assert "Traceback" not in service.log


def test_a_search_whose_client_has_gone_leaves_the_queue(service: RunningService) -> None:
    """Forty searches of clients that leave at once, over a gallery that takes a while: those that stay are answered."""
    with httpx.Client(base_url=service.url, timeout=30) as client:
        for number in range(20):
            data = {"camera_id": "c", "timestamp": str(number)}
            assert client.put(f"/v1/detections/gone{number}", data=data, files={"image": crop_file(number)}).is_success

        def leave() -> None:
            with connect(service) as connection:
                body = b'--q\r\nContent-Disposition: form-data; name="detection_id"\r\n\r\ngone1\r\n--q--\r\n'
                head = (
                    b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=q\r\n"
                )
                connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)

        leavers = [threading.Thread(target=leave) for _ in range(6)]
        for leaver in leavers:
            leaver.start()
        for leaver in leavers:
            leaver.join()
        deadline = time.monotonic() + 10
        while metric(service, "qaconv_http_requests_in_flight ") > 1:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert metric(service, "qaconv_device_jobs_waiting ") == 0
        assert client.post("/v1/search", data={"detection_id": "gone2"}).status_code == 200
