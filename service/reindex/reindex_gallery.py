"""A reindex: feature maps of a new model made anew from the stored crops, beside the old ones, while those serve."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from service.errors import StorageFull
from service.inference.image_decoding import ImageDecoder
from service.inference.maps_from_crops import Extract, UnusableCrop, make_feature_maps
from service.reindex.reindex_progress import ReindexProgress, ReindexSummary
from service.storage.record_encoding import DamagedRecord
from service.storage.reindex_store import ReindexStore
from service.storage.reindexed_maps import ReindexedMap, crop_digest

# What a map takes besides its values: headers, and the rest of its last page.
_BYTES_BESIDES_THE_VALUES = 4096 + 256


class ReindexRefused(RuntimeError):  # noqa: N818 - a state that the operator is told of
    """This reindex cannot begin; the message says what to do."""


@dataclass(frozen=True, slots=True)
class NewModel:
    """What makes the maps.

    Attributes:
        fingerprint: of the new model.
        map_bytes: of one feature map in float16.
        batch: crops in one call of the extractor; as many are written in one transaction.
    """

    fingerprint: str
    map_bytes: int
    batch: int
    decoder: ImageDecoder
    extract: Extract


@dataclass(frozen=True, slots=True)
class _Failure:
    crop_sha256: bytes | None
    reason: str


async def reindex_gallery(
    store: ReindexStore, model: NewModel, report: Callable[[ReindexProgress], None]
) -> ReindexSummary:
    """Makes what is missing, in passes until nothing is; every batch that is made is on the disk.

    Killed and run again, it goes on where it stopped. Call `begin_reindex` before.

    Raises:
        StorageFull: the maps do not fit beside the records; found before the work where it can be.
        ReindexEnded: the maps are wanted no more.
    """
    began = time.monotonic()
    failures: dict[str, _Failure] = {}
    made = skipped = 0
    pending: Sequence[str] = []
    for pass_number in count(1):
        pending_before = len(pending)
        total, pending = _pending(store, model.fingerprint, failures)
        if pass_number == 1:
            skipped = total - len(pending) - len(failures)
            _require_room(store, len(pending), model.map_bytes)
        # A service that ingests faster than this makes maps would keep it going for ever.
        if not pending or (pass_number > 2 and len(pending) >= pending_before):
            break
        for start in range(0, len(pending), model.batch):
            report(ReindexProgress(pass_number, start, len(pending)))
            made += await _reindex(store, model, pending[start : start + model.batch], failures)
        report(ReindexProgress(pass_number, len(pending), len(pending)))
    failed = {detection_id: failure.reason for detection_id, failure in sorted(failures.items())}
    return ReindexSummary(made, skipped, failed, len(pending), time.monotonic() - began)


def begin_reindex(store: ReindexStore, fingerprint: str, *, discards: bool) -> None:
    """Writes down what the maps are made for.

    Args:
        store: under the lock of the reindex.
        fingerprint: of the new model.
        discards: drop the maps that a reindex for another model has made.

    Raises:
        ReindexRefused: there are such maps and they are not to be dropped, or a switch is not finished.
    """
    model = store.model
    _refuse_during_a_switch(store)
    if model.reindexing_to not in {None, fingerprint}:
        if not discards:
            raise ReindexRefused(
                f"a reindex for model {model.reindexing_to} was begun and has made {store.count_reindexed()} maps; "
                f"this one is for {fingerprint}. Finish that one, or drop what it has made with --discard"
            )
        abandon_reindex(store)
    store.remember_reindex(fingerprint)


def abandon_reindex(store: ReindexStore) -> int:
    """Drops all maps made anew, and returns how many they were.

    Raises:
        ReindexRefused: a switch to them is not finished.
    """
    _refuse_during_a_switch(store)
    # The mark goes last: killed half-way, what is left is still known to be somebody's.
    dropped = 0
    while dropped_now := store.drop_some_reindexed():
        dropped += dropped_now
    store.remember_reindex(None)
    return dropped


def _refuse_during_a_switch(store: ReindexStore) -> None:
    switching_to = store.model.switching_to
    if switching_to is not None:
        raise ReindexRefused(
            f"the gallery is half-way to model {switching_to}: start the service with the checkpoint of that model "
            "until it is ready, then try again"
        )


def _pending(store: ReindexStore, fingerprint: str, failures: dict[str, _Failure]) -> tuple[int, list[str]]:
    """How many detections there are, and those that need a map; failures are brought up to date with them."""
    damaged: dict[str, _Failure] = {}
    everything = store.list_metadata(
        lambda detection_id, reason: damaged.update({detection_id: _Failure(None, reason)})
    )
    of_others = [each.detection_id for each in everything if each.model_fingerprint != fingerprint]
    wanted = [each for each in of_others if store.get_fresh(each, fingerprint) is None]
    still_failed = {
        each: failures[each] for each in wanted if each in failures and _has_not_changed(store, each, failures)
    }
    failures.clear()
    failures |= damaged | still_failed
    return len(everything) + len(damaged), [each for each in wanted if each not in failures]


def _has_not_changed(store: ReindexStore, detection_id: str, failures: Mapping[str, _Failure]) -> bool:
    try:
        record = store.get_record(detection_id)
    except DamagedRecord:
        return failures[detection_id].crop_sha256 is None
    return record is not None and crop_digest(record.crop) == failures[detection_id].crop_sha256


async def _reindex(
    store: ReindexStore, model: NewModel, detection_ids: Sequence[str], failures: dict[str, _Failure]
) -> int:
    crops: dict[str, bytes] = {}
    for detection_id in detection_ids:
        try:
            record = store.get_record(detection_id)
        except DamagedRecord as error:
            failures[detection_id] = _Failure(None, str(error))
            continue
        if record is not None:
            crops[detection_id] = record.crop
    results = await make_feature_maps(list(crops.values()), model.decoder, model.extract)
    maps: list[ReindexedMap] = []
    for (detection_id, crop), result in zip(crops.items(), results, strict=True):
        if isinstance(result, UnusableCrop):
            failures[detection_id] = _Failure(crop_digest(crop), result.reason)
        else:
            maps.append(ReindexedMap(detection_id, model.fingerprint, crop_digest(crop), result))
    return store.stage(maps) if maps else 0


def _require_room(store: ReindexStore, maps: int, map_bytes: int) -> None:
    needed = maps * (map_bytes + _BYTES_BESIDES_THE_VALUES)
    free = store.free_bytes
    if needed > free:
        raise StorageFull(
            f"{maps} maps made anew take up to {needed:,} bytes beside the old ones until the switch, {free:,} are "
            "free of the service's capacity (QACONV_DISK_CAPACITY_BYTES) or of the disk: make room, then run the same "
            "command again"
        )
