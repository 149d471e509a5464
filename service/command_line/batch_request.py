"""One batch of detections as one request, and what the service says of each item."""

import json
from dataclasses import dataclass
from http import HTTPStatus
from mimetypes import guess_type

import httpx

from service.command_line.command_error import CommandError
from service.command_line.detection_file import DetectionFile
from service.command_line.service_answers import BatchAnswer, Problem
from service.command_line.service_client import read_answer, read_problem, require_access

# A part of a multipart body: its field, and its file name, content and media type.
_Part = tuple[str, tuple[str | None, bytes, str]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one detection: 201 new, 200 replaced, else with a problem; status None: the file was not read."""

    detection: DetectionFile
    status: int | None
    problem_lines: tuple[str, ...] = ()

    @property
    def is_stored(self) -> bool:
        """Whether the service has it on disk."""
        return self.status in (HTTPStatus.OK, HTTPStatus.CREATED)


@dataclass(frozen=True, slots=True)
class BatchReply:
    """An outcome for each item, in any order, and what the answer's Retry-After said."""

    outcomes: list[Outcome]
    retry_after_seconds: float = 0.0


def send_batch(client: httpx.Client, batch: list[DetectionFile]) -> BatchReply:
    """Read and send a batch: one request, or halves of it where the service says that it is too large.

    Raises:
        CommandError: the answer is not one of this contract, or refuses the API key.
        httpx.TransportError: the service cannot be reached.
    """
    images: dict[str, bytes] = {}
    unread: list[Outcome] = []
    for detection in batch:
        try:
            images[detection.detection_id] = detection.path.read_bytes()
        except OSError as error:
            unread.append(Outcome(detection, None, (f"cannot be read: {error.strerror or error}",)))
    readable = [detection for detection in batch if detection.detection_id in images]
    if not readable:
        return BatchReply(unread)
    response = client.post("/v1/detections:batch", files=_parts(readable, images))
    require_access(response)
    if response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and len(readable) > 1:
        middle = len(readable) // 2
        halves = [send_batch(client, readable[:middle]), send_batch(client, readable[middle:])]
        outcomes = [outcome for half in halves for outcome in half.outcomes]
        return BatchReply(unread + outcomes, max(half.retry_after_seconds for half in halves))
    return BatchReply(unread + _outcomes(readable, response), _retry_after_seconds(response))


def _parts(batch: list[DetectionFile], images: dict[str, bytes]) -> list[_Part]:
    """The multipart body. Files go by the detection's ID, which needs no quoting and is there once."""
    manifest = json.dumps([_manifest_item(detection) for detection in batch]).encode()
    parts: list[_Part] = [("manifest", (None, manifest, "application/json"))]
    for detection in batch:
        media_type = guess_type(detection.path.name)[0] or "application/octet-stream"
        parts.append(("images", (detection.detection_id, images[detection.detection_id], media_type)))
    return parts


def _manifest_item(detection: DetectionFile) -> dict[str, str]:
    item = {
        "file": detection.detection_id,
        "detection_id": detection.detection_id,
        "camera_id": detection.camera_id,
        "timestamp": detection.timestamp,
    }
    if detection.track_id is not None:
        item["track_id"] = detection.track_id
    if detection.person_id is not None:
        item["person_id"] = detection.person_id
    return item


def _outcomes(batch: list[DetectionFile], response: httpx.Response) -> list[Outcome]:
    if not response.is_success:
        problem = read_problem(response)
        return [_refused(detection, problem.status, problem) for detection in batch]
    results = read_answer(response, BatchAnswer).results
    if len(results) != len(batch):
        raise CommandError(f"{response.url} was sent {len(batch)} detections and answered for {len(results)}")
    return [
        _refused(detection, item.status, item.problem) if item.problem else Outcome(detection, item.status)
        for detection, item in zip(batch, results, strict=True)
    ]


def _refused(detection: DetectionFile, status: int, problem: Problem) -> Outcome:
    return Outcome(detection, status, tuple(problem.lines()))


def _retry_after_seconds(response: httpx.Response) -> float:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdecimal() else 0.0
