"""Says at the start that crops are still there, where the service was told to keep none."""

import asyncio
import logging

from service.components import Components

logger = logging.getLogger(__name__)


async def report_kept_crops(components: Components) -> int:
    """How many detections have crops although none are kept now.

    They stay: reindexing needs them, and a setting that was changed by mistake for one start must not destroy what
    cannot be made again.
    """
    if components.settings.store_crops:
        return 0
    kept = await asyncio.to_thread(components.store.count_crops)
    if kept:
        logger.warning(
            "QACONV_STORE_CROPS is false, and %d detections from before still have their crops: they keep them until "
            "they are erased, sent again or outlived",
            kept,
        )
    return kept
