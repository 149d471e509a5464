"""Sends detections in batches, a few at a time, and tries again what the service had no room for."""

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from http import HTTPStatus

import httpx

from service.command_line.batch_request import Outcome, send_batch
from service.command_line.detection_file import DetectionFile

MAX_BATCH_ITEMS = 32
# A quarter of what the service takes by default; one file alone may be larger.
MAX_BATCH_BYTES = 16 * 2**20
# Enough that the service decodes one batch while another is on the device.
BATCHES_IN_FLIGHT = 4
_RETRIED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
# With the waits below this is about a minute, longer than the service takes to work off a full queue.
_MAX_ATTEMPTS = 10
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.25, 10.0


def upload(
    client: httpx.Client, detections: Sequence[DetectionFile], on_progress: Callable[[int], None]
) -> list[Outcome]:
    """Send all detections.

    Args:
        client: of the service.
        detections: with distinct IDs.
        on_progress: called in this thread with how many more have their final outcome.

    Returns:
        The outcomes in the order of the detections. Where the service is full, what was not begun is not sent.

    Raises:
        CommandError: an answer is not one of this contract.
        httpx.TransportError: the service cannot be reached; batches that were not begun are not sent.
    """
    stopping, is_full = threading.Event(), threading.Event()
    outcomes: dict[str, Outcome] = {}
    with ThreadPoolExecutor(BATCHES_IN_FLIGHT) as executor:
        try:
            batches = plan_batches(detections)
            futures = [executor.submit(_send_unless_full, client, batch, is_full, stopping) for batch in batches]
            for future in as_completed(futures):
                settled = future.result()
                if any(outcome.status == HTTPStatus.INSUFFICIENT_STORAGE for outcome in settled):
                    is_full.set()
                outcomes.update((outcome.detection.detection_id, outcome) for outcome in settled)
                on_progress(len(settled))
        finally:
            stopping.set()
            executor.shutdown(wait=False, cancel_futures=True)
    return [outcomes[detection.detection_id] for detection in detections]


def plan_batches(detections: Sequence[DetectionFile]) -> list[list[DetectionFile]]:
    """Batches in order, each within both limits or of one file."""
    batches: list[list[DetectionFile]] = []
    num_bytes = 0
    for detection in detections:
        # A file that is not there takes no room; reading it says so later, without failing its neighbours.
        size = detection.path.stat().st_size if detection.path.is_file() else 0
        if not batches or len(batches[-1]) == MAX_BATCH_ITEMS or num_bytes + size > MAX_BATCH_BYTES:
            batches.append([])
            num_bytes = 0
        batches[-1].append(detection)
        num_bytes += size
    return batches


def _send_unless_full(
    client: httpx.Client, batch: list[DetectionFile], is_full: threading.Event, stopping: threading.Event
) -> list[Outcome]:
    if is_full.is_set():
        return [Outcome(detection, None, ("not sent, for the service is full",)) for detection in batch]
    return _send_until_settled(client, batch, stopping)


def _send_until_settled(client: httpx.Client, batch: list[DetectionFile], stopping: threading.Event) -> list[Outcome]:
    """Every item's outcome; those that the service refused for now are sent again, later and later."""
    settled: list[Outcome] = []
    refused: list[Outcome] = []
    for attempt in range(_MAX_ATTEMPTS):
        reply = send_batch(client, batch)
        settled += [outcome for outcome in reply.outcomes if outcome.status not in _RETRIED]
        refused = [outcome for outcome in reply.outcomes if outcome.status in _RETRIED]
        batch = [outcome.detection for outcome in refused]
        if not batch or attempt == _MAX_ATTEMPTS - 1:
            break
        wait = max(min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2**attempt), reply.retry_after_seconds)
        # Each waits a little differently, so that the batches do not all come back at once.
        if stopping.wait(wait * random.uniform(1.0, 1.25)):
            break
    return settled + [_given_up(outcome) for outcome in refused]


def _given_up(outcome: Outcome) -> Outcome:
    last_lines = (*outcome.problem_lines, f"  given up after {_MAX_ATTEMPTS} attempts; ingesting again is harmless")
    return replace(outcome, problem_lines=last_lines)
