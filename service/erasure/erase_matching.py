"""Erasure of all detections that match a filter, part by part."""

import asyncio
from collections.abc import AsyncIterator

from service.components import Components
from service.errors import Unavailable
from service.records import DetectionFilter

# Erased side by side: the disk's writer puts those that wait into one transaction.
_ERASED_TOGETHER = 64


async def erase_matching(components: Components, chosen: DetectionFilter) -> AsyncIterator[list[str]]:
    """Erases all detections that match, and yields the IDs of those that are gone.

    A detection that cannot be erased does not keep the others. One that is replaced meanwhile, and no longer matches,
    is kept. Should it fail half-way, the same call again erases the rest.

    Raises:
        Unavailable: Redis is away, which is so for the others too.
        Exception: what the first that could not be erased raised, after all others were tried.
    """
    failures: list[BaseException] = []
    detection_ids = await asyncio.to_thread(_matching_set_aside, components, chosen)
    detection_ids += await components.index.matching_ids(chosen)
    await components.index.require_in_step()
    for start in range(0, len(detection_ids), _ERASED_TOGETHER):
        part = detection_ids[start : start + _ERASED_TOGETHER]
        answers = await asyncio.gather(
            *(components.writer.erase(each, chosen) for each in part), return_exceptions=True
        )
        failures += [answer for answer in answers if isinstance(answer, BaseException)]
        erased = [answer for answer in answers if answer is not None and not isinstance(answer, BaseException)]
        if erased:
            yield [each.detection_id for each in erased]
        for failure in failures:
            if isinstance(failure, Unavailable):
                raise failure
    if failures:
        raise failures[0]


def _matching_set_aside(components: Components, chosen: DetectionFilter) -> list[str]:
    """Damaged records, which Redis does not know any more. Without readable metadata, one is erased by its ID alone."""
    records = components.store.iterate_set_aside()
    return [each.detection_id for each in records if each.metadata is not None and chosen.matches(each.metadata)]
