"""At the start of a service: whether its model is the gallery's, or one that the gallery may be switched to."""

import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path

from service.storage.detection_store import DetectionStore
from service.storage.gallery_model import GalleryModel
from service.storage.reindex_lock import ReindexRunning

logger = logging.getLogger(__name__)


class GalleryOfOtherModel(RuntimeError):  # noqa: N818 - a state that the operator is told of
    """The gallery's feature maps are of another model than the one that is to serve."""


def settle_gallery_model(store: DetectionStore, data_dir: Path, checkpoint: Path, fingerprint: str) -> None:
    """Refuses a model that the gallery is not of; locks the gallery for a switch, which `switch_model` then does.

    An empty gallery takes any model. One whose maps were made anew for this one (`qaconv-service reindex`) is to be
    switched to it; the reindex need not be complete.

    Args:
        store: opened, with no write yet.
        data_dir: for messages.
        checkpoint: likewise.
        fingerprint: of the checkpoint's model.

    Raises:
        GalleryOfOtherModel: with what to do.
        ReindexRunning: the maps of this model are being made.
    """
    switch = store.model_switch
    model = switch.model
    if store.count() == 0:
        switch.remember(GalleryModel(fingerprint))
        return
    if model.switching_to not in {None, fingerprint}:
        raise GalleryOfOtherModel(_unfinished_switch(model, store.count(), data_dir, checkpoint, fingerprint))
    if model.fingerprint is None:
        model = replace(model, fingerprint=_most_frequent(store, fingerprint))
    if fingerprint in {model.switching_to, model.reindexing_to}:
        _prepare_switch(store, model, fingerprint)
    elif model.fingerprint != fingerprint:
        raise GalleryOfOtherModel(_other_model(model, store.count(), data_dir, checkpoint, fingerprint))
    switch.remember(model)


def _prepare_switch(store: DetectionStore, model: GalleryModel, fingerprint: str) -> None:
    try:
        store.model_switch.lock()
    except ReindexRunning:
        if model.fingerprint != fingerprint:
            raise
        logger.info("maps of this model are being made for detections of other models: a later start takes them")


def _most_frequent(store: DetectionStore, fingerprint: str) -> str:
    """The model of a gallery for which none was remembered: that of most of its records; in doubt the given one."""
    counts = Counter(metadata.model_fingerprint for metadata in store.iterate_metadata())
    most = max(counts, key=lambda each: (counts[each], each == fingerprint, each), default=fingerprint)
    logger.info("the gallery is of model %s from now on; its records: %s", most, dict(counts))
    return most


def _other_model(model: GalleryModel, records: int, data_dir: Path, checkpoint: Path, fingerprint: str) -> str:
    message = (
        f"the gallery in {data_dir} holds {records} detections of model {model.fingerprint}, and {checkpoint} is model "
        f"{fingerprint}: their feature maps cannot be compared. Start with the checkpoint of {model.fingerprint}, or "
        f"make the maps anew from the stored crops and start again: qaconv-service reindex --checkpoint {checkpoint} "
        f"--data-dir {data_dir}"
    )
    if model.reindexing_to is not None:
        message += f" (a reindex to {model.reindexing_to} was begun: finish it, or add --discard)"
    return message


def _unfinished_switch(model: GalleryModel, records: int, data_dir: Path, checkpoint: Path, fingerprint: str) -> str:
    return (
        f"the gallery in {data_dir}, {records} detections, is half-way from model {model.fingerprint} to "
        f"{model.switching_to}, and {checkpoint} is model {fingerprint}. Start with the checkpoint of "
        f"{model.switching_to}: the switch goes on where it stopped. The way back is a reindex after that"
    )
