"""Searches, comparisons, listings, detections that were looked at or replaced, and erasures as the audit record holds
them: what was asked, by whom, and what came of it.

A search is on record before it is answered, and one that cannot be put on record is not answered; so is what is read. A
replacement is on record before it is done, and one that cannot be put on record is not done. An
erasure is on record before it begins and after it ended, so that a crash in between hides nothing; and it is done even
if no entry can be written, for the person whose pictures they are goes before the record.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from typing import TypeVar

import numpy as np

from service.access.camera_limit import EVERY_CAMERA, CameraLimit
from service.audit.audit_events import (
    AuditedFilter,
    ClockConfirmed,
    Erased,
    EraseRequested,
    Fetched,
    Listed,
    Replaced,
    RetentionErased,
    Source,
)
from service.audit.describe_for_audit import (
    describe_comparison,
    describe_filter,
    describe_place,
    describe_search,
)
from service.components import Components
from service.erasure.erase_detections import erase_detection, erase_detections
from service.errors import DetectionNotFound, Forbidden, QueueFull, ServiceError
from service.inference.feature_extraction import FeatureMap
from service.ingest.ingest_detection import IngestedDetection, NewDetection, ingest_detection
from service.read_detections import StoredCrop, list_detections, read_crop, read_feature_map, read_metadata
from service.records import DetectionFilter, DetectionMetadata, DetectionPage, DetectionRecord
from service.rfc_3339 import format_moment
from service.search.compare_crops import Comparison, compare_crops
from service.search.search_gallery import search_gallery
from service.search.search_records import SearchQuery, SearchResult
from service.storage.detection_store import DetectionStore
from service.storage.erasure_receipts import ErasureReceipt
from service.storage.record_encoding import DamagedRecord

Answer = TypeVar("Answer")

# An entry stays below 256 kB with the longest IDs there can be.
_IDS_IN_ONE_ENTRY = 1900
# The word for an end that no error of the service's says: the request was given up, or nobody foresaw it.
_GIVEN_UP = "given-up"


async def search_on_record(
    components: Components, query: SearchQuery, source: Source, describe: Callable[[SearchResult], Answer]
) -> Answer:
    """What `describe` makes of `search_gallery`'s result, on record. A search that fails is recorded too, but for one
    that a full queue refused.

    Args:
        components: of the running service.
        query: what is searched.
        source: who asked.
        describe: runs in a thread while the entry goes to the disk; what it gives is returned when both are done.

    Raises:
        StorageFull, Unavailable, QueueFull: it cannot be put on record, so that its result is withheld.
        ServiceError: as `search_gallery`.
    """
    digest = None if query.image is None else await _hash(query.image)
    try:
        result = await search_gallery(components, query)
    except QueueFull:
        raise  # Nothing was looked at, and an overload is not made worse by writing down each request of it.
    except ServiceError as error:
        await components.audit.record(
            describe_search(components.fingerprint, query, digest, None, source=source, problem=error.slug)
        )
        raise
    except BaseException:
        components.audit.note(
            describe_search(components.fingerprint, query, digest, None, source=source, problem=_GIVEN_UP)
        )
        raise
    entry = describe_search(components.fingerprint, query, digest, result, source=source, problem=None)
    _, answer = await asyncio.gather(components.audit.record(entry), asyncio.to_thread(describe, result))
    return answer


async def compare_on_record(
    components: Components, query: bytes, gallery: bytes, num_correspondences: int, source: Source
) -> Comparison:
    """`compare_crops`, on record in the same way as a search.

    Raises:
        StorageFull, Unavailable, QueueFull: it cannot be put on record, so that its result is withheld.
        ServiceError: as `compare_crops`.
    """
    digests = await _hash(query), await _hash(gallery)
    try:
        comparison = await compare_crops(components, query, gallery, num_correspondences)
    except QueueFull:
        raise
    except ServiceError as error:
        await components.audit.record(
            describe_comparison(components.fingerprint, digests, None, source=source, problem=error.slug)
        )
        raise
    except BaseException:
        components.audit.note(
            describe_comparison(components.fingerprint, digests, None, source=source, problem=_GIVEN_UP)
        )
        raise
    await components.audit.record(
        describe_comparison(components.fingerprint, digests, comparison, source=source, problem=None)
    )
    return comparison


async def ingest_on_record(
    components: Components, detection: NewDetection, source: Source, cameras: CameraLimit = EVERY_CAMERA
) -> IngestedDetection:
    """`ingest_detection`; where it replaces a stored one by another picture, camera or time, that is put on record.

    Raises:
        Forbidden: it is of another camera than the caller's, or the detection that it would replace is.
        StorageFull, Unavailable, QueueFull: a replacement cannot be put on record, so that it is not made.
        ServiceError: as `ingest_detection`.
    """
    cameras.require(detection.camera_id)

    async def before_replacing(stored: DetectionMetadata, record: DetectionRecord) -> None:
        if not cameras.admits(stored.camera_id):
            raise Forbidden(
                f"{cameras.description}; the detection {detection.detection_id!r} that is stored is of another: use "
                "another ID"
            )
        before_sha256, is_same = await asyncio.to_thread(_compare_with_stored, components.store, record)
        if is_same and (stored.camera_id, stored.timestamp_us) == (detection.camera_id, detection.timestamp_us):
            return
        before = describe_place(stored, before_sha256)
        after = describe_place(record.metadata, await _hash(detection.image))
        await components.audit.record(Replaced(source, stored.detection_id, before, after))

    return await ingest_detection(components, detection, before_replacing)


async def list_on_record(
    components: Components,
    chosen: DetectionFilter,
    limit: int,
    cursor: str | None,
    *,
    source: Source,
    cameras: CameraLimit = EVERY_CAMERA,
) -> DetectionPage:
    """`list_detections`, each page on record. Raises as it does, and StorageFull, Unavailable, QueueFull."""
    page = await list_detections(components, chosen, limit, cursor, cameras)
    event = Listed(
        source=source,
        filter=describe_filter(chosen),
        cameras=None if cameras.camera_ids is None else tuple(sorted(cameras.camera_ids)),
        limit=limit,
        is_continued=cursor is not None,
        count=len(page.detections),
    )
    await components.audit.record(event)
    return page


async def read_metadata_on_record(
    components: Components, detection_id: str, source: Source, cameras: CameraLimit = EVERY_CAMERA
) -> DetectionMetadata:
    """`read_metadata`, on record where there is any. Raises as it does, and StorageFull, Unavailable, QueueFull."""
    metadata = await read_metadata(components, detection_id, cameras)
    await components.audit.record(Fetched(source, detection_id, "metadata"))
    return metadata


async def read_crop_on_record(
    components: Components, detection_id: str, source: Source, cameras: CameraLimit = EVERY_CAMERA
) -> StoredCrop:
    """`read_crop`, likewise."""
    crop = await read_crop(components, detection_id, cameras)
    await components.audit.record(Fetched(source, detection_id, "image"))
    return crop


async def read_feature_map_on_record(
    components: Components, detection_id: str, source: Source, cameras: CameraLimit = EVERY_CAMERA
) -> FeatureMap:
    """`read_feature_map`, likewise."""
    feature_map = await read_feature_map(components, detection_id, cameras)
    await components.audit.record(Fetched(source, detection_id, "feature_map"))
    return feature_map


async def erase_detection_on_record(components: Components, detection_id: str, source: Source) -> ErasureReceipt:
    """`erase_detection`, on record. Raises as it does."""
    erasure = await _Erasure.begin(components, AuditedFilter(detection_id=detection_id), source)
    try:
        receipt = await erase_detection(components, detection_id)
    except BaseException as error:
        await erasure.end(error)
        raise
    erasure.erased.append(detection_id)
    await erasure.end(None)
    return receipt


async def erase_detections_on_record(components: Components, chosen: DetectionFilter, source: Source) -> ErasureReceipt:
    """`erase_detections`, on record, with the IDs of what was erased. Raises as it does."""
    erasure = await _Erasure.begin(components, describe_filter(chosen), source)
    try:
        receipt = await erase_detections(components, chosen, erasure.erased.append)
    except BaseException as error:
        await erasure.end(error)
        raise
    await erasure.end(None)
    return receipt


async def confirm_clock_on_record(components: Components, time_us: int, source: Source) -> int:
    """`ClockCheck.confirm`, on record: what is too old by it is deleted from then on. Raises as it does."""
    doubt = components.clock.doubt
    now_us = await asyncio.to_thread(components.clock.confirm, time_us)
    await components.audit.record_regardless(ClockConfirmed(source, format_moment(now_us), doubt))
    return now_us


def retention_recorder(components: Components) -> Callable[[Sequence[str]], Awaitable[None]]:
    """What puts on record that detections reached their age; they are gone whether it can or not."""

    async def record(detection_ids: Sequence[str]) -> None:
        await components.audit.record_regardless(RetentionErased(len(detection_ids), tuple(detection_ids)))

    return record


class _Erasure:
    """An erasure under way: its first entry is written, and what it erased is gathered for its last."""

    def __init__(self, components: Components, source: Source, requested: int | None) -> None:
        self.erased: list[str] = []
        self._components = components
        self._source = source
        self._requested = requested

    @classmethod
    async def begin(cls, components: Components, meant: AuditedFilter, source: Source) -> "_Erasure":
        place = await components.audit.record_regardless(EraseRequested(source, meant))
        return cls(components, source, None if place is None else place.sequence)

    async def end(self, error: BaseException | None) -> None:
        ids = tuple(self.erased)
        parts = [ids[start : start + _IDS_IN_ONE_ENTRY] for start in range(0, len(ids), _IDS_IN_ONE_ENTRY)] or [()]
        slug = error.slug if isinstance(error, ServiceError) else _GIVEN_UP
        for number, part in enumerate(parts, start=1):
            event = Erased(
                source=self._source,
                requested=self._requested,
                count=len(ids),
                is_complete=error is None or isinstance(error, DetectionNotFound),
                problem=None if error is None else slug,
                part=number,
                parts=len(parts),
                detection_ids=part,
            )
            await self._components.audit.record_regardless(event)


def _compare_with_stored(store: DetectionStore, record: DetectionRecord) -> tuple[str | None, bool]:
    """The SHA-256 of the stored crop, None where none is kept, and whether the new one is the same picture.

    Where a crop is not kept, its feature map tells. Of a damaged record nobody knows.
    """
    detection_id = record.metadata.detection_id
    try:
        crop, feature_map = store.get_crop(detection_id), store.get_feature_map(detection_id)
    except DamagedRecord:
        return None, False
    if crop and record.crop:
        is_same = crop == record.crop
    else:
        is_same = feature_map is not None and np.array_equal(feature_map, record.feature_map)
    return sha256(crop).hexdigest() if crop else None, is_same


async def _hash(image: bytes) -> str:
    return await asyncio.to_thread(lambda: sha256(image).hexdigest())
