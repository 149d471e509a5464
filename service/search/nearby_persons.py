"""Who was near a query: detections of its camera at about its time. Temporal lifting looks for them too."""

import asyncio
from dataclasses import dataclass

import numpy as np

from service.components import Components
from service.damaged_detections import read_sound
from service.inference.feature_extraction import FeatureMap
from service.records import MICROSECONDS_PER_SECOND
from service.search.search_records import QuerySeen, SearchQuery

# How far the numbers of one crop's map may be apart, which batches and devices round differently: some units of float16
# below one. Those of different crops are apart by tenths.
_SAME_CROP = 2**-8


@dataclass(frozen=True, slots=True)
class NearbyPersons:
    """Detections near the query, the closest in time first; truncated where there were more."""

    detection_ids: tuple[str, ...] = ()
    is_truncated: bool = False


async def find_nearby(
    components: Components, query: SearchQuery, seen: QuerySeen, feature_map: FeatureMap
) -> NearbyPersons:
    """Detections of the query's camera within τ of it, the closest first; the query itself, stored, is not one."""
    assert seen.camera_id is not None
    assert seen.timestamp_us is not None
    tau_us = round(query.lifting.tau_seconds * MICROSECONDS_PER_SECOND)
    most = components.settings.max_nearby
    # One more, for the query is seldom stored twice.
    itself, (found, is_truncated) = await asyncio.gather(
        _find_itself(components, query, seen.camera_id, seen.timestamp_us, feature_map),
        components.index.nearby(seen.camera_id, seen.timestamp_us, tau_us, most + 1),
    )
    if len(itself) > 1:
        wanted = most + len(itself)
        found, is_truncated = await components.index.nearby(seen.camera_id, seen.timestamp_us, tau_us, wanted)
    others = [detection_id for detection_id in found if detection_id not in itself]
    return NearbyPersons(tuple(others[:most]), is_truncated or len(others) > most)


async def _find_itself(
    components: Components, query: SearchQuery, camera_id: str, timestamp_us: int, feature_map: FeatureMap
) -> set[str]:
    """The stored detections that are the query: the one it names, or those of its camera, its moment and its map.

    Maps and not crops are compared, because crops need not be kept.
    """
    if query.image is None:
        assert query.detection_id is not None
        return {query.detection_id}
    at_once, _ = await components.index.nearby(camera_id, timestamp_us, 1, components.settings.max_nearby)
    maps = await read_sound(components, components.store.get_feature_map, at_once)
    return {
        detection_id
        for detection_id, stored in zip(at_once, maps, strict=True)
        if stored is not None and _is_same_crop(stored, feature_map)
    }


def _is_same_crop(stored: FeatureMap, feature_map: FeatureMap) -> bool:
    return stored.shape == feature_map.shape and bool(np.allclose(stored, feature_map, rtol=0, atol=_SAME_CROP))
