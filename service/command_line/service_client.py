"""Speaks to a running service: where it is, and what it means when it does not answer as expected."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, TypeVar

import httpx
import typer
from pydantic import BaseModel, ValidationError

from service.command_line.command_error import USAGE, CommandError
from service.command_line.service_answers import Problem
from service.settings import is_loopback

DEFAULT_URL = "http://127.0.0.1:8000"
UrlOption = Annotated[
    str, typer.Option(envvar="QACONV_URL", metavar="URL", help="Where the service is.", show_default=True)
]
# Longer than the service gives a request, so that its own word on what took too long arrives.
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)

Answer = TypeVar("Answer", bound=BaseModel)


@contextmanager
def open_client(url: str) -> Iterator[httpx.Client]:
    """A client of the service at `url`; usable from several threads.

    Raises:
        CommandError: the URL is none, or the service cannot be reached or stops answering inside the block.
    """
    address = _parse_url(url)
    # A proxy of the environment is not asked for what is on this machine.
    with httpx.Client(base_url=address, timeout=_TIMEOUT, trust_env=not is_loopback(address.host)) as client:
        try:
            yield client
        except httpx.ConnectError as error:
            raise CommandError(
                f"no service answers at {url} ({error}): start one with `qaconv-service serve`, "
                "or say where it is with --url or QACONV_URL"
            ) from error
        except httpx.TimeoutException as error:
            raise CommandError(
                f"the service at {url} did not answer within {_TIMEOUT.read:g} seconds: see its log, then try again"
            ) from error
        except httpx.TransportError as error:
            raise CommandError(f"the connection to {url} broke ({error!r}): see the service's log") from error


def read_problem(response: httpx.Response) -> Problem:
    """The problem that an answer other than 2xx carries, or one that says that it carries none."""
    try:
        return Problem.model_validate_json(response.content)
    except ValidationError:
        kind = response.headers.get("content-type", "no content type")
        detail = f"{response.url} answered without a problem document ({kind}): is it a qaconv-service?"
        return Problem(title=response.reason_phrase or "Error", status=response.status_code, detail=detail)


def read_answer(response: httpx.Response, kind: type[Answer]) -> Answer:
    """The answer of a request.

    Raises:
        CommandError: the service refused, or answered something else.
    """
    if not response.is_success:
        problem = read_problem(response)
        request = [f"  request {problem.request_id}"] if problem.request_id else []
        raise CommandError(*problem.lines(), *request)
    try:
        return kind.model_validate_json(response.content)
    except ValidationError as error:
        raise CommandError(
            f"{response.url} answered {response.status_code}, but not as this version expects "
            f"({error.error_count()} members differ): is it a qaconv-service of the same version?"
        ) from error


def _parse_url(url: str) -> httpx.URL:
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise CommandError(f"--url is {url!r}, which is no URL: {error}", exit_status=USAGE) from error
    if address.scheme not in ("http", "https") or not address.host:
        raise CommandError(f"--url is {url!r}; it looks like {DEFAULT_URL}", exit_status=USAGE)
    return address
