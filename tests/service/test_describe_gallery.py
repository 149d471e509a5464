"""What the gallery says of itself."""

import pytest

from service.components import Components
from service.describe_gallery import describe_gallery
from service.erasure.erase_detections import erase_detection
from service.storage.metadata.metadata_index import CameraSummary
from tests.service.stored_crops import at, ingest

pytestmark = pytest.mark.anyio


async def test_it_counts_what_is_there(components: Components) -> None:
    empty = await describe_gallery(components)
    assert (empty.size, empty.capacity, empty.other_model, empty.cameras) == (0, 1000, 0, ())
    assert empty.bytes_per_detection == 8 * 4 * 16 * 2
    assert empty.device == "cpu"
    assert empty.precision in ("bfloat16", "float16")
    for number in range(5):
        await ingest(components, f"d{number}", number, f"c{number % 2}", number)
    await erase_detection(components, "d2")
    described = await describe_gallery(components)
    assert (described.size, described.other_model) == (4, 0)
    assert described.cameras == (CameraSummary("c0", 2, at(0), at(4)), CameraSummary("c1", 2, at(1), at(3)))
