"""Clients that write to a service until it is gone, and what is in it afterwards.

What a detection looks like follows from its ID and version in every part, so that a mixture of two shows.
"""

import random
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from service.records import MICROSECONDS_PER_SECOND
from tests.trials.crop_pool import CropPool
from tests.trials.gallery_operations import (
    START_US,
    Delete,
    Put,
    Stored,
    answer_of,
    check_bytes,
    list_all,
    send_batch,
)
from tests.trials.promises import Promised

_IDS = 16
# Crops that were extracted together differ from those extracted alone by a rounding of float16 here and there.
_MAP_TOLERANCE = 5e-3
_SCORE_TOLERANCE = 5e-3


def stored_version(detection_id: str, version: int, pool: CropPool) -> Stored:
    """A version of a detection; that after it has another crop."""
    writer, _, _ = detection_id.partition("-")
    crop = (zlib.crc32(detection_id.encode()) + 7 * version) % pool.size
    moment = START_US + version * MICROSECONDS_PER_SECOND
    return Stored(crop, f"{writer}-c{version % 3}", moment, f"v{version}", f"{writer}-p{version % 2}")


@dataclass(slots=True)
class Writer:
    """One client with detections of its own."""

    name: str
    pool: CropPool
    draw: random.Random
    promised: Promised = field(default_factory=Promised)
    version: int = 0
    answered: int = 0

    def write_until(self, url: str, is_over: threading.Event) -> None:
        """Writes until it is told to stop or the service is gone."""
        with httpx.Client(base_url=url, timeout=60, verify=False) as client:
            while not is_over.is_set():
                try:
                    self._write_once(client)
                except httpx.TransportError:
                    return

    def _write_once(self, client: httpx.Client) -> None:
        kinds = [self._put, self._put, self._put, self._delete, self._batch, self._erase]
        self.draw.choice(kinds)(client)

    def _put(self, client: httpx.Client) -> None:
        put = self._next_put(self._any_id())
        self._promise({put.detection_id: self.version}, lambda: put.send(client, self.pool), {200, 201})

    def _delete(self, client: httpx.Client) -> None:
        detection_id = self._any_id()
        self._promise({detection_id: 0}, lambda: Delete(detection_id).send(client, self.pool), {204, 404})

    def _batch(self, client: httpx.Client) -> None:
        ids = self.draw.sample(range(_IDS), self.draw.randint(2, 6))
        puts, versions = [], {}
        for number in ids:
            puts.append(self._next_put(f"{self.name}-{number:02}"))
            versions[puts[-1].detection_id] = self.version
        self.promised.begin(versions)
        answer = send_batch(client, self.pool, puts)
        if answer.status_code == 503:
            return
        for result in answer.raise_for_status().json()["results"]:
            if result["status"] in (200, 201):
                self.promised.done({result["detection_id"]: versions[result["detection_id"]]})
                self.answered += 1
            else:
                assert result["status"] == 503, result

    def _erase(self, client: httpx.Client) -> None:
        camera, person = f"{self.name}-c{self.draw.randrange(3)}", f"{self.name}-p{self.draw.randrange(2)}"
        meant = {
            detection_id: 0
            for detection_id in self.promised.ids()
            for version in {self.promised.sure.get(detection_id, 0), *self.promised.possible.get(detection_id, ())}
            if version and self._is_of(detection_id, version, camera, person)
        }
        # Where a write has had no answer, the filter may or may not have met what is there.
        unsure = {each: 0 for each in meant if self.promised.possible.get(each)}
        self.promised.begin(unsure)
        fields = {"camera_id": camera, "person_id": person}
        surely = dict.fromkeys(meant.keys() - unsure.keys(), 0)
        self._promise(surely, lambda: client.post("/v1/detections:erase", json=fields), {200})

    def _is_of(self, detection_id: str, version: int, camera: str, person: str) -> bool:
        stored = stored_version(detection_id, version, self.pool)
        return (stored.camera_id, stored.person_id) == (camera, person)

    def _promise(self, versions: dict[str, int], send: Callable[[], httpx.Response], good: set[int]) -> None:
        self.promised.begin(versions)
        answer = send()
        if answer.status_code == 503:
            return
        assert answer.status_code in good, answer.text
        self.promised.done(versions)
        self.answered += 1

    def _next_put(self, detection_id: str) -> Put:
        self.version += 1
        return Put(detection_id, stored_version(detection_id, self.version, self.pool))

    def _any_id(self) -> str:
        return f"{self.name}-{self.draw.randrange(_IDS):02}"


def check_promises(client: httpx.Client, pool: CropPool, writers: list[Writer]) -> int:
    """Raises unless disk, Redis and device hold what all writers were promised, whole; how many detections that is."""
    listed = list_all(client, {})
    found = {str(each["detection_id"]): int(str(each["track_id"]).removeprefix("v")) for each in listed}
    assert len(found) == len(listed), "a detection is listed twice"
    for writer in writers:
        writer.promised.check(
            {each: version for each, version in found.items() if each.startswith(f"{writer.name}-")}
        )  # fmt: skip
    contents = {each: stored_version(each, version, pool) for each, version in found.items()}
    assert {str(each["detection_id"]): each for each in listed} == {
        each: answer_of(each, stored, pool) for each, stored in contents.items()
    }
    for detection_id, stored in contents.items():
        check_bytes(client, pool, detection_id, stored, _MAP_TOLERANCE)
    for detection_id in {each for writer in writers for each in writer.promised.ids()} - found.keys():
        # Of the disk: no Redis is asked for a feature map.
        assert client.get(f"/v1/detections/{detection_id}/feature_map").status_code == 404, detection_id
    _check_device(client, pool, contents)
    return len(found)


def _check_device(client: httpx.Client, pool: CropPool, contents: dict[str, Stored]) -> None:
    fields = {"limit": "1000", "num_correspondences": "0"}
    query = {"image": ("query.jpg", pool.files[0], "image/jpeg")}
    answer = client.post("/v1/search", data=fields, files=query).raise_for_status().json()
    assert answer["gallery"] == {"size": len(contents), "candidates": len(contents)}
    matches = {match["detection_id"]: match for match in answer["matches"]}
    assert len(matches) == len(answer["matches"])
    assert matches.keys() == contents.keys()
    for detection_id, stored in contents.items():
        match = matches[detection_id]
        assert (match["camera_id"], match["track_id"]) == (stored.camera_id, stored.track_id)
        assert abs(match["appearance_score"] - pool.appearance_score(0, stored.crop)) < _SCORE_TOLERANCE, detection_id
