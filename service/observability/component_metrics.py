"""What is read from the components whenever Prometheus asks: sizes, room that is left, queues, recovery, the build."""

from importlib.metadata import version

from service.components import Components


def watch_components(components: Components) -> None:
    """Declares the metrics that are read from what is there, in the components' own `metrics`."""
    _describe_build(components)
    _watch_gallery(components)
    _watch_disk(components)
    _watch_stream(components)
    _watch_audit(components)
    components.metrics.watch(
        "qaconv_device_jobs_waiting", "Jobs that wait for the device.", lambda: components.worker.waiting
    )
    components.metrics.watch(
        "qaconv_device_busy_seconds",
        "How long the device has been at the batch in hand; 0 where there is none.",
        lambda: components.worker.busy_seconds,
    )


def _describe_build(components: Components) -> None:
    labels = {
        "version": version("qaconv"),
        "model_fingerprint": components.fingerprint,
        "device": str(components.gallery.device),
        "precision": components.gallery.precision,
    }
    build = components.metrics.gauge("qaconv_build_info", "What runs; always 1.", tuple(labels))
    build.labels(**labels).set(1)


def _watch_gallery(components: Components) -> None:
    watch, slots, store = components.metrics.watch, components.slots, components.store
    watch("qaconv_gallery_detections", "Detections that searches compare with.", lambda: slots.size)
    watch("qaconv_gallery_capacity_detections", "Detections that the gallery can hold.", lambda: slots.capacity)
    watch(
        "qaconv_gallery_headroom_detections",
        "Detections that the gallery can still take.",
        lambda: slots.capacity - slots.size,
    )
    watch(
        "qaconv_recovery_ratio",
        "Share of the records on disk that recovery has brought to the device; 1 once it is done.",
        lambda: 1.0 if components.recovery.is_done else slots.size / max(1, store.count()),
    )


def _watch_disk(components: Components) -> None:
    watch, store = components.metrics.watch, components.store
    watch("qaconv_disk_records", "Records on disk, those of other models included.", store.count)
    watch("qaconv_disk_set_aside_records", "Damaged records that were set aside.", store.count_set_aside)
    watch("qaconv_disk_used_bytes", "Bytes of the disk that the records take.", store.used_bytes)
    watch("qaconv_disk_capacity_bytes", "Bytes that the records may take.", lambda: store.capacity_bytes)
    watch("qaconv_disk_free_bytes", "Bytes that the disk of the records has left.", store.free_disk_bytes)


def _watch_stream(components: Components) -> None:
    stream = components.stream
    if stream is None:
        return
    watch = components.metrics.watch
    watch("qaconv_stream_connected", "1 while the stream's Redis answers.", lambda: float(stream.lag.is_connected))
    watch("qaconv_stream_lag_entries", "Entries that no consumer was handed yet.", lambda: stream.lag.waiting)
    watch("qaconv_stream_pending_entries", "Entries in the hands of consumers.", lambda: stream.lag.pending)
    watch(
        "qaconv_stream_oldest_entry_seconds",
        "Age of the oldest entry that is not stored yet; 0 where there is none.",
        lambda: stream.lag.oldest_seconds,
    )
    total = components.metrics.watch_total
    total("qaconv_stream_stored_total", "Entries that were stored and acknowledged.", lambda: stream.lag.stored)
    total("qaconv_stream_rejected_total", "Entries that were set aside.", lambda: stream.lag.rejected)


def _watch_audit(components: Components) -> None:
    watch, audit = components.metrics.watch, components.audit
    watch("qaconv_audit_entries", "Sequence number of the audit record's last entry.", lambda: audit.head.sequence)
    watch("qaconv_audit_writable", "1 while the audit record can be written.", lambda: float(audit.failure is None))
    watch(
        "qaconv_clock_believed",
        "1 while the clock is believed; else nothing is erased for its age.",
        lambda: float(components.clock.doubt is None),
    )
    watch("qaconv_audit_entries_waiting", "Entries that wait for the disk.", lambda: audit.waiting)
    watch(
        "qaconv_scrub_due",
        "1 while bytes of what was erased or replaced may be left in the data file.",
        lambda: float(components.store.is_scrub_due),
    )
