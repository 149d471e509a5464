"""Calls about detections, one at a time: ingest, look up, list and erase. Batches have a file of their own."""

from io import BytesIO
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Query, Request, Response, status

from service.access.scope import Scope
from service.api.answers import DetectionAnswer, DetectionPageAnswer, EraseAnswer, IngestAnswer
from service.api.declared_problems import FORM_ERRORS, IMAGE_ERRORS, STORING_ERRORS, declare_problems
from service.api.dependencies import (
    DetectionIdInPath,
    RunningComponents,
    refuse_query_parameters,
    refuse_repeated_query_parameters,
    require_started,
)
from service.api.detection_path import DETECTION_PATH
from service.api.detection_requests import DetectionFilterFields, DetectionForm, DetectionListQuery
from service.api.forms import describe_form, read_form
from service.api.json_body import read_json_body
from service.api.request_source import cameras_of, source_of
from service.api.required_scope import requires
from service.api.validation import invalid_fields, validate_fields
from service.audit.on_record import (
    erase_detection_on_record,
    erase_detections_on_record,
    ingest_on_record,
    list_on_record,
    read_crop_on_record,
    read_feature_map_on_record,
    read_metadata_on_record,
)
from service.components import Components
from service.errors import DetectionNotFound, FieldError
from service.inference.feature_extraction import FeatureMap
from service.ingest.ingest_detection import IngestedDetection, NewDetection

_INGEST_ERRORS = declare_problems(*IMAGE_ERRORS, *STORING_ERRORS)
_BINARY = {"schema": {"type": "string", "format": "binary"}}

router = APIRouter(prefix="/v1", tags=["detections"])
_no_query = [Depends(require_started), Depends(refuse_query_parameters)]
_plain_query = [Depends(require_started), Depends(refuse_repeated_query_parameters)]


@router.put(
    DETECTION_PATH,
    summary="Ingest a detection, or replace it",
    status_code=status.HTTP_201_CREATED,
    response_description="New.",
    responses={200: {"model": IngestAnswer, "description": "Replaced."}, **_INGEST_ERRORS},
    openapi_extra=describe_form(DetectionForm),
    dependencies=[requires(Scope.INGEST), *_no_query],
)
async def put_detection(
    detection_id: DetectionIdInPath, request: Request, response: Response, components: RunningComponents
) -> IngestAnswer:
    """Once answered, it is on disk and the next search sees it. The same PUT again is harmless.

    One that replaces a stored picture, camera or time goes on the audit record.
    """
    ingested = await _ingest(components, detection_id, request)
    response.status_code = status.HTTP_201_CREATED if ingested.is_new else status.HTTP_200_OK
    return IngestAnswer.of_ingested(ingested.metadata)


@router.post(
    "/detections",
    summary="Ingest a detection under a new ID",
    status_code=status.HTTP_201_CREATED,
    response_description="New; Location says where.",
    responses={
        201: {"headers": {"Location": {"description": "Its path.", "schema": {"type": "string"}}}},
        **_INGEST_ERRORS,
    },
    openapi_extra=describe_form(DetectionForm),
    dependencies=[requires(Scope.INGEST), *_no_query],
)
async def post_detection(request: Request, response: Response, components: RunningComponents) -> IngestAnswer:
    """As PUT, with a UUID of version 7 as its ID. The same POST again makes another detection."""
    ingested = await _ingest(components, None, request)
    response.headers["Location"] = f"{request.scope['root_path']}/v1/detections/{ingested.metadata.detection_id}"
    return IngestAnswer.of_ingested(ingested.metadata)


@router.get(
    "/detections",
    summary="List detections",
    response_description="A page, ordered by timestamp, then ID.",
    responses=declare_problems(),
    dependencies=[requires(Scope.READ), *_plain_query],
)
async def get_detections(
    query: Annotated[DetectionListQuery, Query()], request: Request, components: RunningComponents
) -> DetectionPageAnswer:
    """Those for which everything given holds. The audit record says who asked for which."""
    page = await list_on_record(
        components,
        query.to_filter(),
        query.limit,
        query.cursor,
        source=source_of(request),
        cameras=cameras_of(request),
    )
    return DetectionPageAnswer(
        detections=[DetectionAnswer.of(metadata) for metadata in page.detections], next_cursor=page.next_cursor
    )


@router.post(
    "/detections:erase",
    summary="Erase all detections that match a filter",
    response_description="How many there were, and the receipt.",
    responses=declare_problems(*FORM_ERRORS),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/DetectionFilterFields"}}},
        }
    },
    dependencies=[requires(Scope.ADMIN), *_no_query],
)
async def post_erase(request: Request, components: RunningComponents) -> EraseAnswer:
    """From device, Redis and disk. An empty filter is refused. Erasing again what is half erased is harmless."""
    fields = await read_json_body(request)
    if not isinstance(fields, dict):
        raise invalid_fields(FieldError("", 'the body must be a JSON object of filters, such as {"camera_id": "c1"}'))
    chosen = validate_fields(DetectionFilterFields, fields).to_filter()
    if chosen.is_empty:
        names = ", ".join(DetectionFilterFields.model_fields)
        raise invalid_fields(FieldError("", f"an empty filter would erase everything: give at least one of {names}"))
    receipt = await erase_detections_on_record(components, chosen, source_of(request))
    return EraseAnswer(erased=receipt.erased, receipt_id=receipt.receipt_id)


@router.get(
    "/detections/{detection_id}/image",
    summary="The crop, as it was sent",
    response_class=Response,
    response_description="The image file.",
    responses={
        200: {"content": {"image/jpeg": _BINARY, "image/png": _BINARY, "image/webp": _BINARY}},
        **declare_problems(DetectionNotFound, *STORING_ERRORS),
    },
    dependencies=[requires(Scope.READ), *_no_query],
)
async def get_image(detection_id: DetectionIdInPath, request: Request, components: RunningComponents) -> Response:
    """Byte for byte, EXIF data included. The audit record says who fetched it."""
    crop = await read_crop_on_record(components, detection_id, source_of(request), cameras_of(request))
    return Response(crop.content, media_type=crop.media_type)


@router.get(
    "/detections/{detection_id}/feature_map",
    summary="The feature map, as a .npy file",
    response_class=Response,
    response_description="float16, [d, h, w], of the model that the detection's model_fingerprint names.",
    responses={
        200: {"content": {"application/octet-stream": _BINARY}},
        **declare_problems(DetectionNotFound, *STORING_ERRORS),
    },
    dependencies=[requires(Scope.READ), *_no_query],
)
async def get_feature_map(detection_id: DetectionIdInPath, request: Request, components: RunningComponents) -> Response:
    """ℓ2-normalised over the channels at every location. The audit record says who fetched it."""
    feature_map = await read_feature_map_on_record(components, detection_id, source_of(request), cameras_of(request))
    content = _to_npy(feature_map)
    disposition = f'attachment; filename="{detection_id}.npy"'
    return Response(content, media_type="application/octet-stream", headers={"Content-Disposition": disposition})


@router.get(
    DETECTION_PATH,
    summary="A detection",
    response_description="What is known of it.",
    responses=declare_problems(DetectionNotFound),
    dependencies=[requires(Scope.READ), *_no_query],
)
async def get_detection(
    detection_id: DetectionIdInPath, request: Request, components: RunningComponents
) -> DetectionAnswer:
    """Its metadata; crop and feature map have paths of their own. The audit record says who fetched it."""
    metadata = await read_metadata_on_record(components, detection_id, source_of(request), cameras_of(request))
    return DetectionAnswer.of(metadata)


@router.delete(
    DETECTION_PATH,
    summary="Erase a detection",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    response_description="Gone.",
    responses={
        204: {
            "headers": {
                "Erasure-Receipt": {"description": "For GET /v1/erasures/{receipt_id}.", "schema": {"type": "string"}}
            }
        },
        **declare_problems(DetectionNotFound),
    },
    dependencies=[requires(Scope.ADMIN), *_no_query],
)
async def delete_detection(
    detection_id: DetectionIdInPath, request: Request, components: RunningComponents
) -> Response:
    """From device, Redis and disk."""
    receipt = await erase_detection_on_record(components, detection_id, source_of(request))
    return Response(status_code=status.HTTP_204_NO_CONTENT, headers={"Erasure-Receipt": receipt.receipt_id})


async def _ingest(components: Components, detection_id: str | None, request: Request) -> IngestedDetection:
    form = await read_form(request, DetectionForm)
    detection = NewDetection(
        detection_id=detection_id,
        camera_id=form.camera_id,
        timestamp_us=form.timestamp,
        track_id=form.track_id,
        person_id=form.person_id,
        image=form.image.content,
    )
    return await ingest_on_record(components, detection, source_of(request), cameras_of(request))


def _to_npy(feature_map: FeatureMap) -> bytes:
    file = BytesIO()
    np.save(file, feature_map, allow_pickle=False)
    return file.getvalue()
