"""The upload against a server that fails on purpose: what the service does when it is full, strict or gone."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from service.command_line.batch_request import Outcome
from service.command_line.batch_upload import MAX_BATCH_BYTES, MAX_BATCH_ITEMS, plan_batches, upload
from service.command_line.detection_file import DetectionFile

# What a server says of a batch, given its items and how many requests came before: status, headers, body.
Reply = tuple[int, dict[str, str], object]
Script = Callable[[list[dict[str, str]], int], Reply]


class FailingServer(ThreadingHTTPServer):
    """Answers batches as its script says and remembers them."""

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.batches: list[list[dict[str, str]]] = []
        self.images: dict[str, bytes] = {}
        self.lock = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    server: FailingServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        manifest, *images = message_from_bytes(head + body, policy=policy.HTTP).iter_parts()
        items = json.loads(manifest.get_payload(decode=True))
        with self.server.lock:
            status, headers, answer = self.server.script(items, len(self.server.batches))
            self.server.batches.append(items)
            self.server.images.update({str(each.get_filename()): each.get_payload(decode=True) for each in images})
        content = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test reads what the server remembers."""


@contextmanager
def serving(script: Script) -> Iterator[tuple[FailingServer, httpx.Client]]:
    with FailingServer(script) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{server.server_port}", trust_env=False) as client:
                yield server, client
        finally:
            server.shutdown()
            thread.join()


def stored(items: list[dict[str, str]]) -> Reply:
    return 200, {}, {"results": [{"detection_id": item["detection_id"], "status": 201} for item in items]}


def refused(status: int, **headers: str) -> Reply:
    return status, headers, {"title": "Not now", "status": status, "detail": "as the test wants"}


def detections(folder: Path, count: int) -> list[DetectionFile]:
    found = []
    for number in range(count):
        path = folder / f"{number:03d}.jpg"
        path.write_bytes(f"image {number}".encode())
        found.append(DetectionFile(path.name, path, f"d{number:03d}", "c1", f"{number}.5", person_id="p"))
    return found


def ignore(count: int) -> None:
    pass


def statuses(outcomes: list[Outcome]) -> list[int | None]:
    return [outcome.status for outcome in outcomes]


def test_everything_arrives_once_in_batches_and_is_reported_in_order(tmp_path: Path) -> None:
    wanted = detections(tmp_path, 2 * MAX_BATCH_ITEMS + 1)
    progress: list[int] = []
    with serving(lambda items, _: stored(items)) as (server, client):
        outcomes = upload(client, wanted, progress.append)
    assert [outcome.detection for outcome in outcomes] == wanted
    assert set(statuses(outcomes)) == {201}
    assert sorted(progress) == [1, MAX_BATCH_ITEMS, MAX_BATCH_ITEMS]
    assert sorted(item["detection_id"] for batch in server.batches for item in batch) == [
        each.detection_id for each in wanted
    ]
    assert server.images == {each.detection_id: each.path.read_bytes() for each in wanted}


def test_an_item_says_what_is_known_and_no_more(tmp_path: Path) -> None:
    with serving(lambda items, _: stored(items)) as (server, client):
        upload(client, detections(tmp_path, 1), ignore)
    expected = {"file": "d000", "detection_id": "d000", "camera_id": "c1", "timestamp": "0.5", "person_id": "p"}
    assert server.batches == [[expected]]


def test_a_full_service_is_asked_again(tmp_path: Path) -> None:
    def script(items: list[dict[str, str]], earlier: int) -> Reply:
        return refused(429, **{"Retry-After": "0"}) if earlier < 2 else stored(items)

    with serving(script) as (server, client):
        outcomes = upload(client, detections(tmp_path, 3), ignore)
    assert statuses(outcomes) == [201, 201, 201]
    assert len(server.batches) == 3


def test_only_the_items_that_were_refused_for_now_are_sent_again(tmp_path: Path) -> None:
    def script(items: list[dict[str, str]], earlier: int) -> Reply:
        if earlier:
            return stored(items)
        problem = {"title": "Full", "status": 503}
        unreadable = {"title": "No image", "status": 400, "detail": "truncated"}
        results = [{"status": 200}, {"status": 503, "problem": problem}, {"status": 400, "problem": unreadable}]
        return 200, {}, {"results": results}

    with serving(script) as (server, client):
        outcomes = upload(client, detections(tmp_path, 3), ignore)
    assert statuses(outcomes) == [200, 201, 400]
    assert outcomes[2].problem_lines == ("No image (400): truncated",)
    assert [item["detection_id"] for item in server.batches[1]] == ["d001"]


def test_a_batch_too_large_is_halved_until_it_is_one_item(tmp_path: Path) -> None:
    def script(items: list[dict[str, str]], _: int) -> Reply:
        return refused(413) if any(item["detection_id"] == "d002" for item in items) else stored(items)

    with serving(script) as (_, client):
        outcomes = upload(client, detections(tmp_path, 5), ignore)
    assert statuses(outcomes) == [201, 201, 413, 201, 201]


def test_a_missing_file_does_not_fail_its_neighbours(tmp_path: Path) -> None:
    wanted = detections(tmp_path, 3)
    wanted[1].path.unlink()
    with serving(lambda items, _: stored(items)) as (_, client):
        outcomes = upload(client, wanted, ignore)
    assert statuses(outcomes) == [201, None, 201]
    assert outcomes[1].problem_lines == ("cannot be read: No such file or directory",)


def test_a_service_that_is_gone_ends_the_upload(tmp_path: Path) -> None:
    with serving(lambda items, _: stored(items)) as (server, _):
        address = f"http://127.0.0.1:{server.server_port}"
    with httpx.Client(base_url=address, trust_env=False) as client, pytest.raises(httpx.ConnectError):
        upload(client, detections(tmp_path, 200), ignore)


def test_batches_hold_at_most_so_many_bytes(tmp_path: Path) -> None:
    wanted = detections(tmp_path, 4)
    for detection in wanted[:3]:
        with detection.path.open("wb") as stream:
            stream.truncate(MAX_BATCH_BYTES // 2 + (detection is wanted[2]) * MAX_BATCH_BYTES)
    assert plan_batches(wanted) == [wanted[:2], wanted[2:3], wanted[3:]]
    assert plan_batches([]) == []
