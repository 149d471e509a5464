"""The call that finds a person again."""

from functools import partial

from fastapi import APIRouter, Depends, Request, Response

from service.access.scope import Scope
from service.api.declared_problems import IMAGE_ERRORS, STORING_ERRORS, declare_problems
from service.api.dependencies import RunningComponents, refuse_query_parameters, require_started
from service.api.forms import URLENCODED, describe_form, read_form
from service.api.request_source import cameras_of, source_of
from service.api.required_scope import requires
from service.api.search_answers import SearchAnswer, describe_search
from service.api.search_form import SearchForm
from service.audit.on_record import search_on_record
from service.components import Components
from service.errors import DetectionNotFound, OtherModel
from service.search.search_records import SearchResult

router = APIRouter(
    prefix="/v1",
    tags=["search"],
    dependencies=[requires(Scope.SEARCH), Depends(require_started), Depends(refuse_query_parameters)],
)


@router.post(
    "/search",
    summary="Find the detections of a person",
    response_model=SearchAnswer,
    response_description="The matches, best first; equal scores are ordered by detection ID.",
    responses=declare_problems(*IMAGE_ERRORS, *STORING_ERRORS, DetectionNotFound, OtherModel),
    openapi_extra=describe_form(SearchForm, URLENCODED),
)
async def post_search(request: Request, components: RunningComponents) -> Response:
    """The query is `image`, or `detection_id` of a stored detection, which is then no candidate itself."""
    form = await read_form(request, SearchForm)
    write_answer = partial(_write_answer, components)
    content = await search_on_record(components, form.to_query(cameras_of(request)), source_of(request), write_answer)
    return Response(content, media_type="application/json")


def _write_answer(components: Components, result: SearchResult) -> bytes:
    """Takes a while: a thousand matches with all their correspondences are a hundred megabytes of JSON."""
    return describe_search(result, components.checkpoint, components.fingerprint).model_dump_json().encode()
