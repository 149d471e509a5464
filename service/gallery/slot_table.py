"""What is known of the detection in each slot of the device's memory, and which slots are free."""

import threading
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from service.errors import StorageFull
from service.records import CandidateFilter, DetectionMetadata

_EARLIEST, _LATEST = -(2**63), 2**63 - 1


class SlotTable:
    """Slots 0 to capacity − 1, one a detection.

    A slot is reserved (any thread), then filled, then freed (device thread). Only filled slots are candidates.
    Cameras are numbered, for there are few; tracks and persons come and go for years and are kept as they are.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._lock = threading.Lock()
        self._slot_of: dict[str, int] = {}
        self._freed: list[int] = []
        self._never_used = 0
        self._camera_numbers: dict[str, int] = {}
        self.camera_ids: list[str] = []
        self.is_filled = np.zeros(capacity, dtype=bool)
        self.detection_ids: npt.NDArray[np.object_] = np.full(capacity, None, dtype=object)
        self.track_ids: npt.NDArray[np.object_] = np.full(capacity, None, dtype=object)
        self.person_ids: npt.NDArray[np.object_] = np.full(capacity, None, dtype=object)
        self.timestamps_us = np.zeros(capacity, dtype=np.int64)
        self.cameras = np.zeros(capacity, dtype=np.int64)

    @property
    def size(self) -> int:
        """Filled slots."""
        return int(np.count_nonzero(self.is_filled[: self._never_used]))

    def reserve(self, detection_id: str) -> bool:
        """Makes sure that a detection has a slot; True if it had none.

        Raises:
            StorageFull: no slot is free.
        """
        with self._lock:
            if detection_id in self._slot_of:
                return False
            if self._freed:
                slot = self._freed.pop()
            elif self._never_used < self.capacity:
                slot = self._never_used
                self._never_used += 1
            else:
                raise StorageFull(
                    f"the gallery holds {self.capacity} detections, its capacity: erase some or raise "
                    "QACONV_GALLERY_CAPACITY"
                )
            self._slot_of[detection_id] = slot
            return True

    def reserved_slot(self, detection_id: str) -> int:
        """The slot of a detection that has one, filled or not."""
        return self._slot_of[detection_id]

    def fill(self, metadata: DetectionMetadata) -> None:
        """Makes a detection, whose map is in its reserved slot, a candidate."""
        slot = self._slot_of[metadata.detection_id]
        self.detection_ids[slot] = metadata.detection_id
        self.track_ids[slot] = metadata.track_id
        self.person_ids[slot] = metadata.person_id
        self.timestamps_us[slot] = metadata.timestamp_us
        self.cameras[slot] = self._number_of(metadata.camera_id)
        self.is_filled[slot] = True

    def free(self, detection_id: str) -> None:
        """Gives a detection's slot back, reserved or filled; does nothing where it has none."""
        with self._lock:
            slot = self._slot_of.pop(detection_id, None)
            if slot is None:
                return
            self.is_filled[slot] = False
            self.detection_ids[slot] = self.track_ids[slot] = self.person_ids[slot] = None
            self._freed.append(slot)

    def filled_slots(self, detection_ids: Iterable[str]) -> list[int]:
        """The slots of those detections that are filled, in the order given; others are left out."""
        slots = (self._slot_of.get(detection_id) for detection_id in detection_ids)
        return [slot for slot in slots if slot is not None and self.is_filled[slot]]

    def candidates(self, wanted: CandidateFilter, excluded_id: str | None) -> npt.NDArray[np.int64]:
        """The filled slots that a filter admits, ascending."""
        used = slice(0, self._never_used)
        mask: npt.NDArray[Any] = self.is_filled[used].copy()
        if wanted.camera_ids or wanted.exclude_camera_ids:
            is_admitted = np.array([wanted.admits_camera(camera_id) for camera_id in self.camera_ids], dtype=bool)
            mask[mask] = is_admitted[self.cameras[used][mask]]
        times = self.timestamps_us[used]
        if wanted.time_from_us is not None:
            mask &= times >= max(_EARLIEST, wanted.time_from_us)
        if wanted.time_to_us is not None:
            mask &= times < min(_LATEST, wanted.time_to_us)
        slots = np.flatnonzero(mask)
        if excluded_id is not None:
            slots = slots[slots != self._slot_of.get(excluded_id, -1)]
        return slots

    def _number_of(self, camera_id: str) -> int:
        if camera_id not in self._camera_numbers:
            self._camera_numbers[camera_id] = len(self.camera_ids)
            self.camera_ids.append(camera_id)
        return self._camera_numbers[camera_id]
