"""What the gallery says of itself."""

import pytest

from service.components import Components, open_components
from service.describe_gallery import describe_gallery
from service.erasure.erase_detections import erase_detection
from service.settings import Settings
from service.storage.metadata.metadata_index import CameraSummary
from tests.service.stored_crops import at, ingest

pytestmark = pytest.mark.anyio


async def test_it_counts_what_is_there(components: Components) -> None:
    empty = await describe_gallery(components)
    assert (empty.size, empty.capacity, empty.other_model, empty.cameras) == (0, 1000, 0, ())
    assert empty.device == "cpu"
    for number in range(5):
        await ingest(components, f"d{number}", number, f"c{number % 2}", number)
    await erase_detection(components, "d2")
    described = await describe_gallery(components)
    assert (described.size, described.other_model) == (4, 0)
    assert described.cameras == (CameraSummary("c0", 2, at(0), at(4)), CameraSummary("c1", 2, at(1), at(3)))


@pytest.mark.parametrize(
    ("precision", "exact_maps", "described", "detection_bytes"),
    [
        ("float32", "auto", ("float32", None), 8 * 4 * 16 * 4),
        ("bfloat16", "auto", ("bfloat16", None), 8 * 4 * 16 * 2),
        ("float16", "disk", ("float16", None), 8 * 4 * 16 * 2),
        ("int8", "disk", ("int8", "disk"), 8 * 4 * 16 + 52),
        ("int8", "auto", ("int8", "device"), 8 * 4 * 16 * 3 + 52),
    ],
)
async def test_it_says_in_which_form_detections_lie(
    settings: Settings, precision: str, exact_maps: str, described: tuple[str, str | None], detection_bytes: int
) -> None:
    wanted = {"precision": precision, "exact_maps": exact_maps}
    async with open_components(settings.model_copy(update=wanted)) as components:
        gallery = await describe_gallery(components)
        assert ((gallery.precision, gallery.exact_maps), gallery.bytes_per_detection) == (described, detection_bytes)
        assert await components.worker.run(components.operations.check, None)
