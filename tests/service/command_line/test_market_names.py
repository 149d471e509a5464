from pathlib import Path

import pytest

from service.command_line.detection_file import DetectionFile
from service.command_line.market_names import EXAMPLE, parse_market_name


def test_the_example_says_person_camera_and_time() -> None:
    # 451 frames at 25 a second are 18.04 s.
    expected = DetectionFile(
        name=EXAMPLE,
        path=Path("folder") / EXAMPLE,
        detection_id="0002_c1s1_000451_03",
        camera_id="c1",
        timestamp="18.040",
        person_id="0002",
    )
    assert parse_market_name(Path("folder") / EXAMPLE) == expected


def test_sequences_are_a_day_apart() -> None:
    detection = parse_market_name(Path("1501_c6s3_000001_00.jpg"))
    assert detection is not None
    assert detection.timestamp == f"{2 * 86_400}.040"


@pytest.mark.parametrize("name", ["-1_c1s1_000401_03.jpg", "0000_c1s1_000401_03.jpg"])
def test_junk_and_distractors_are_no_person(name: str) -> None:
    detection = parse_market_name(Path(name))
    assert detection is not None
    assert detection.person_id is None


def test_names_of_the_ground_truth_boxes_end_twice_in_jpg() -> None:
    detection = parse_market_name(Path("0003_c4s6_015641_00.jpg.jpg"))
    assert detection is not None
    assert detection.detection_id == "0003_c4s6_015641_00.jpg"


@pytest.mark.parametrize("name", ["a.jpg", "0002_c1_000451_03.jpg", "0002_c1s0_000451_03.jpg", "2_c1s1_000451_03.jpg"])
def test_other_names_say_nothing(name: str) -> None:
    assert parse_market_name(Path(name)) is None
