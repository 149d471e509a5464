"""Services that break a promise, so that a trial can show that it notices: what a fork calls before it serves."""

import asyncio

from service.gallery.device_gallery import DeviceGallery
from service.records import DetectionRecord
from service.storage.detection_store import DetectionStore


def answer_before_it_is_on_disk() -> None:
    """Writes reach the disk a little after their answer."""
    put = DetectionStore.put
    later: set[asyncio.Task[bool]] = set()

    async def put_later(self: DetectionStore, record: DetectionRecord) -> bool:
        await asyncio.sleep(0.2)
        return await put(self, record)

    async def answer_now(self: DetectionStore, record: DetectionRecord) -> bool:
        task = asyncio.create_task(put_later(self, record))
        later.add(task)
        task.add_done_callback(later.discard)
        return self.get_metadata(record.metadata.detection_id) is None

    DetectionStore.put = answer_now  # type: ignore[method-assign]


def keep_what_is_erased_on_the_device() -> None:
    """Searches still find what was erased, until the next start."""
    DeviceGallery.remove = lambda self, detection_ids: [None] * len(detection_ids)  # type: ignore[method-assign]
