"""File names of the Market-1501 data set: `0002_c1s1_000451_03.jpg` is person 2, camera 1, sequence 1, frame 451."""

import re
from pathlib import Path

from service.command_line.detection_file import DetectionFile
from service.command_line.detection_ids import detection_id_of

EXAMPLE = "0002_c1s1_000451_03.jpg"
_NAME = re.compile(r"(?P<person>-1|\d{4})_c(?P<camera>\d+)s(?P<sequence>\d+)_(?P<frame>\d+)_\d+(\.jpg)?\.\w+")
# Crops that show nobody in particular: -1 is junk, 0000 a distractor. They are no person, not one person.
_NOBODY = ("-1", "0000")
_MILLISECONDS_PER_FRAME = 40  # 25 frames a second
# The data set does not say how its sequences lie in time; a day apart, none is near another.
_MILLISECONDS_PER_SEQUENCE = 24 * 60 * 60 * 1000


def parse_market_name(path: Path) -> DetectionFile | None:
    """What a file's name says, None where it is no such name. The first sequence begins at Unix time 0."""
    match = _NAME.fullmatch(path.name)
    if match is None or int(match["sequence"]) < 1:
        return None
    milliseconds = (int(match["sequence"]) - 1) * _MILLISECONDS_PER_SEQUENCE
    milliseconds += int(match["frame"]) * _MILLISECONDS_PER_FRAME
    return DetectionFile(
        name=path.name,
        path=path,
        detection_id=detection_id_of(path.name),
        camera_id=f"c{match['camera']}",
        timestamp=f"{milliseconds // 1000}.{milliseconds % 1000:03d}",
        person_id=None if match["person"] in _NOBODY else match["person"],
    )
