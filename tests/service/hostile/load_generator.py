"""Sends requests over keep-alive connections at a rate of its own, whether earlier ones are answered or not.

Requests are bytes, encoded once: on a small machine the load generator must not take what the service needs.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

_CONNECTIONS = 256


@dataclass(slots=True)
class LoadReport:
    """What came back.

    Attributes:
        statuses: answers by status; 0 where the connection broke.
        seconds: latencies of the answers that were not refused with 429, in order of their arrival.
        not_sent: requests for which no connection was free: then the load was less than asked for.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    refused_seconds: list[float] = field(default_factory=list)
    not_sent: int = 0

    @property
    def answered(self) -> int:
        return sum(self.statuses.values())


def encode_request(method: str, path: str, body: bytes = b"", content_type: str = "") -> bytes:
    """One HTTP/1.1 request."""
    head = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    if content_type:
        head.append(f"Content-Type: {content_type}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def encode_form(method: str, path: str, image: bytes, **fields: str) -> bytes:
    """One request with a multipart form."""
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in fields.items()]
    file = (
        b'--b\r\nContent-Disposition: form-data; name="image"; filename="crop.jpg"\r\n\r\n' + image + b"\r\n--b--\r\n"
    )
    return encode_request(method, path, "".join(parts).encode() + file, "multipart/form-data; boundary=b")


async def saturate(port: int, draw: Callable[[], bytes], seconds: float, clients: int) -> LoadReport:
    """A few clients, each of which sends as soon as it has its answer: what the service can do."""
    report = LoadReport()
    end = time.monotonic() + seconds

    async def run() -> None:
        connection = _Connection(port)
        while time.monotonic() < end:
            await connection.exchange(draw(), report)
        connection.close()

    await asyncio.gather(*(run() for _ in range(clients)))
    return report


async def send_at_rate(port: int, draw: Callable[[], bytes], rate: float, seconds: float) -> LoadReport:
    """`rate` requests a second, evenly."""
    report = LoadReport()
    free = [_Connection(port) for _ in range(_CONNECTIONS)]
    await asyncio.gather(*(connection.open() for connection in free))
    running: set[asyncio.Task[None]] = set()

    async def run(connection: _Connection) -> None:
        await connection.exchange(draw(), report)
        free.append(connection)

    began = time.monotonic()
    sent = 0
    while (elapsed := time.monotonic() - began) < seconds:
        while sent < elapsed * rate:
            sent += 1
            if not free:
                report.not_sent += 1
                continue
            task = asyncio.create_task(run(free.pop()))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.sleep(0.005)
    await asyncio.gather(*running)
    for connection in free:
        connection.close()
    return report


class _Connection:
    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def exchange(self, request: bytes, report: LoadReport) -> None:
        began = time.monotonic()
        is_reused = self._streams is not None
        status = await self._try(request)
        if status == 0 and is_reused:
            # The service closes connections that were idle for a while; who reuses one must be ready to ask again.
            status = await self._try(request)
        report.statuses[status] += 1
        (report.refused_seconds if status == 429 else report.seconds).append(time.monotonic() - began)

    async def _try(self, request: bytes) -> int:
        try:
            return await self._exchange(request)
        except (OSError, EOFError):
            self.close()
            return 0

    async def open(self) -> None:
        self._streams = await asyncio.open_connection("127.0.0.1", self._port)

    async def _exchange(self, request: bytes) -> int:
        if self._streams is None:
            await self.open()
        assert self._streams is not None
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        _, _, rest = head.partition(b"content-length: ")
        await reader.readexactly(int(rest.partition(b"\r\n")[0] or 0))
        if b"connection: close" in head:
            self.close()
        return int(head[9:12])

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
