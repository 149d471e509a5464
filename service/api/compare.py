"""The call that compares two crops, which need not be stored."""

import asyncio

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from service.access.scope import Scope
from service.api.comparison_picture import draw_comparison
from service.api.correspondence_answers import CorrespondenceAnswer, PixelGrid, describe_correspondences
from service.api.declared_problems import IMAGE_ERRORS, STORING_ERRORS, declare_problems
from service.api.dependencies import RunningComponents, refuse_query_parameters, require_started
from service.api.fields import ImageFile
from service.api.forms import Form, describe_form, read_form
from service.api.media_preference import prefers_png
from service.api.request_source import source_of
from service.api.required_scope import requires
from service.audit.on_record import compare_on_record
from service.components import Components
from service.search.compare_crops import DEFAULT_CORRESPONDENCES, Comparison, open_picture

router = APIRouter(
    prefix="/v1",
    tags=["search"],
    dependencies=[requires(Scope.SEARCH), Depends(require_started), Depends(refuse_query_parameters)],
)


class CompareForm(Form):
    """Two crops."""

    query: ImageFile = Field(description="One person's crop: JPEG, PNG or WebP.")
    gallery: ImageFile = Field(description="Another crop.")


class CompareAnswer(BaseModel):
    """How alike two crops are, and where."""

    logit: float
    appearance_score: float = Field(description="p_a, the logistic function of the logit, in [0, 1].")
    correspondences: list[CorrespondenceAnswer]


@router.post(
    "/compare",
    summary="Compare two crops",
    response_model=CompareAnswer,
    response_description="How alike they are; or, with Accept: image/png, a picture of where.",
    responses={
        200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
        **declare_problems(*IMAGE_ERRORS, *STORING_ERRORS),
    },
    openapi_extra=describe_form(CompareForm),
)
async def post_compare(request: Request, components: RunningComponents) -> Response:
    """With `Accept: image/png`, a picture of both crops side by side, with a line for each mutual correspondence."""
    form = await read_form(request, CompareForm)
    config = components.checkpoint.config
    wants_picture = prefers_png(request.headers.getlist("accept"))
    limit = 2 * config.locations if wants_picture else DEFAULT_CORRESPONDENCES
    comparison = await compare_on_record(
        components, form.query.content, form.gallery.content, limit, source_of(request)
    )
    if wants_picture:
        picture = await asyncio.to_thread(_draw, components, form, comparison)
        return Response(picture, media_type="image/png")
    answer = CompareAnswer(
        logit=comparison.logit,
        appearance_score=comparison.appearance_score,
        correspondences=describe_correspondences(
            comparison.correspondences,
            PixelGrid.over(*comparison.query_size, config),
            PixelGrid.over(*comparison.gallery_size, config),
        ),
    )
    return Response(answer.model_dump_json(), media_type="application/json")


def _draw(components: Components, form: CompareForm, comparison: Comparison) -> bytes:
    query = open_picture(components, form.query.content)
    gallery = open_picture(components, form.gallery.content)
    return draw_comparison(comparison, query, gallery, components.checkpoint.config)
