import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from service.command_line.command_error import FAILED, USAGE, CommandError
from service.command_line.service_answers import BatchAnswer
from service.command_line.service_client import DEFAULT_URL, open_client, read_answer, read_problem, require_access


def response(status: int, content: bytes, media_type: str = "application/json") -> httpx.Response:
    request = httpx.Request("POST", "http://127.0.0.1:8000/v1/search")
    return httpx.Response(status, content=content, headers={"content-type": media_type}, request=request)


def test_nobody_there_is_one_line_that_says_what_to_do() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(CommandError) as caught, open_client(url) as client:
            client.get("/livez")
    assert caught.value.exit_status == FAILED
    assert len(caught.value.lines) == 1
    assert url in caught.value.lines[0]
    assert "qaconv-service serve" in caught.value.lines[0]


def test_a_proxy_of_the_environment_is_not_asked_for_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with ThreadPoolExecutor(1) as executor:
            request = executor.submit(read_request, server)
            with pytest.raises(CommandError, match=f"the connection to {url} broke"), open_client(url) as client:
                client.get("/livez")
            assert request.result().startswith(b"GET /livez")


def read_request(server: socket.socket) -> bytes:
    """Take a request and hang up without an answer."""
    server.settimeout(10.0)
    connection, _ = server.accept()
    with connection:
        return connection.recv(65536)


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://there", "http://", "http://there:port", ""])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(CommandError, match="--url is") as caught, open_client(url):
        pass
    assert caught.value.exit_status == USAGE


def test_a_problem_is_told_with_its_fields_and_its_request() -> None:
    problem = {
        "type": "/problems/invalid-field",
        "title": "A field is wrong",
        "status": 422,
        "detail": "limit: from 1 to 1000",
        "request_id": "r-1",
        "errors": [
            {"field": "limit", "message": "from 1 to 1000"},
            {"field": "group_by", "message": "detection, track or person"},
        ],
    }
    answer = response(422, json.dumps(problem).encode(), "application/problem+json")
    with pytest.raises(CommandError) as caught:
        read_answer(answer, BatchAnswer)
    # What the reason has told already is not told again.
    assert caught.value.lines == (
        "A field is wrong (422): limit: from 1 to 1000",
        "  group_by: detection, track or person",
        "  request r-1",
    )


def test_an_error_of_something_else_says_that_it_is_something_else() -> None:
    problem = read_problem(response(404, b"<html>", "text/html"))
    assert problem.status == 404
    assert "without a problem document (text/html): is it a qaconv-service?" in problem.detail


def test_an_answer_of_another_shape_is_refused() -> None:
    with pytest.raises(CommandError, match=r"answered 200, but not as this version expects \(1 members differ\)"):
        read_answer(response(200, b"{}"), BatchAnswer)


def test_a_refused_key_says_where_keys_come_from() -> None:
    problem = {"title": "No valid API key", "status": 401, "detail": "this needs an API key", "request_id": "r-2"}
    answer = response(401, json.dumps(problem).encode(), "application/problem+json")
    with pytest.raises(CommandError) as caught:
        require_access(answer)
    assert caught.value.lines == (
        "No valid API key (401): this needs an API key",
        "  the key is read from --api-key-file FILE, or from the variable QACONV_API_KEY",
        "  request r-2",
    )
    require_access(response(200, b"{}"))
    require_access(response(429, b"{}"))


def test_a_key_that_would_cross_the_network_in_clear_text_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QACONV_API_KEY", "key-of-the-test")
    for url, is_told in (
        ("http://service.example", True),
        ("https://service.example", False),
        ("http://127.0.0.1", False),
    ):
        with open_client(url) as client:
            assert client.headers["authorization"] == "Bearer key-of-the-test"
        message = capsys.readouterr().err
        assert ("is not https" in message) == is_told
        assert "key-of-the-test" not in message


def test_a_file_of_certificates_that_is_none(tmp_path: Path) -> None:
    with (
        pytest.raises(CommandError, match="cannot be read: No such file") as caught,
        open_client(DEFAULT_URL, None, tmp_path / "no"),
    ):
        pass
    assert caught.value.exit_status == USAGE
    (tmp_path / "text").write_text("text")
    with pytest.raises(CommandError, match="holds no certificates"), open_client(DEFAULT_URL, None, tmp_path / "text"):
        pass
