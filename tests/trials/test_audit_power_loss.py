"""Loss of power while the audit record is written: what was acknowledged is on it, and its chain holds."""

import random
import shutil
from pathlib import Path

import pytest

from service.storage.audit.audit_log import AuditLog
from service.storage.audit.audit_segments import audit_directory
from service.storage.audit.audit_verification import verify_record
from tests.service.storage.audit_writing import HeldClock, read_record
from tests.trials import parameters
from tests.trials.forgetful_disk import ForgetfulDisk, compile_layer, find_compiler, run_python
from tests.trials.parameters import Figures

pytestmark = pytest.mark.skipif(find_compiler() is None, reason="no C compiler (cc or gcc) on the PATH")


def check_image(data_dir: Path, acknowledged: list[str]) -> None:
    clock = HeldClock()
    clock.pass_days(100)
    data_dir.mkdir(exist_ok=True)
    AuditLog.open(data_dir, clock_us=clock).close()
    assert verify_record(audit_directory(data_dir)).faults == ()
    found = [str(entry["detections"]) for entry in read_record(data_dir) if entry["event"] == "stopped"]
    assert found[: len(acknowledged)] == acknowledged
    # The one that was under way may be there too.
    assert len(found) <= len(acknowledged) + 1


def lose_power_while_it_is_written(tmp_path: Path, entries: int, images: int) -> None:
    used_seed = parameters.seed()
    written = tmp_path / "written"
    written.mkdir()
    layer = compile_layer(tmp_path)
    run_python(layer, written, tmp_path / "journal", ["-m", "tests.trials.audit_workload", str(written), str(entries)])
    disk = ForgetfulDisk(tmp_path / "journal")
    chance = random.Random(used_seed)
    figures = Figures("power loss, audit record")
    for place in sorted(chance.randint(0, disk.length) for _ in range(images)):
        disk.replay(place)
        image = tmp_path / "image"
        disk.lose_power(chance, image)
        try:
            check_image(image / "data", disk.acknowledged())
        except AssertionError as error:
            error.add_note(f"at record {place} of {disk.length}; {parameters.how_to_repeat(used_seed)}")
            raise
        figures.add("images")
        figures.add("acknowledged entries found again", len(disk.acknowledged()))
        shutil.rmtree(image)
    figures.say()


def test_some_losses_of_power_lose_no_entry(tmp_path: Path) -> None:
    lose_power_while_it_is_written(tmp_path, entries=60, images=60)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_thousands_of_losses_of_power_lose_no_entry(tmp_path: Path) -> None:
    lose_power_while_it_is_written(tmp_path, entries=600, images=parameters.parameter("IMAGES", 5000))
