"""What handlers are given: the components of the running service, and refusals that come before every handler.

All are coroutines, for what is none FastAPI runs in a thread, which takes longer than they do.
"""

from collections import Counter
from typing import Annotated

from fastapi import Depends, Path, Request

from service.api.fields import Identifier
from service.api.validation import invalid_fields
from service.components import Components
from service.errors import FieldError, Unavailable
from service.readiness import require_recovered


async def get_components(request: Request) -> Components:
    """The components that the application's lifespan opened."""
    components = getattr(request.app.state, "components", None)
    if not isinstance(components, Components):
        raise Unavailable("the service is not running")
    return components


RunningComponents = Annotated[Components, Depends(get_components)]
DetectionIdInPath = Annotated[Identifier, Path(description="1 to 128 of the characters A-Z a-z 0-9 . _ : -")]


async def require_started(components: RunningComponents) -> None:
    """Refuses calls while the gallery is being recovered."""
    require_recovered(components)


async def refuse_query_parameters(request: Request) -> None:
    """For calls that have none: a parameter that would be ignored is an error."""
    if request.query_params:
        raise invalid_fields(
            *(FieldError(name, "is unknown: this call has no query parameters") for name in request.query_params)
        )


async def refuse_repeated_query_parameters(request: Request) -> None:
    """For calls that have query parameters: none is a list."""
    counts = Counter(name for name, _ in request.query_params.multi_items())
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated:
        raise invalid_fields(*(FieldError(name, "was sent more than once") for name in repeated))
