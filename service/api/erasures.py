"""The call about erasures: whether anything is left of what was erased."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from service.access.scope import Scope
from service.api.answers import ErasureAnswer
from service.api.declared_problems import declare_problems
from service.api.dependencies import RunningComponents, refuse_query_parameters, require_started
from service.api.fields import Identifier
from service.api.required_scope import requires
from service.erasure.erase_detections import read_receipt
from service.errors import ReceiptNotFound

router = APIRouter(
    prefix="/v1",
    tags=["detections"],
    # The scope of those who erase: a key has no other unless it was given.
    dependencies=[requires(Scope.ADMIN), Depends(require_started), Depends(refuse_query_parameters)],
)


@router.get(
    "/erasures/{receipt_id:path}",
    summary="The receipt of an erasure",
    response_description="Pending, or complete when nothing of what was erased is left.",
    responses=declare_problems(ReceiptNotFound),
)
async def get_erasure(
    receipt_id: Annotated[Identifier, Path(description="As the erasure was answered.")], components: RunningComponents
) -> ErasureAnswer:
    """Receipts carry no IDs of detections, and are kept for a year."""
    return ErasureAnswer.of(await read_receipt(components, receipt_id))
