"""Every key that the service has in Redis.

    {prefix}detection:{id}      hash        the metadata of a detection
    {prefix}times               sorted set  all detections; score: timestamp in microseconds, member: detection ID
    {prefix}camera:{id}:times   sorted set  those of a camera
    {prefix}track:{id}:times    sorted set  those of a track
    {prefix}person:{id}:times   sorted set  those of a person
    {prefix}cameras             set         the cameras that have detections
    {prefix}in_step             string      which service brought these keys in step with its disk

IDs may hold colons; a key is still read in one way only, because the kind comes first and `:times` last. Other keys
under the prefix belong to others and are left alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RedisKeys:
    """The keys under one prefix."""

    prefix: str

    @property
    def times(self) -> str:
        """The sorted set of all detections."""
        return f"{self.prefix}times"

    @property
    def cameras(self) -> str:
        """The set of cameras that have detections."""
        return f"{self.prefix}cameras"

    @property
    def in_step(self) -> str:
        """The marker that Redis was brought in step with the disk."""
        return f"{self.prefix}in_step"

    def detection(self, detection_id: str) -> str:
        """The hash of a detection."""
        return f"{self.prefix}detection:{detection_id}"

    def camera_times(self, camera_id: str) -> str:
        """The sorted set of a camera's detections."""
        return f"{self.prefix}camera:{camera_id}:times"

    def track_times(self, track_id: str) -> str:
        """The sorted set of a track's detections."""
        return f"{self.prefix}track:{track_id}:times"

    def person_times(self, person_id: str) -> str:
        """The sorted set of a person's detections."""
        return f"{self.prefix}person:{person_id}:times"

    def memberships(self, fields: Mapping[str, str]) -> list[str]:
        """Every sorted set that a detection with this hash belongs to, with its timestamp as its score."""
        keys = [self.times]
        if "camera_id" in fields:
            keys.append(self.camera_times(fields["camera_id"]))
        if "track_id" in fields:
            keys.append(self.track_times(fields["track_id"]))
        if "person_id" in fields:
            keys.append(self.person_times(fields["person_id"]))
        return keys

    def detection_id_of(self, key: str) -> str | None:
        """The detection whose hash a key is; None for other keys."""
        begin = self.detection("")
        return key.removeprefix(begin) if key.startswith(begin) else None

    def type_of(self, key: str) -> str | None:
        """The Redis type that a key of the service has: `hash`, `zset` or `set`; None for a key that is not ours."""
        if self.detection_id_of(key) is not None:
            return "hash"
        kinds = tuple(f"{self.prefix}{kind}:" for kind in ("camera", "track", "person"))
        if key == self.times or (key.startswith(kinds) and key.endswith(":times")):
            return "zset"
        return "set" if key == self.cameras else None

    @property
    def pattern(self) -> str:
        """A glob pattern of all keys under the prefix, for SCAN."""
        return re.sub(r"([*?\[\]\\])", r"\\\1", self.prefix) + "*"
