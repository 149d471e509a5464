"""Clients of a service under measurement: each a thread with one connection that sends prepared requests, one by one.

Requests are encoded beforehand, so that the clients, which share the machine with the service, take little of it.
"""

import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx

_ANSWER_SECONDS = 900


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A request, ready to be sent."""

    method: str
    path: str
    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer, and how long it took by the client's clock."""

    seconds: float
    body: Any


@dataclass(frozen=True, slots=True)
class Load:
    """What some clients got together, and in which time."""

    answers: Sequence[Answer]
    seconds: float


def prepare(
    method: str, path: str, fields: Mapping[str, str], files: Sequence[tuple[str, tuple[str, bytes]]]
) -> PreparedRequest:
    """A multipart form: texts by field, and files as (field, (file name, content))."""
    request = httpx.Request(method, f"http://127.0.0.1{path}", data=fields, files=list(files))
    return PreparedRequest(method, path, request.read(), request.headers["content-type"])


def send_for(url: str, requests: Iterator[PreparedRequest], clients: int, seconds: float) -> Load:
    """Clients that send until the time is over, at least one request each; the last answers are waited for."""
    deadline = time.perf_counter() + seconds
    return _send(url, requests, clients, lambda sent: sent == 0 or time.perf_counter() < deadline)


def send_all(url: str, requests: Sequence[PreparedRequest], clients: int) -> Load:
    """Clients that share a number of requests."""
    return _send(url, iter(requests), clients, lambda _: True)


def _send(url: str, requests: Iterator[PreparedRequest], clients: int, goes_on: Callable[[int], bool]) -> Load:
    door = threading.Lock()

    def work() -> list[Answer]:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=_ANSWER_SECONDS)
        answers: list[Answer] = []
        try:
            while goes_on(len(answers)):
                with door:
                    request = next(requests, None)
                if request is None:
                    break
                answers.append(_send_one(connection, request))
        finally:
            connection.close()
        return answers

    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as threads:
        futures = [threads.submit(work) for _ in range(clients)]
        answers = list(itertools.chain.from_iterable(future.result() for future in futures))
    return Load(answers, time.perf_counter() - started)


def _send_one(connection: http.client.HTTPConnection, request: PreparedRequest) -> Answer:
    started = time.perf_counter()
    connection.request(request.method, request.path, request.content, {"Content-Type": request.content_type})
    response = connection.getresponse()
    content = response.read()
    seconds = time.perf_counter() - started
    if response.status >= http.client.MULTIPLE_CHOICES:
        raise RuntimeError(f"{request.method} {request.path} was answered {response.status}: {content[:500]!r}")
    return Answer(seconds, json.loads(content))
