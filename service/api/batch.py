"""Many detections in one request, each with its own outcome: a bad one never fails its neighbours."""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Depends, Request, status

from service.access.camera_limit import CameraLimit
from service.access.scope import Scope
from service.api.answers import BatchAnswer, IngestAnswer, RefusedItem, StoredItem
from service.api.declared_problems import FORM_ERRORS, declare_problems
from service.api.dependencies import RunningComponents, refuse_query_parameters, require_started
from service.api.detection_requests import BatchForm, ManifestItem
from service.api.fields import UploadedFile, show_value
from service.api.forms import FormLimits, describe_form, read_form
from service.api.json_body import parse_json
from service.api.problems import UNEXPECTED_ERROR, count_problem, describe_error
from service.api.request_source import cameras_of, source_of
from service.api.required_scope import requires
from service.api.validation import invalid_field, invalid_fields, validate_fields
from service.audit.audit_events import Source
from service.audit.on_record import ingest_on_record
from service.components import Components
from service.errors import FieldError, LimitExceeded, MalformedManifest, RequestTimeout, ServiceError
from service.ingest.ingest_detection import NewDetection
from service.settings import Settings

# Longer than a manifest's item with four IDs, a time and a file name can be, escapes aside.
_MAX_ITEM_BYTES = 4096
# Left of a request's time for answering what became of the items that were done in time.
_ANSWERING_SHARE = 0.1

_log = logging.getLogger(__name__)

router = APIRouter(
    prefix="/v1",
    tags=["detections"],
    dependencies=[requires(Scope.INGEST), Depends(require_started), Depends(refuse_query_parameters)],
)


@dataclass(slots=True)
class _Names:
    """The files and IDs that earlier items of a manifest took, by the item's number."""

    files: dict[str, int] = field(default_factory=dict)
    detection_ids: dict[str, int] = field(default_factory=dict)


@router.post(
    "/detections:batch",
    summary="Ingest many detections",
    response_description="What became of each, in the manifest's order.",
    responses=declare_problems(MalformedManifest, *FORM_ERRORS),
    openapi_extra=describe_form(BatchForm),
)
async def post_batch(request: Request, components: RunningComponents) -> BatchAnswer:
    """Each item succeeds or fails by itself, with the status and the problem that its own PUT or POST would have."""
    limits = _form_limits(components.settings)
    form = await read_form(request, BatchForm, limits)
    items = _read_manifest(form.manifest, limits.max_text_bytes, components.settings.max_batch_items)
    _refuse_stray_files(items, form.images)
    detections = _read_items(items, form.images)
    deadline = request.state.deadline - components.settings.request_timeout_seconds * _ANSWERING_SHARE
    # Fewer at once than may wait for the device, so that one batch does not shut everybody else out.
    settings = components.settings
    places = asyncio.Semaphore(max(1, min(settings.extraction_batch, settings.max_waiting // 4)))
    caller = source_of(request), cameras_of(request)
    outcomes = (_ingest(components, detection, caller, places, deadline) for detection in detections)
    results = await asyncio.gather(*outcomes)
    for result in results:
        if isinstance(result, RefusedItem):
            count_problem(components.metrics, result.problem.kind)
    return BatchAnswer(results=results)


def _form_limits(settings: Settings) -> FormLimits:
    return FormLimits(
        max_files=settings.max_batch_items + 1, max_text_bytes=max(2**16, settings.max_batch_items * _MAX_ITEM_BYTES)
    )


def _read_manifest(manifest: str | UploadedFile, max_bytes: int, max_items: int) -> list[Any]:
    text = manifest if isinstance(manifest, str) else manifest.content
    # Of a text the parser of forms has seen to it; a file may be as long as the body.
    if len(text) > max_bytes:
        raise LimitExceeded(f"the manifest has {len(text)} bytes, at most {max_bytes} are taken: send several batches")
    try:
        items = parse_json(text)
    except ValueError as error:
        raise MalformedManifest(f"the manifest is not JSON: {error}") from error
    if not isinstance(items, list):
        raise invalid_field("manifest", f"must be a JSON array with an object for each crop, not {show_value(items)}")
    if len(items) > max_items:
        raise LimitExceeded(f"the manifest has {len(items)} items, at most {max_items} are taken: send several batches")
    return items


def _refuse_stray_files(items: Sequence[Any], images: Sequence[UploadedFile]) -> None:
    """A crop that no item names would be lost without a word."""
    named = {item["file"] for item in items if isinstance(item, dict) and isinstance(item.get("file"), str)}
    if len(named) < len(items):
        return  # An item that names no file, or another's, is refused by itself; the stray file may be its own.
    stray = sorted({image.name for image in images} - named)
    if stray:
        raise invalid_fields(
            *(FieldError("images", f"no item of the manifest names the file {show_value(name)}") for name in stray)
        )


def _read_items(items: Sequence[Any], images: Sequence[UploadedFile]) -> list[NewDetection | ServiceError]:
    contents = {image.name: image.content for image in images}
    copies = Counter(image.name for image in images)
    names = _Names()
    return [_read_item(number, item, contents, copies, names) for number, item in enumerate(items)]


def _read_item(
    number: int,
    fields: Any,  # noqa: ANN401 (whatever a client put into its manifest)
    contents: Mapping[str, bytes],
    copies: Mapping[str, int],
    names: _Names,
) -> NewDetection | ServiceError:
    try:
        if not isinstance(fields, dict):
            raise invalid_field("", f"an item must be a JSON object, not {show_value(fields)}")
        item = validate_fields(ManifestItem, fields)
        _check_file(number, item.file, copies, names)
        _check_detection_id(number, item.detection_id, names)
    except ServiceError as error:
        return error
    return NewDetection(
        item.detection_id, item.camera_id, item.timestamp, item.track_id, item.person_id, contents[item.file]
    )


def _check_file(number: int, name: str, copies: Mapping[str, int], names: _Names) -> None:
    if copies.get(name, 0) == 0:
        raise invalid_field("file", f"no part of images has the file name {show_value(name)}")
    if copies[name] > 1:
        raise invalid_field("file", f"{copies[name]} parts of images are named {show_value(name)}: name each apart")
    earlier = names.files.setdefault(name, number)
    if earlier != number:
        raise invalid_field("file", f"{show_value(name)} is the file of item {earlier} (from 0) already")


def _check_detection_id(number: int, detection_id: str | None, names: _Names) -> None:
    if detection_id is None:
        return
    earlier = names.detection_ids.setdefault(detection_id, number)
    if earlier != number:
        raise invalid_field("detection_id", f"{detection_id!r} is the ID of item {earlier} (from 0) already")


async def _ingest(
    components: Components,
    detection: NewDetection | ServiceError,
    caller: tuple[Source, CameraLimit],
    places: asyncio.Semaphore,
    deadline: float,
) -> StoredItem | RefusedItem:
    if isinstance(detection, ServiceError):
        return _refuse(detection)
    try:
        async with asyncio.timeout_at(deadline), places:
            ingested = await ingest_on_record(components, detection, *caller)
    except ServiceError as error:
        return _refuse(error)
    except TimeoutError:
        return _refuse(RequestTimeout("the batch's time was over before this item was done: send it again"))
    except Exception:
        _log.exception("an exception that nobody foresaw, in an item of a batch")
        return _refuse(UNEXPECTED_ERROR)
    code = status.HTTP_201_CREATED if ingested.is_new else status.HTTP_200_OK
    answer = IngestAnswer.of_ingested(ingested.metadata)
    return StoredItem(detection_id=answer.detection_id, status=code, warnings=answer.warnings)


def _refuse(error: ServiceError) -> RefusedItem:
    return RefusedItem(status=error.status, problem=describe_error(error))
