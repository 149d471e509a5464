"""The switch to a new model, at the start of a service: every record takes the feature map of the model that serves."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from service.components import Components
from service.inference.maps_from_crops import UnusableCrop, make_feature_maps
from service.records import DetectionRecord
from service.storage.record_encoding import DamagedRecord
from service.storage.reindexed_maps import ReindexedMap, crop_digest

logger = logging.getLogger(__name__)

_RECORDS_TOGETHER = 64


async def switch_model(components: Components) -> None:
    """Adopts the maps that a reindex made, and makes those it did not; nothing where no switch was decided on.

    A detection whose crop is not kept or cannot be decoded keeps its old map, which no search compares with. Killed
    half-way, the next start goes on.

    Raises:
        StorageFull: the disk or the capacity has no room even for one record more.
    """
    switch = components.store.model_switch
    fingerprint = components.fingerprint
    if not switch.is_locked:
        return
    logger.warning("the gallery is switched from model %s to %s", switch.model.fingerprint, fingerprint)
    # From here on the model before is refused, and a start of this one goes on.
    switch.remember(replace(switch.model, switching_to=fingerprint))
    detection_ids = await asyncio.to_thread(_ids_of_other_models, components)
    together = min(_RECORDS_TOGETHER, components.settings.max_waiting)
    adopted = made = 0
    for start in range(0, len(detection_ids), together):
        components.recovery.progress = f"{start} of {len(detection_ids)} detections switched to model {fingerprint}"
        part = detection_ids[start : start + together]
        maps, missing = await asyncio.to_thread(_reindexed_maps, components, part)
        made_now = await _make_maps(components, missing)
        adopted += await switch.adopt([*maps, *made_now])
        made += len(made_now)
    await switch.finish(fingerprint)
    logger.warning(
        "the gallery is of model %s now: %d detections switched, %d of them made anew just now, %d left as they were",
        fingerprint,
        adopted,
        made,
        len(detection_ids) - adopted,
    )


def _ids_of_other_models(components: Components) -> list[str]:
    records = components.store.iterate_metadata()
    return [each.detection_id for each in records if each.model_fingerprint != components.fingerprint]


def _reindexed_maps(
    components: Components, detection_ids: Sequence[str]
) -> tuple[list[ReindexedMap], list[DetectionRecord]]:
    """The maps that are there and fresh, and the records of those detections that have none."""
    maps: list[ReindexedMap] = []
    missing: list[DetectionRecord] = []
    for detection_id in detection_ids:
        try:
            record = components.store.get_record(detection_id)
        except DamagedRecord as error:
            logger.error("the record of detection %s is damaged and was not switched: %s", detection_id, error)
            continue
        if record is None:
            continue
        reindexed = components.store.model_switch.get_reindexed(detection_id)
        if reindexed is not None and _is_fresh(reindexed, record, components.fingerprint):
            maps.append(reindexed)
        else:
            missing.append(record)
    return maps, missing


def _is_fresh(reindexed: ReindexedMap, record: DetectionRecord, fingerprint: str) -> bool:
    return reindexed.fingerprint == fingerprint and reindexed.crop_sha256 == crop_digest(record.crop)


async def _make_maps(components: Components, records: Sequence[DetectionRecord]) -> list[ReindexedMap]:
    extract = partial(components.worker.run_accepted, components.operations.extract)
    results = await make_feature_maps([record.crop for record in records], components.decoder, extract)
    maps: list[ReindexedMap] = []
    for record, result in zip(records, results, strict=True):
        detection_id = record.metadata.detection_id
        if isinstance(result, UnusableCrop):
            logger.warning("detection %s keeps its old feature map: %s", detection_id, result.reason)
        else:
            maps.append(ReindexedMap(detection_id, components.fingerprint, crop_digest(record.crop), result))
    return maps
