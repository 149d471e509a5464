"""The OpenAPI document: FastAPI's, with the schemas of the forms, which are read by hand, and of problem documents."""

from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from service.api.clock import ClockConfirmation
from service.api.compare import CompareForm
from service.api.detection_requests import BatchForm, DetectionFilterFields, DetectionForm
from service.api.problems import Problem
from service.api.search_form import SearchForm

_REFERENCE = "#/components/schemas/{model}"


class DocumentedApplication(FastAPI):
    """A FastAPI application whose document declares what its handlers read and answer by themselves."""

    def openapi(self) -> dict[str, Any]:
        """The document; made once."""
        if not self.openapi_schema:
            document = super().openapi()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(_schemas())
            if self.state.key_ring is None:
                _drop_security(document)
        assert self.openapi_schema is not None
        return self.openapi_schema


def _drop_security(document: dict[str, Any]) -> None:
    """The document of a service without keys asks for none."""
    document["components"].pop("securitySchemes", None)
    for calls in document["paths"].values():
        for call in calls.values():
            call.pop("security", None)


def _schemas() -> dict[str, Any]:
    _, definitions = models_json_schema(
        [
            (BatchForm, "validation"),
            (CompareForm, "validation"),
            (DetectionFilterFields, "validation"),
            (ClockConfirmation, "validation"),
            (DetectionForm, "validation"),
            (SearchForm, "validation"),
            (Problem, "serialization"),
        ],
        ref_template=_REFERENCE,
    )
    schemas: dict[str, Any] = definitions["$defs"]
    return schemas
