"""The same measurement through a running service's HTTP API: what is deployed is what is measured.

The gallery is ingested under names of this run alone, every query is searched with temporal lifting off and on, and
what was ingested is erased again.

A search answers 1,000 matches at most. Among more candidates, those beyond them rank in gallery order. Rank-1 to
rank-20 are what they would be. A query's average precision is off by at most about 1/1,000 for each of its right crops
beyond: each of R right crops adds its precision divided by R, and beyond 1,000 its precision is at most about R/1,000.
The inverse negative penalty depends on the last right crop alone, and is not to be quoted.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from http import HTTPStatus
from typing import Literal, TypeVar

import httpx
import torch
from pydantic import BaseModel, ValidationError
from torch import Tensor

from model.retrieval_metrics import RetrievalMetrics, retrieval_metrics
from model.temporal_lifting import LiftingParameters
from training.datasets.dataset import Dataset
from training.datasets.labelled_crop import LabelledCrop
from training.evaluation.progress import OnProgress
from training.evaluation.report import Figures
from training.evaluation.searches import Searches, searches_of

# What a search answers at most.
_MOST_MATCHES = 1000
# Requests at once, so that the service has batches to make; it refuses none of so few.
_REQUESTS_AT_ONCE = 8
_MOST_TRIES, _LONGEST_WAIT_SECONDS = 10, 30.0
_TIMEOUT = httpx.Timeout(120.0, connect=5.0)

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_Lifting = Literal["off", "on"]


class ServiceEvaluationError(RuntimeError):
    """The service refused, or answered what cannot be measured."""


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """What a service found; figures as in `EvaluationReport`.

    Attributes:
        model: the fingerprint of what the service serves.
        is_cut: whether a gallery had more candidates than the 1,000 matches that a search answers; see above what
            that does to mAP and mINP.
    """

    dataset: str
    model: str
    other_cameras: Figures
    all_cameras: Figures
    num_crops: int
    is_cut: bool
    lifting: LiftingParameters | None

    def to_json_values(self) -> dict[str, object]:
        """The figures as JSON values."""
        return asdict(self)


class _Model(BaseModel):
    fingerprint: str


class _Gallery(BaseModel):
    candidates: int


class _Match(BaseModel):
    detection_id: str


class _Answer(BaseModel):
    model: _Model
    gallery: _Gallery
    matches: list[_Match]


@dataclass(frozen=True, slots=True)
class _Run:
    """One measurement's client, searches, and names that nothing else in the service has."""

    client: httpx.Client
    searches: Searches
    parameters: LiftingParameters | None
    prefix: str
    places: dict[str, int]  # in the gallery, of detection IDs

    def detection_id(self, crop: int) -> str:
        """Ascending with the crop's number, as equal scores are ordered."""
        return f"{self.prefix}:{crop:08d}"

    def camera_id(self, crop: int) -> str:
        """The name of the camera that saw a crop."""
        return self.camera_name(int(self.searches.labels.cameras[crop]))

    def camera_name(self, camera: int) -> str:
        """The name of camera number `camera`."""
        return f"{self.prefix}:camera-{camera}"

    def timestamp(self, crop: int) -> str:
        """Unix seconds; a dataset's clock may begin anywhere, the service's begins in 1970."""
        seconds = self.searches.seconds
        return "0" if seconds is None else f"{float(seconds[crop]) - min(0.0, float(seconds.min())):.6f}"


def evaluate_service(
    client: httpx.Client,
    crops: Sequence[LabelledCrop] | Dataset,
    parameters: LiftingParameters | None,
    *,
    keep: bool = False,
    on_progress: OnProgress | None = None,
) -> ServiceReport:
    """Ingest the gallery, search it, measure as `evaluate` does, erase.

    Args:
        client: of the service, with an API key that may ingest, search and administer where it asks for keys; see
            `open_service`.
        crops: as for `evaluate`.
        parameters: of lifting, sent with every search; None not to lift.
        keep: leave what was ingested.
        on_progress: told how far it is.

    Raises:
        ServiceEvaluationError: the service refused.
        OSError, ValueError: as `evaluate`; httpx.TransportError: the service does not answer.
    """
    searches = searches_of(crops)
    lifted = parameters if searches.seconds is not None else None
    run = _begin(client, searches, lifted)
    if not keep:
        _erase(run)  # of nothing yet: whoever may not erase is refused before anything is there
    try:
        _each(searches.gallery.tolist(), partial(_ingest, run), "ingesting", on_progress)
        elsewhere, model = _measure(run, searches.other_cameras(), "other cameras", on_progress)
        everywhere, _ = _measure(run, searches.all_cameras(), "all cameras", on_progress)
    finally:
        if not keep:
            _erase_at_the_end(run)
    is_cut = int(searches.all_cameras().sum(dim=1).max()) > _MOST_MATCHES
    name = crops.name if isinstance(crops, Dataset) else "crops"
    return ServiceReport(name, model, elsewhere, everywhere, len(searches.crops), is_cut, lifted)


@contextmanager
def open_service(url: str, api_key: str | None) -> Iterator[httpx.Client]:
    """A client of the service at `url`.

    Raises:
        ServiceEvaluationError: the URL is none, or the service cannot be reached or stops answering inside the block.
    """
    headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
    try:
        # No proxy of the environment: what is measured is the service itself.
        with httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT, trust_env=False) as client:
            yield client
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise ServiceEvaluationError(f"--url is {url!r}; it looks like http://127.0.0.1:8000 ({error})") from error
    except httpx.TransportError as error:
        raise ServiceEvaluationError(
            f"no service answers at {url} ({error!r}): start one with `qaconv-service serve`, or see its log"
        ) from error


def _begin(client: httpx.Client, searches: Searches, parameters: LiftingParameters | None) -> _Run:
    run = _Run(client, searches, parameters, f"evaluation-{secrets.token_hex(4)}", {})
    for place, crop in enumerate(searches.gallery.tolist()):
        run.places[run.detection_id(crop)] = place
    return run


def _measure(run: _Run, candidates: Tensor, where: str, on_progress: OnProgress | None) -> tuple[Figures, str]:
    """Figures of one gallery, and the model's fingerprint."""
    labels = run.searches.query_labels, run.searches.gallery_labels
    measured: dict[str, RetrievalMetrics] = {}
    model = ""
    ways: dict[str, _Lifting] = (
        {"appearance": "off"} if run.parameters is None else {"appearance": "off", "lifted": "on"}
    )
    for name, lifting in ways.items():
        search = partial(_search, run, candidates, lifting)
        found = _each(range(len(candidates)), search, f"searching {where}, {name}", on_progress)
        model = found[0][1]
        measured[name] = retrieval_metrics(torch.stack([scores for scores, _ in found]), *labels, candidates)
    return Figures(**measured), model


def _search(run: _Run, candidates: Tensor, lifting: _Lifting, place: int) -> tuple[Tensor, str]:
    """One search as scores [g] that rank as the service ranked, and the fingerprint of its model."""
    searches, chosen = run.searches, candidates[place]
    query = int(searches.queries[place])
    # No camera at all would be no filter: then one that saw nobody.
    cameras = searches.gallery_labels.cameras[chosen].unique().tolist() or [-1]
    fields: dict[str, str | list[str]] = {
        "camera_ids": [run.camera_name(camera) for camera in cameras],
        "temporal_lifting": lifting,
        "limit": str(_MOST_MATCHES),
        "num_correspondences": "0",
    }
    if run.parameters is not None:
        fields |= {name: str(value) for name, value in asdict(run.parameters).items()}
    files = None
    if run.detection_id(query) in run.places:
        fields["detection_id"] = run.detection_id(query)
    else:
        fields |= {"camera_id": run.camera_id(query), "timestamp": run.timestamp(query)}
        files = {"image": ("query", searches.crops[query].read_image_bytes())}
    answer = _read(_send(run.client, "POST", "/v1/search", data=fields, files=files))
    if answer.gallery.candidates != int(chosen.sum()):
        raise ServiceEvaluationError(
            f"a search had {answer.gallery.candidates} candidates, the protocol has {int(chosen.sum())}: does "
            "something else write to the cameras of this run, or apply a retention limit?"
        )
    scores = torch.full(chosen.shape, float("-inf"))
    for rank, match in enumerate(answer.matches):
        if match.detection_id not in run.places:
            raise ServiceEvaluationError(
                f"a search found {match.detection_id!r}, which this run did not ingest: does something else write to "
                f"the cameras that begin with {run.prefix}? Measure a service that nobody else uses meanwhile"
            )
        scores[run.places[match.detection_id]] = -rank
    return scores, answer.model.fingerprint


def _ingest(run: _Run, crop: int) -> None:
    content = run.searches.crops[crop].read_image_bytes()
    fields = {"camera_id": run.camera_id(crop), "timestamp": run.timestamp(crop)}
    _send(
        run.client, "PUT", f"/v1/detections/{run.detection_id(crop)}", data=fields, files={"image": ("crop", content)}
    )


def _erase(run: _Run) -> None:
    for camera in run.searches.gallery_labels.cameras.unique().tolist():
        _send(run.client, "POST", "/v1/detections:erase", json={"camera_id": run.camera_name(camera)})


def _erase_at_the_end(run: _Run) -> None:
    try:
        _erase(run)
    except (ServiceEvaluationError, httpx.TransportError) as error:
        raise ServiceEvaluationError(
            f"some of what was ingested is still there, under cameras that begin with {run.prefix} ({error}): erase it "
            "with POST /v1/detections:erase"
        ) from error


def _send(client: httpx.Client, method: str, path: str, **content: object) -> httpx.Response:
    """Sends a request until the service takes it.

    Raises:
        ServiceEvaluationError: it refused, or was busy each time.
    """
    for _ in range(_MOST_TRIES):
        response = client.request(method, path, **content)  # type: ignore[arg-type]
        if response.status_code not in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
            break
        told = response.headers.get("retry-after", "")
        time.sleep(min(float(told) if told.isdecimal() else 1.0, _LONGEST_WAIT_SECONDS))
    if not response.is_success:
        raise ServiceEvaluationError(f"{method} {response.url} answered {response.status_code}: {response.text[:500]}")
    return response


def _read(response: httpx.Response) -> _Answer:
    try:
        return _Answer.model_validate_json(response.content)
    except ValidationError as error:
        raise ServiceEvaluationError(f"{response.url} did not answer as a qaconv-service does: {error}") from error


def _each(
    items: Sequence[_Item], do: Callable[[_Item], _Result], stage: str, on_progress: OnProgress | None
) -> list[_Result]:
    """What `do` makes of the items, some of them at a time."""
    results = []
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
        try:
            for done, result in enumerate(pool.map(do, items), start=1):
                results.append(result)
                if on_progress is not None:
                    on_progress(stage, done, len(items))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return results
