"""Calls about the service's clock: what it says, and that it is right."""

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from service.access.scope import Scope
from service.api.answers import ClockAnswer
from service.api.declared_problems import FORM_ERRORS, declare_problems
from service.api.dependencies import RunningComponents, refuse_query_parameters
from service.api.fields import Moment
from service.api.json_body import read_json_body
from service.api.request_source import source_of
from service.api.required_scope import requires
from service.api.validation import invalid_fields, validate_fields
from service.audit.on_record import confirm_clock_on_record
from service.clock import system_clock
from service.errors import FieldError, OtherTime
from service.rfc_3339 import format_moment

router = APIRouter(
    prefix="/v1", tags=["status"], dependencies=[requires(Scope.ADMIN), Depends(refuse_query_parameters)]
)


class ClockConfirmation(BaseModel):
    """What time it is, as somebody knows who looked elsewhere than at the service."""

    model_config = ConfigDict(extra="forbid")

    time: Moment = Field(description="Now, to ten minutes.")


@router.get(
    "/clock",
    summary="The service's clock",
    response_description="What it says, and whether it is believed.",
    responses=declare_problems(),
)
async def get_clock(components: RunningComponents) -> ClockAnswer:
    """A clock that jumped is not believed: nothing is erased for its age until it is right again, or confirmed."""
    return ClockAnswer(time=format_moment(system_clock()), doubt=components.clock.doubt)


@router.post(
    "/clock:confirm",
    summary="Confirm the service's clock",
    response_description="It is believed from now on.",
    responses=declare_problems(*FORM_ERRORS, OtherTime),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ClockConfirmation"}}},
        }
    },
)
async def post_clock_confirmation(request: Request, components: RunningComponents) -> ClockAnswer:
    """What is too old by it is erased from now on. Refused where the clock is more than ten minutes from `time`."""
    fields = await read_json_body(request)
    if not isinstance(fields, dict):
        raise invalid_fields(FieldError("", 'the body must be a JSON object, {"time": "2026-12-01T09:00:00Z"}'))
    confirmation = validate_fields(ClockConfirmation, fields)
    now_us = await confirm_clock_on_record(components, confirmation.time, source_of(request))
    return ClockAnswer(time=format_moment(now_us), doubt=None)
