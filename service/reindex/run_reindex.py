"""Runs a reindex, its report, or the dropping of what it made, on a data directory, in a process of its own."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from model.checkpoint import load_checkpoint, shipped_checkpoint_path
from service.device_operations import choose_device
from service.inference.device_worker import DeviceWorker, Operation
from service.inference.feature_extraction import FeatureExtraction
from service.inference.image_decoding import ImageDecoder, ImageLimits
from service.reindex.ranking_report import RankingReport, report_rankings
from service.reindex.reindex_gallery import NewModel, abandon_reindex, begin_reindex, reindex_gallery
from service.reindex.reindex_progress import ReindexProgress, ReindexSummary
from service.settings import Settings
from service.storage.reindex_lock import acquire_reindex_lock
from service.storage.reindex_store import ReindexStore

_FLOAT16_BYTES = 2


def run_reindex(
    settings: Settings, batch: int, *, discards: bool, report: Callable[[ReindexProgress], None]
) -> ReindexSummary:
    """Makes the feature maps of the settings' checkpoint anew, beside those that serve.

    Raises:
        CheckpointError, FileNotFoundError: the checkpoint cannot be loaded.
        ValueError: there is no such device.
        NoGallery, ReindexRunning, ReindexRefused, ReindexEnded: with what to do.
        StorageFull: there is no room.
    """
    with _open_alone(settings) as store:
        return asyncio.run(_reindex(store, settings, batch, discards=discards, report=report))


def run_abandon(settings: Settings) -> int:
    """Drops the maps that a reindex made, and returns how many they were; raises as `run_reindex` does."""
    with _open_alone(settings) as store:
        return abandon_reindex(store)


def run_report(
    settings: Settings, old_checkpoint: Path, num_queries: int, seed: int, report: Callable[[int, int], None]
) -> RankingReport:
    """Compares the rankings of the old checkpoint with those of the settings' one.

    Raises:
        NothingToCompare: with what to do; and what `run_reindex` raises of checkpoint, device and directory.
    """
    old, new = load_checkpoint(old_checkpoint), load_checkpoint(settings.checkpoint or shipped_checkpoint_path())
    device = choose_device(settings.device)
    with ReindexStore.open(settings.data_dir, settings.disk_capacity_bytes) as store:
        return report_rankings(store, old, new, device, report, num_queries=num_queries, seed=seed)


@contextmanager
def _open_alone(settings: Settings) -> Iterator[ReindexStore]:
    # Opened first: a directory without records is found before a lock is made in it.
    with ReindexStore.open(settings.data_dir, settings.disk_capacity_bytes) as store:
        lock = acquire_reindex_lock(settings.data_dir)
        try:
            yield store
        finally:
            lock.release()


async def _reindex(
    store: ReindexStore, settings: Settings, batch: int, *, discards: bool, report: Callable[[ReindexProgress], None]
) -> ReindexSummary:
    checkpoint = load_checkpoint(settings.checkpoint or shipped_checkpoint_path())
    config = checkpoint.config
    extraction = FeatureExtraction(checkpoint.extractor, choose_device(settings.device))
    begin_reindex(store, checkpoint.fingerprint, discards=discards)
    limits = ImageLimits(settings.max_image_pixels, settings.min_image_side)
    with (
        closing(ImageDecoder(config, limits, settings.decoding_threads, batch)) as decoder,
        closing(DeviceWorker(batch)) as worker,
    ):
        extract = partial(worker.run, Operation("extract", extraction.extract, batch))
        map_bytes = config.locations * config.channels * _FLOAT16_BYTES
        model = NewModel(checkpoint.fingerprint, map_bytes, batch, decoder, extract)
        return await reindex_gallery(store, model, report)
