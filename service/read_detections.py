"""Looking up what is stored: metadata from Redis, crops and feature maps from the disk."""

from dataclasses import dataclass, replace

from service.access.camera_limit import EVERY_CAMERA, CameraLimit
from service.components import Components
from service.damaged_detections import not_found, read_sound
from service.errors import DetectionNotFound, OtherModel
from service.inference.feature_extraction import FeatureMap
from service.records import DetectionFilter, DetectionMetadata, DetectionPage


@dataclass(frozen=True, slots=True)
class StoredCrop:
    """An image file as it was sent."""

    content: bytes
    media_type: str


async def read_metadata(
    components: Components, detection_id: str, cameras: CameraLimit = EVERY_CAMERA
) -> DetectionMetadata:
    """The metadata of a detection.

    Raises:
        DetectionNotFound: there is none, it was damaged and set aside, or it is of another camera than the caller's.
    """
    (metadata,) = await components.index.get([detection_id])
    if metadata is not None and cameras.admits(metadata.camera_id):
        return metadata
    await components.index.require_in_step()
    if cameras.camera_ids is not None:
        # The same words whether there is one elsewhere or not.
        raise DetectionNotFound(f"there is no detection {detection_id!r} for this key: {cameras.description}")
    raise await not_found(components, detection_id)


async def read_crop(components: Components, detection_id: str, cameras: CameraLimit = EVERY_CAMERA) -> StoredCrop:
    """The crop of a detection. Raises DetectionNotFound as `read_metadata`, also where its crop was not kept."""
    metadata = await read_metadata(components, detection_id, cameras)
    (content,) = await read_sound(components, components.store.get_crop, [detection_id])
    if content is None:
        raise await not_found(components, detection_id)
    if not content:
        raise DetectionNotFound(
            f"there is no crop of detection {detection_id!r}: this service kept no crops when it was stored "
            "(QACONV_STORE_CROPS=false)"
        )
    return StoredCrop(content, metadata.image_media_type)


async def read_feature_map(
    components: Components, detection_id: str, cameras: CameraLimit = EVERY_CAMERA
) -> FeatureMap:
    """The feature map of a detection, float16 [d, h, w], of whatever model. Raises as `read_metadata`."""
    if cameras.camera_ids is not None:
        await read_metadata(components, detection_id, cameras)
    (feature_map,) = await read_sound(components, components.store.get_feature_map, [detection_id])
    if feature_map is None:
        raise await not_found(components, detection_id)
    return feature_map


async def read_comparable_feature_map(components: Components, metadata: DetectionMetadata) -> FeatureMap:
    """The feature map of a detection, if it is one of the model that serves.

    Raises:
        OtherModel: it is of another model; maps of different models are never compared.
        DetectionNotFound: erased in the meantime.
    """
    if metadata.model_fingerprint != components.fingerprint:
        raise OtherModel(
            f"the feature map of detection {metadata.detection_id!r} was made by model {metadata.model_fingerprint}, "
            f"the service runs {components.fingerprint}: send the crop again with PUT"
        )
    return await read_feature_map(components, metadata.detection_id)


async def list_detections(
    components: Components,
    chosen: DetectionFilter,
    limit: int,
    cursor: str | None,
    cameras: CameraLimit = EVERY_CAMERA,
) -> DetectionPage:
    """A page of the detections that match a filter, ordered by timestamp, then ID.

    Raises:
        InvalidField: not a cursor of an earlier page.
        Forbidden: the filter names another camera than the caller's.
    """
    if chosen.camera_id is not None:
        cameras.require(chosen.camera_id)
    chosen = replace(chosen, camera_ids=cameras.narrow(frozenset()))
    page = await components.index.list_page(chosen, limit, cursor)
    await components.index.require_in_step()
    return page
