"""What the gallery holds and what it could hold."""

from dataclasses import dataclass

from service.access.camera_limit import EVERY_CAMERA, CameraLimit
from service.components import Components
from service.storage.metadata.metadata_index import CameraSummary


@dataclass(frozen=True, slots=True)
class GalleryDescription:
    """Size and place of the gallery.

    Attributes:
        size: detections on the device, those that searches compare with.
        capacity: detections that fit.
        bytes_per_detection: of device memory.
        precision: number format of the maps that the first pass over the gallery reads.
        exact_maps: where the maps are that exact scores are computed from after a pass over int8 ones: device or disk;
            None where all scores are exact.
        other_model: detections on disk whose feature map is of another model; no search compares with them.
        set_aside: damaged records that are kept and not served.
        cameras: by camera ID.
    """

    size: int
    capacity: int
    bytes_per_detection: int
    device: str
    precision: str
    exact_maps: str | None
    other_model: int
    set_aside: int
    cameras: tuple[CameraSummary, ...]


async def describe_gallery(components: Components, cameras: CameraLimit = EVERY_CAMERA) -> GalleryDescription:
    """Counts what is there now; of single cameras, those that the caller may see."""
    size = components.slots.size
    return GalleryDescription(
        size=size,
        capacity=components.slots.capacity,
        bytes_per_detection=components.gallery_format.detection_bytes,
        device=str(components.gallery.device),
        precision=components.gallery.precision,
        exact_maps=components.gallery_format.exact_maps,
        other_model=max(0, components.store.count() - size),
        set_aside=components.store.count_set_aside(),
        cameras=tuple(each for each in await components.index.camera_summary() if cameras.admits(each.camera_id)),
    )
