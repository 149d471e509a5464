"""The demo from start to end: a service, a synthetic camera network, queries, their answers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import track

from demo.camera_network import Division
from demo.demo_error import DemoError
from demo.ingestion import ingest
from demo.queries import AskedQuery, ask, count_right, draw_correspondences, is_right
from demo.report import print_query, print_summary
from demo.service_process import RunningService, read_log, start_service
from training.datasets.labelled_crop import LabelledCrop

PICTURE_PATH = Path("demo-output") / "correspondences.png"
REQUIRED_SHARE = 0.8
# Twice what the service gives a request.
_TIMEOUT_SECONDS = 120.0


def run_tour(network: Division, console: Console, *, is_once: bool, picture_path: Path = PICTURE_PATH) -> bool:
    """Start a service, fill it, ask, report, and unless `is_once` stay up until Ctrl-C.

    Args:
        network: who is searched for among whom.
        console: where the report goes.
        is_once: do not stay up.
        picture_path: the PNG of a query's correspondences with its best match.

    Returns:
        Whether the right person came first for at least four queries of five, with temporal lifting.

    Raises:
        DemoError: something did not work at all.
    """
    num_people = len({crop.person_id for crop in network.gallery})
    num_cameras = len({crop.camera_id for crop in network.gallery})
    with start_service(console) as service:
        console.print(f"The service is up at {service.url} (its records go with the demo).")
        console.print(f"{num_people} synthetic people walk past {num_cameras} cameras: {len(network.gallery)} crops.")
        ingest(service, network.gallery, console)
        asked = _ask_all(service, network.queries, console)
        shown = _choose_shown(asked)
        _write_picture(service, shown, picture_path)
        print_summary(console, asked, num_people)
        console.print(f"Where {shown.crop.person_id} agrees with the best match: {picture_path}", soft_wrap=True)
        # The one that the picture shows comes first.
        for number, each in enumerate([shown, *(each for each in asked if each is not shown)], start=1):
            print_query(console, number, each)
        is_good = count_right(asked)[1] >= REQUIRED_SHARE * len(asked)
        if not is_good:
            console.print(f"With lifting that is less than {REQUIRED_SHARE:.0%}: something is wrong.", style="red")
        if not is_once:
            _stay_up(service, console)
    return is_good


def _ask_all(service: RunningService, queries: Sequence[LabelledCrop], console: Console) -> list[AskedQuery]:
    with _open_client(service) as client:
        return [ask(client, crop) for crop in track(queries, "asking", console=console)]


def _write_picture(service: RunningService, asked: AskedQuery, path: Path) -> None:
    with _open_client(service) as client:
        picture = draw_correspondences(client, asked)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(picture)


@contextmanager
def _open_client(service: RunningService) -> Iterator[httpx.Client]:
    try:
        with httpx.Client(base_url=service.url, timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
            yield client
    except httpx.TransportError as error:
        raise DemoError(f"the service stopped answering ({error!r}).\n{read_log(service.folder)}") from error


def _choose_shown(asked: Sequence[AskedQuery]) -> AskedQuery:
    """The first query whose best match is right; where none is, the first that has a match."""
    answered = [each for each in asked if each.with_lifting]
    if not answered:
        raise DemoError("the service found no match for any query, although the gallery holds crops of other cameras")
    return next((each for each in answered if is_right(each, each.with_lifting[0])), answered[0])


def _stay_up(service: RunningService, console: Console) -> None:
    console.print(f"\nThe service stays up at {service.url} (see {service.url}/docs). Ctrl-C ends it.", soft_wrap=True)
    try:
        service.wait()
    except KeyboardInterrupt:
        console.print("\nEnding the service.")
