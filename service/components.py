"""The parts of a running service, opened and closed in the right order."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from model.checkpoint import Checkpoint, load_checkpoint, shipped_checkpoint_path
from model.gallery_scoring import multiplies_int8
from service.detection_writer import DetectionWriter
from service.device_operations import DeviceOperations, choose_device, create_device_operations
from service.gallery.create_gallery import DeviceScorer, create_gallery, create_scorer
from service.gallery.device_gallery import DeviceGallery
from service.gallery.gallery_format import GalleryFormat, choose_format
from service.gallery.slot_table import SlotTable
from service.gallery_model import settle_gallery_model
from service.inference.device_worker import DeviceWorker
from service.inference.feature_extraction import FeatureMap
from service.inference.image_decoding import ImageDecoder, ImageLimits
from service.observability.metrics import Metrics
from service.settings import Settings
from service.storage.audit.audit_log import AuditLog
from service.storage.clock_check import ClockCheck
from service.storage.detection_store import DetectionStore
from service.storage.embedded_redis import EmbeddedRedis
from service.storage.embedded_redis_supervision import keep_running
from service.storage.ingest_stream import IngestStream
from service.storage.metadata.metadata_index import KeyCounts, MetadataIndex
from service.storage.metadata.redis_keys import RedisKeys
from service.storage.record_encoding import DamagedRecord

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class RecoveryState:
    """How far recovery is. Searches and writes are answered once it is done.

    Attributes:
        key_counts: of Redis, when it was brought in step.
        unlisted: detections that the disk has and Redis does not list: their metadata is damaged, and not set aside.
    """

    is_done: bool = False
    progress: str = "recovery has not begun"
    key_counts: KeyCounts | None = None
    unlisted: set[str] = field(default_factory=set)


@dataclass(slots=True)
class ScrubState:
    """Why the last scrub left something; None if it did not."""

    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Components:
    """Everything that a flow may use.

    Attributes:
        gallery: the feature maps on the device; only the worker's thread touches it.
        gallery_format: in which form they lie there.
        slots: which detection lies where on the device.
        recovery: written by `recover_gallery` alone.
        scrub: written by `complete_erasures` alone.
        clock: the time by which ages are counted.
        stream: that detections are read from, beside HTTP; None where there is none.
    """

    settings: Settings
    checkpoint: Checkpoint
    fingerprint: str
    decoder: ImageDecoder
    worker: DeviceWorker
    operations: DeviceOperations
    gallery: DeviceGallery
    gallery_format: GalleryFormat
    slots: SlotTable
    store: DetectionStore
    index: MetadataIndex
    writer: DetectionWriter
    metrics: Metrics
    audit: AuditLog
    clock: ClockCheck
    recovery: RecoveryState = field(default_factory=RecoveryState)
    scrub: ScrubState = field(default_factory=ScrubState)
    stream: IngestStream | None = None


@asynccontextmanager
async def open_components(settings: Settings, metrics: Metrics | None = None) -> AsyncIterator[Components]:
    """Opens disk, Redis, model and device, and closes them in the opposite order.

    Args:
        settings: what the operator set.
        metrics: what every part reports to.

    Raises:
        CheckpointError, FileNotFoundError: the checkpoint cannot be loaded.
        CapacityError, ValueError: the device is not there or too small.
        DataDirectoryInUse: another service has the data directory.
        GalleryOfOtherModel, ReindexRunning: the gallery is of another model.
    """
    metrics = metrics or Metrics()
    async with AsyncExitStack() as stack:
        path = settings.checkpoint or shipped_checkpoint_path()
        checkpoint = load_checkpoint(path)
        store = DetectionStore.open(settings.data_dir, settings.disk_capacity_bytes, settings.max_waiting, metrics)
        stack.push_async_callback(asyncio.to_thread, store.close)
        await asyncio.to_thread(settle_gallery_model, store, settings.data_dir, path, checkpoint.fingerprint)
        audit = await asyncio.to_thread(AuditLog.open, settings.data_dir, settings.max_waiting)
        stack.push_async_callback(asyncio.to_thread, audit.close)
        clock = await asyncio.to_thread(ClockCheck.open, settings.data_dir, settings.longest_standstill_seconds)
        index = await _open_index(settings, stack, metrics)
        stream = await _open_stream(settings, stack)
        gallery, form, scoring = _create_gallery(settings, checkpoint, store)
        operations = create_device_operations(checkpoint, gallery, scoring, settings, metrics)
        worker = DeviceWorker(settings.max_waiting, metrics)
        stack.push_async_callback(asyncio.to_thread, worker.close)
        limits = ImageLimits(settings.max_image_pixels, settings.min_image_side)
        decoder = ImageDecoder(checkpoint.config, limits, settings.decoding_threads, settings.max_waiting, metrics)
        stack.push_async_callback(asyncio.to_thread, decoder.close)
        writer = DetectionWriter(store, index, gallery.table, worker, operations, metrics=metrics)
        stack.push_async_callback(writer.finish)
        yield Components(
            settings=settings,
            checkpoint=checkpoint,
            fingerprint=checkpoint.fingerprint,
            decoder=decoder,
            worker=worker,
            operations=operations,
            gallery=gallery,
            gallery_format=form,
            slots=gallery.table,
            store=store,
            index=index,
            writer=writer,
            metrics=metrics,
            audit=audit,
            clock=clock,
            stream=stream,
        )


async def _open_index(settings: Settings, stack: AsyncExitStack, metrics: Metrics) -> MetadataIndex:
    url = settings.redis_url
    if url is None:
        embedded = await asyncio.to_thread(EmbeddedRedis.start, settings.data_dir)
        stack.push_async_callback(asyncio.to_thread, embedded.stop)
        stack.callback(asyncio.create_task(keep_running(embedded)).cancel)
        url = embedded.url
    index = MetadataIndex.connect(url, settings.redis_key_prefix, metrics=metrics)
    stack.push_async_callback(index.close)
    await index.refuse_unsuitable()
    return index


async def _open_stream(settings: Settings, stack: AsyncExitStack) -> IngestStream | None:
    if settings.stream_redis_url is None:
        return None
    if RedisKeys(settings.redis_key_prefix).type_of(settings.stream_key) is not None:
        raise ValueError(
            f"the stream's key {settings.stream_key} is one that the metadata of detections use, and would be removed "
            "as wrong: set QACONV_STREAM_KEY or QACONV_REDIS_KEY_PREFIX to another"
        )
    stream = IngestStream.connect(
        settings.stream_redis_url, settings.stream_key, settings.stream_group, settings.stream_claim_seconds
    )
    stack.push_async_callback(stream.close)
    await stream.refuse_unsuitable()
    return stream


def _create_gallery(
    settings: Settings, checkpoint: Checkpoint, store: DetectionStore
) -> tuple[DeviceGallery, GalleryFormat, DeviceScorer]:
    device = choose_device(settings.device)
    config = checkpoint.config
    form = choose_format(
        settings.precision,
        settings.exact_maps,
        settings.gallery_capacity,
        config,
        device,
        multiplies_int8=multiplies_int8(config, device),
    )
    if form.exact_maps is None and settings.exact_maps != "auto":
        logger.warning("QACONV_EXACT_MAPS=%s changes nothing: all scores are exact", settings.exact_maps)
    scoring = create_scorer(checkpoint, form, device)
    gallery = create_gallery(checkpoint, form, scoring, partial(_read_map, store))
    exact = "" if form.exact_maps is None else f", exact scores from maps on the {form.exact_maps}"
    logger.info(
        "gallery of up to %d detections, %d bytes each, on %s, as %s%s",
        form.capacity,
        form.detection_bytes,
        device,
        gallery.precision,
        exact,
    )
    return gallery, form, scoring


def _read_map(store: DetectionStore, detection_id: str) -> FeatureMap | None:
    """None for a damaged one too: the search that meets it has it set aside."""
    try:
        return store.get_feature_map(detection_id)
    except DamagedRecord:
        return None
