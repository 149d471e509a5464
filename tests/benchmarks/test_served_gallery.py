import hashlib
from pathlib import Path

import numpy as np

from benchmarks.served_gallery import DrawnCrop, camera_of, fill_data_directory, gallery_records
from service.storage.detection_store import DetectionStore

_FINGERPRINT = "0" * 64


def _crops(count: int) -> list[DrawnCrop]:
    random = np.random.default_rng(1)
    maps = random.standard_normal((count, 16, 8, 4))
    maps /= np.linalg.norm(maps, axis=1, keepdims=True)
    return [
        DrawnCrop(b"crop %d" % number, 48, 96, f"person-{number}", each.astype(np.float16))
        for number, each in enumerate(maps)
    ]


def test_a_gallery_begins_with_the_crops_and_goes_on_with_blends_that_all_differ() -> None:
    crops = _crops(5)
    records = list(gallery_records(crops, 60, _FINGERPRINT))
    for crop, record in zip(crops, records, strict=False):
        np.testing.assert_array_equal(record.feature_map, crop.feature_map)
    assert len({hashlib.sha256(record.feature_map.tobytes()).digest() for record in records}) == 60
    lengths = np.linalg.norm([record.feature_map.astype(np.float64) for record in records], axis=1)
    np.testing.assert_allclose(lengths, 1, atol=2e-3)  # 16 channels, each rounded to 11 bits
    assert [record.metadata.camera_id for record in records] == [camera_of(number) for number in range(60)]


def test_a_blend_is_nearest_to_the_crop_that_is_stored_with_it() -> None:
    crops = _crops(5)
    for record in gallery_records(crops, 60, _FINGERPRINT):
        cosines = [np.sum(record.feature_map.astype(np.float64) * crop.feature_map) for crop in crops]
        assert crops[int(np.argmax(cosines))].content == record.crop


def test_what_was_written_is_a_sound_store(tmp_path: Path) -> None:
    records = list(gallery_records(_crops(3), 300, _FINGERPRINT))
    fill_data_directory(tmp_path / "data", iter(records))
    store = DetectionStore.open(tmp_path / "data")
    try:
        read = {record.metadata.detection_id: record for record in store.iterate_records()}
    finally:
        store.close()
    assert len(read) == 300
    for record in records:
        found = read[record.metadata.detection_id]
        assert found.metadata == record.metadata
        assert found.crop == record.crop
        np.testing.assert_array_equal(found.feature_map, record.feature_map)
