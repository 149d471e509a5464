"""kill -9 at random moments under four writers: nothing that was acknowledged is lost, doubled or half.

Each time the service starts again on what it left, its disk, its Redis and its device are compared with what the
writers were told. It is killed while it starts and recovers, too, and now and then ended as an operator does.
"""

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import lmdb
import pytest

from tests.trials import parameters
from tests.trials.crop_pool import CropPool
from tests.trials.forked_services import ForkedService, ForkServer
from tests.trials.parameters import Figures
from tests.trials.writers import Writer, check_promises

WRITERS = 4
_LONGEST_WRITING_SECONDS = 1.0
_LONGEST_START_SECONDS = 0.4


def test_some_kills_lose_nothing(
    fork_server: ForkServer, trial_checkpoint: Path, crop_pool: CropPool, tmp_path: Path
) -> None:
    figures = Figures("kill -9")
    kill_again_and_again(fork_server, trial_checkpoint, crop_pool, tmp_path, 6, figures)
    assert figures.counts["acknowledged writes"] > 20


def test_the_trial_notices_a_service_that_answers_too_early(
    fork_server: ForkServer, trial_checkpoint: Path, crop_pool: CropPool, tmp_path: Path
) -> None:
    broken = ("tests.trials.broken_services:answer_before_it_is_on_disk",)
    with pytest.raises(AssertionError, match="acknowledged was"):
        kill_again_and_again(fork_server, trial_checkpoint, crop_pool, tmp_path, 20, Figures(""), broken)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_five_hundred_kills_lose_nothing(
    fork_server: ForkServer, trial_checkpoint: Path, crop_pool: CropPool, tmp_path: Path
) -> None:
    figures = Figures("kill -9")
    kills = parameters.parameter("KILLS", 500)
    kill_again_and_again(fork_server, trial_checkpoint, crop_pool, tmp_path, kills, figures)
    figures.add("lost, doubled or half", 0)
    figures.say()


def kill_again_and_again(
    parent: ForkServer,
    checkpoint: Path,
    pool: CropPool,
    directory: Path,
    kills: int,
    figures: Figures,
    before: tuple[str, ...] | None = None,
) -> None:
    """Raises where something is lost, doubled or half. `before`: see `ForkedService.fork`."""
    used_seed = parameters.seed()
    draw = random.Random(used_seed)
    writers = [Writer(f"w{number}", pool, random.Random(f"{used_seed}-{number}")) for number in range(WRITERS)]
    data_dir = directory / "data"
    figures.add("kills", 0)
    try:
        while figures.counts["kills"] < kills:
            if draw.random() < 0.2:
                _kill_while_it_starts(parent, checkpoint, data_dir, draw, figures)
            with _started(parent, data_dir, checkpoint, before) as service:
                _write_and_kill(service, writers, draw, figures)
            _check_databases(data_dir)
            figures.counts["acknowledged writes"] = sum(writer.answered for writer in writers)
            figures.say(at_most_every_seconds=20)
    except BaseException as error:
        error.add_note(f"{parameters.how_to_repeat(used_seed)}; after {figures.counts}")
        raise


def _kill_while_it_starts(
    parent: ForkServer, checkpoint: Path, data_dir: Path, draw: random.Random, figures: Figures
) -> None:
    service = ForkedService.fork(parent, data_dir, checkpoint, gallery_capacity=500)
    time.sleep(draw.uniform(0, _LONGEST_START_SECONDS))
    service.kill()
    figures.add("kills")
    figures.add("of them during a start")


@contextmanager
def _started(
    parent: ForkServer, data_dir: Path, checkpoint: Path, before: tuple[str, ...] | None
) -> Iterator[ForkedService]:
    service = ForkedService.start(parent, data_dir, checkpoint, before, gallery_capacity=500)
    try:
        yield service
    finally:
        service.kill()


def _write_and_kill(service: ForkedService, writers: list[Writer], draw: random.Random, figures: Figures) -> None:
    with httpx.Client(base_url=service.url, timeout=60, verify=False) as client:
        figures.counts["detections at the end"] = check_promises(client, writers[0].pool, writers)
    is_over = threading.Event()
    with ThreadPoolExecutor(WRITERS) as threads:
        writing = [threads.submit(writer.write_until, service.url, is_over) for writer in writers]
        time.sleep(draw.uniform(0, _LONGEST_WRITING_SECONDS))
        if draw.random() < 0.1:
            assert service.stop() == 0, service.log
            figures.add("orderly ends")
        else:
            service.kill()
            figures.add("kills")
        is_over.set()
        for each in writing:
            each.result()


def _check_databases(data_dir: Path) -> None:
    """On the disk as the killed service left it: metadata, feature map and crop of the same detections."""
    with (
        lmdb.open(str(data_dir / "records"), readonly=True, lock=False, max_dbs=8) as environment,
        environment.begin() as transaction,
    ):
        keys = []
        for name in (b"metadata", b"feature_maps", b"crops"):
            with transaction.cursor(environment.open_db(name, transaction, create=False)) as cursor:
                keys.append(set(cursor.iternext(values=False)))
    assert keys[0] == keys[1] == keys[2]
