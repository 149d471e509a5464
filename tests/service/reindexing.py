"""A reindex in this process, for tests whose components are closed: LMDB is opened once in a process."""

import asyncio
from pathlib import Path

from service.reindex.reindex_progress import ReindexProgress, ReindexSummary
from service.reindex.run_reindex import run_reindex
from service.settings import Settings


def ignore(_progress: ReindexProgress) -> None:
    pass


async def reindex(settings: Settings, checkpoint: Path, batch: int = 32, *, discards: bool = False) -> ReindexSummary:
    wanted = settings.model_copy(update={"checkpoint": checkpoint})
    return await asyncio.to_thread(run_reindex, wanted, batch, discards=discards, report=ignore)
