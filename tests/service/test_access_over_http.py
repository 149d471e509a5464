"""Who gets in, asked of real services in processes of their own."""

import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from service.access.key_file import edit_key_file
from service.access.scope import Scope
from service.main import main
from tests.service.api.test_openapi_document import CALLS
from tests.service.declared_answers import DeclaredAnswers
from tests.service.drawn_crops import crop_file
from tests.service.made_keys import add_key, bearer
from tests.service.running_service import RunningService

OPEN = {("get", "/livez"), ("get", "/readyz")}
# As the contract has it. Calls that are newer than it are held to what they declare themselves.
NEEDED = {
    Scope.INGEST: {
        ("put", "/v1/detections/{detection_id}"),
        ("post", "/v1/detections"),
        ("post", "/v1/detections:batch"),
    },
    Scope.SEARCH: {("post", "/v1/search"), ("post", "/v1/compare")},
    Scope.ADMIN: {
        ("delete", "/v1/detections/{detection_id}"),
        ("post", "/v1/detections:erase"),
        ("get", "/v1/erasures/{receipt_id}"),
        ("get", "/v1/clock"),
        ("post", "/v1/clock:confirm"),
    },
}
# A change of the key file is seen within a second; the rest is for a busy machine.
TAKEN_UP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class KeyedService:
    """A service with a key of each scope, one that has expired and one that is nobody's."""

    service: RunningService
    key_file: Path
    keys: dict[Scope, str]
    expired: str
    wrong: str

    def open(self, *scopes: Scope) -> httpx.Client:
        """A client with the key of a scope, or with none."""
        headers = bearer(self.keys[scopes[0]]) if scopes else {}
        return httpx.Client(base_url=self.service.url, headers=headers, timeout=30)

    def wait_for(self, key: str, status: int) -> float:
        """Asks with a key until the answer has this status; returns how long it took."""
        began = time.monotonic()
        while time.monotonic() < began + TAKEN_UP_SECONDS:
            if httpx.get(f"{self.service.url}/v1/model", headers=bearer(key)).status_code == status:
                return time.monotonic() - began
            time.sleep(0.02)
        raise TimeoutError(f"no {status} within {TAKEN_UP_SECONDS} s:\n{self.service.log}")


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Iterator[KeyedService]:
    directory = tmp_path_factory.mktemp("keyed")
    path = directory / "keys.json"
    keys = {scope: add_key(path, scope, name=f"only {scope}") for scope in Scope}
    expired = add_key(path, *Scope, expires_in=timedelta(seconds=-1))
    wrong = add_key(directory / "of-another-service.json", *Scope)
    service = RunningService.start(directory / "data", tiny_checkpoint, api_keys_file=path)
    yield KeyedService(service, path, keys, expired, wrong)
    assert service.stop() == 0, service.log


def calls(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, call in methods.items():
            yield method, path, call


def test_every_call_of_the_document_lets_in_its_scope_alone(keyed: KeyedService) -> None:
    with keyed.open(Scope.READ) as client:
        document = client.get("/openapi.json").json()
    declared = DeclaredAnswers(document)
    walked = set()
    for method, template, call in calls(document):
        path = re.sub(r"\{\w+\}", "walked", template)
        answers = {}
        for name, key in {**keyed.keys, "none": "", "wrong": keyed.wrong, "expired": keyed.expired}.items():
            headers = bearer(key) if key else {}
            answers[name] = httpx.request(method.upper(), keyed.service.url + path, headers=headers, timeout=30)
            declared.check(answers[name])
        statuses = {name: answer.status_code for name, answer in answers.items()}
        if (method, template) in OPEN:
            assert set(statuses.values()) == {200}, (method, template)
            assert "security" not in call
        else:
            _check_guarded(method, template, call, statuses)
        walked.add((method, template))
    assert walked >= CALLS


def _check_guarded(method: str, template: str, call: dict[str, Any], statuses: dict[str, int]) -> None:
    for name in ("none", "wrong", "expired"):
        assert statuses.pop(name) == 401, (method, template, name)
    (needed,) = call["security"][0]["ApiKey"]
    if (method, template) in CALLS:
        in_contract = next((scope for scope, those in NEEDED.items() if (method, template) in those), Scope.READ)
        assert needed == in_contract, (method, template)
    assert statuses.pop(needed) not in (401, 403), (method, template)
    assert set(statuses.values()) == {403}, (method, template)


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
def test_what_is_not_in_the_document_needs_a_key_too(keyed: KeyedService, path: str) -> None:
    for scope in Scope:
        with keyed.open(scope) as client:
            assert client.get(path).status_code == (200 if scope is Scope.READ else 403)
    with keyed.open() as nobody:
        assert nobody.get(path).status_code == 401


def test_a_path_that_is_not_there_tells_nobody_so(keyed: KeyedService) -> None:
    with keyed.open() as nobody, keyed.open(Scope.SEARCH) as somebody:
        for path in ("/", "/v1", "/v1/nothing", "/docs/x", "/v1/search/", "/.git/config"):
            assert nobody.get(path).status_code == 401
            assert somebody.get(path).status_code == 404
        assert nobody.request("PROPFIND", "/v1/search").status_code == 401


def test_a_refusal_names_the_scope_that_is_needed(keyed: KeyedService) -> None:
    with keyed.open(Scope.READ) as client:
        refused = client.delete("/v1/detections/d")
    assert refused.json()["type"] == "/problems/forbidden"
    key_id = keyed.keys[Scope.READ].split("_")[1]
    assert refused.json()["detail"] == f"this needs a key with the scope admin; the key {key_id} has: read"


def test_keys_are_made_replaced_and_revoked_while_it_runs(
    keyed: KeyedService, capsys: pytest.CaptureFixture[str]
) -> None:
    def keys(*arguments: str) -> str:
        main_exits_with_0(["keys", *arguments, "--file", str(keyed.key_file)])
        return capsys.readouterr().out.strip()

    started = keyed.service.process.pid
    old = keys("create", "--name", "rotated", "--scope", "read")
    keyed.wait_for(old, 200)
    new = keys("rotate", old.split("_")[1])
    keyed.wait_for(new, 200)
    assert httpx.get(f"{keyed.service.url}/v1/model", headers=bearer(old)).status_code == 200
    keys("revoke", old.split("_")[1])
    assert keyed.wait_for(old, 401) < 5
    assert httpx.get(f"{keyed.service.url}/v1/model", headers=bearer(new)).status_code == 200
    short = keys("rotate", new.split("_")[1], "--overlap-hours", "0")
    keyed.wait_for(short, 200)
    keyed.wait_for(new, 401)
    assert keyed.service.process.pid == started
    assert keyed.service.process.poll() is None


def main_exits_with_0(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert not caught.value.code


def test_a_key_file_that_is_damaged_locks_nobody_out_and_is_told(keyed: KeyedService) -> None:
    good = keyed.key_file.read_bytes()
    with keyed.open(Scope.READ) as client:
        assert "qaconv_api_keys_file_current 1.0\n" in client.get("/metrics").text
        keyed.key_file.write_bytes(good[: len(good) // 2])
        while "qaconv_api_keys_file_current 0.0\n" not in client.get("/metrics").text:
            time.sleep(0.02)
        assert client.get("/readyz").status_code == 200
        with keyed.open() as nobody:
            assert nobody.get("/v1/model").status_code == 401
        assert f"the key file {keyed.key_file} is" in keyed.service.log
        keyed.key_file.write_bytes(good)
        while "qaconv_api_keys_file_current 1.0\n" not in client.get("/metrics").text:
            time.sleep(0.02)
    keyed.wait_for(add_key(keyed.key_file, Scope.READ), 200)


def test_a_key_has_its_rate(keyed: KeyedService) -> None:
    key = add_key(keyed.key_file, Scope.READ, requests_per_minute=30)
    keyed.wait_for(key, 200)
    with httpx.Client(base_url=keyed.service.url, headers=bearer(key)) as client:
        while (refused := client.get("/v1/model")).status_code == 200:
            pass
        assert refused.status_code == 429
        assert refused.json()["type"] == "/problems/rate-limited"
        wait_seconds = int(refused.headers["retry-after"])
        assert 1 <= wait_seconds <= 2
        time.sleep(wait_seconds)
        assert client.get("/v1/model").status_code == 200


def test_a_large_body_without_a_key_is_not_read(keyed: KeyedService) -> None:
    size = 64 * 2**20
    address = httpx.URL(keyed.service.url)
    header = f"PUT /v1/detections/d HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {size}\r\n\r\n"
    with socket.create_connection((str(address.host), int(address.port or 0)), timeout=10) as connection:
        connection.sendall(header.encode())
        # Nothing of the body was sent: the answer did not wait for it, and the connection ends with it.
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in answer.lower()


def test_whoever_sends_a_large_body_all_the_same_fills_no_memory(keyed: KeyedService) -> None:
    process = psutil.Process(keyed.service.process.pid)
    before = process.memory_info().rss
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(1024):
            yield bytes(2**16)
            sent += 2**16

    length = {"Content-Length": str(64 * 2**20)}
    with keyed.open() as nobody:
        response = nobody.put("/v1/detections/d", content=body(), headers=length)
    assert response.status_code == 401
    # What fits into the sockets' buffers was sent, and nothing more taken.
    assert sent < 16 * 2**20
    assert process.memory_info().rss - before < 8 * 2**20


def test_no_secret_is_told_to_anyone(keyed: KeyedService) -> None:
    keys = [*keyed.keys.values(), keyed.expired, keyed.wrong]
    bodies = []
    with keyed.open(Scope.READ) as client:
        for key in keys:
            bodies += [
                httpx.get(f"{keyed.service.url}{path}", headers=bearer(key)).text for path in ("/v1/model", "/no")
            ]
        bodies += [client.get(path).text for path in ("/metrics", "/openapi.json", "/docs", "/readyz")]
    hashes = [key.secret_sha256.hex() for key in _stored(keyed.key_file)]
    secrets = [key.split("_", 2)[2] for key in keys] + hashes
    for text in (*bodies, keyed.service.log):
        assert not any(secret in text for secret in secrets)
    assert f'"key_id": "{keyed.keys[Scope.READ].split("_")[1]}"' in keyed.service.log


def _stored(path: Path) -> list[Any]:
    with edit_key_file(path) as edited:
        return list(edited.keys)


def test_the_right_key_does_the_work(keyed: KeyedService) -> None:
    fields = {"camera_id": "access", "timestamp": "1790000000"}
    with keyed.open(Scope.INGEST) as cameras, keyed.open(Scope.SEARCH) as console, keyed.open(Scope.ADMIN) as admin:
        assert cameras.put("/v1/detections/done", data=fields, files={"image": crop_file(1)}).status_code == 201
        found = console.post("/v1/search", files={"image": crop_file(1)}).json()["matches"]
        assert [match["detection_id"] for match in found] == ["done"]
        assert admin.delete("/v1/detections/done").status_code == 204


def test_every_answer_has_the_security_headers(keyed: KeyedService) -> None:
    names = {"x-content-type-options", "referrer-policy", "x-frame-options", "content-security-policy"}
    names |= {"cross-origin-resource-policy", "cache-control"}
    with keyed.open() as nobody, keyed.open(Scope.READ) as reader:
        answers = [nobody.get("/livez"), nobody.get("/v1/model"), reader.get("/v1/model"), reader.get("/nothing")]
        answers += [reader.delete("/v1/detections/x"), reader.get("/docs"), reader.get("/v1/detections?limit=0")]
        answers += [reader.get("/v1/model", headers={"Origin": "https://evil.example"})]
    assert [answer.status_code for answer in answers] == [200, 401, 200, 404, 403, 200, 422, 403]
    for answer in answers:
        assert names <= set(answer.headers), answer.url
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert not [name for name in answer.headers if name.startswith(("access-control", "server"))]
