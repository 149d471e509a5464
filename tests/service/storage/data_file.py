"""Changes bytes of records behind the service's back: through LMDB, and in its file."""

import re
from pathlib import Path

import lmdb

PAGE_BYTES = 4096


def change_value(data_dir: Path, database: str, detection_id: str, value: bytes | None) -> None:
    """Replace a part of a record, or delete it, as a program that knows nothing of the service could."""
    with lmdb.open(str(data_dir / "records"), max_dbs=16, map_size=2**30) as environment:
        opened = environment.open_db(database.encode())
        with environment.begin(write=True) as transaction:
            if value is None:
                transaction.delete(detection_id.encode(), db=opened)
            else:
                transaction.put(detection_id.encode(), value, db=opened)


def place_in_file(data_dir: Path, content: bytes) -> int:
    """Where some bytes stand in the data file, which must be once."""
    data = (data_dir / "records" / "data.mdb").read_bytes()
    assert data.count(content) == 1
    return data.index(content)


def flip_wherever(data_dir: Path, content: bytes, offset: int, change: int = 0xFF) -> None:
    """Change a byte of some content wherever it stands: of a small value, there are old copies in free pages."""
    data = (data_dir / "records" / "data.mdb").read_bytes()
    places = [found.start() for found in re.finditer(re.escape(content), data)]
    assert places
    for place in places:
        flip_in_file(data_dir, place + offset, change)


def write_in_file(data_dir: Path, place: int, content: bytes) -> None:
    with (data_dir / "records" / "data.mdb").open("r+b") as file:
        file.seek(place)
        file.write(content)


def flip_in_file(data_dir: Path, place: int, change: int = 0xFF) -> None:
    with (data_dir / "records" / "data.mdb").open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ change]))
