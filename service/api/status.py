"""Calls about the service itself: its model, its gallery, whether it lives and is ready, and its metrics."""

from fastapi import APIRouter, Depends, Request, Response

from model.checkpoint import Checkpoint
from service.access.scope import Scope
from service.api.answers import (
    BackboneAnswer,
    FeatureMapSize,
    GalleryAnswer,
    InputSize,
    LivenessAnswer,
    MatcherAnswer,
    ModelAnswer,
    ReadinessAnswer,
)
from service.api.declared_problems import KEY_ERRORS, declare_exempt_problems, declare_problems
from service.api.dependencies import RunningComponents, refuse_query_parameters, require_started
from service.api.metrics import answer_metrics
from service.api.request_source import cameras_of
from service.api.required_scope import requires
from service.describe_gallery import describe_gallery
from service.errors import Unavailable
from service.readiness import check_readiness, check_warnings

router = APIRouter(tags=["status"])
_no_query = [Depends(refuse_query_parameters)]
_readable = [requires(Scope.READ), *_no_query]


@router.get(
    "/v1/model",
    summary="The model that serves",
    response_description="What it is, how it was trained and how good it is.",
    responses=declare_problems(),
    dependencies=[*_readable, Depends(require_started)],
)
async def get_model(components: RunningComponents) -> ModelAnswer:
    """As its checkpoint says."""
    return describe_model(components.checkpoint, components.fingerprint)


@router.get(
    "/v1/gallery",
    summary="The gallery",
    response_description="What it holds and could hold.",
    responses=declare_problems(),
    dependencies=[*_readable, Depends(require_started)],
)
async def get_gallery(request: Request, components: RunningComponents) -> GalleryAnswer:
    """Counts are of now. A key that is limited to cameras is told of these alone."""
    return GalleryAnswer.of(await describe_gallery(components, cameras_of(request)))


@router.get(
    "/livez",
    summary="Whether the process serves",
    response_description="It does.",
    responses=declare_exempt_problems(),
    dependencies=_no_query,
)
async def get_liveness() -> LivenessAnswer:
    """For a supervisor: no answer means that it should be started again."""
    return LivenessAnswer(status="alive")


@router.get(
    "/readyz",
    summary="Whether the service can answer",
    response_description="The gallery is recovered, Redis answers, and the device gave a known answer.",
    response_model_exclude_none=True,
    responses=declare_exempt_problems(Unavailable),
    dependencies=_no_query,
)
async def get_readiness(components: RunningComponents) -> ReadinessAnswer:
    """For a load balancer: 503 says what is missing."""
    missing = await check_readiness(components)
    if missing:
        raise Unavailable("; ".join(missing))
    return ReadinessAnswer(status="ready", warnings=check_warnings(components) or None)


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    response_description="Prometheus' text format.",
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **declare_exempt_problems(*KEY_ERRORS),
    },
    dependencies=_readable,
)
async def get_metrics(components: RunningComponents) -> Response:
    """Requests, stages, queues, device, disk, Redis, the gallery, what went wrong, and the process."""
    return await answer_metrics(components)


def describe_model(checkpoint: Checkpoint, fingerprint: str) -> ModelAnswer:
    """What is told of a model: its architecture, how it was trained, and what its training measured of it."""
    config = checkpoint.config
    training = dict(checkpoint.provenance)
    accuracy = training.pop("validation", {})
    return ModelAnswer(
        name=checkpoint.name,
        fingerprint=fingerprint,
        input=InputSize(height=config.input_height, width=config.input_width),
        feature_map=FeatureMapSize.of(config),
        backbone=BackboneAnswer(name=config.backbone, final_layer=config.final_layer),
        matcher=MatcherAnswer(
            name="query_adaptive_convolution", kernel_size=config.kernel_size, shared_head=config.shared_head
        ),
        training=training,
        accuracy=accuracy,
    )
