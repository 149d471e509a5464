"""Speaks to a running service: where it is, with which key, and what it means when it does not answer as expected."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, TypeVar

import httpx
import typer
from pydantic import BaseModel, ValidationError

from service.command_line.client_key import read_client_key
from service.command_line.command_error import USAGE, CommandError
from service.command_line.service_answers import Problem
from service.settings import is_loopback

DEFAULT_URL = "http://127.0.0.1:8000"
UrlOption = Annotated[
    str, typer.Option(envvar="QACONV_URL", metavar="URL", help="Where the service is.", show_default=True)
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option(envvar="QACONV_API_KEY_FILE", metavar="FILE", help="Holds the API key; or set QACONV_API_KEY to it."),
]
CaFileOption = Annotated[
    Path | None,
    typer.Option(envvar="QACONV_CA_FILE", metavar="FILE", help="Certificates (PEM) to trust instead of the system's."),
]
# Longer than the service gives a request, so that its own word on what took too long arrives.
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)

Answer = TypeVar("Answer", bound=BaseModel)


@contextmanager
def open_client(url: str, key_file: Path | None = None, ca_file: Path | None = None) -> Iterator[httpx.Client]:
    """A client of the service at `url`; usable from several threads.

    Args:
        url: of the service.
        key_file: holds the API key; without it that of QACONV_API_KEY, if any, is sent.
        ca_file: certificates to trust instead of the system's.

    Raises:
        CommandError: the URL is none, a file cannot be used, or the service cannot be reached or stops answering inside
            the block.
    """
    address = _parse_url(url)
    key = read_client_key(key_file)
    if key is not None and address.scheme == "http" and not is_loopback(address.host):
        typer.echo(f"qaconv-service: {url} is not https: whoever is on the way can read the API key", err=True)
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    # A proxy of the environment is not asked for what is on this machine.
    trust_env = not is_loopback(address.host)
    verify = _trust(ca_file)
    with httpx.Client(
        base_url=address, timeout=_TIMEOUT, trust_env=trust_env, headers=headers, verify=verify
    ) as client:
        try:
            yield client
        except httpx.ConnectError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise CommandError(
                    f"the certificate of {url} is not trusted ({error}): --ca-file or QACONV_CA_FILE names a file of "
                    "certificates to trust"
                ) from error
            if address.scheme == "https" and "SSL" in str(error):
                raise CommandError(
                    f"what answers at {url} does not speak TLS ({error}): if the service has no certificate, its URL "
                    "begins with http://"
                ) from error
            raise CommandError(
                f"no service answers at {url} ({error}): start one with `qaconv-service serve`, "
                "or say where it is with --url or QACONV_URL"
            ) from error
        except httpx.TimeoutException as error:
            raise CommandError(
                f"the service at {url} did not answer within {_TIMEOUT.read:g} seconds: see its log, then try again"
            ) from error
        except httpx.TransportError as error:
            hint = "; if it has a certificate, its URL begins with https://" if address.scheme == "http" else ""
            raise CommandError(f"the connection to {url} broke ({error}): see the service's log{hint}") from error


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
        raise refusal(problem)
    try:
        return kind.model_validate_json(response.content)
    except ValidationError as error:
        raise CommandError(
            f"{response.url} answered {response.status_code}, but not as this version expects "
            f"({error.error_count()} members differ): is it a qaconv-service of the same version?"
        ) from error


def require_access(response: httpx.Response) -> None:
    """Ends the command where the key is at fault, which no further attempt would change.

    Raises:
        CommandError: the service answered 401 or 403.
    """
    if response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise refusal(read_problem(response))


def refusal(problem: Problem) -> CommandError:
    """What the user is told of an answer that refuses the whole request."""
    lines = problem.lines()
    if problem.status == HTTPStatus.UNAUTHORIZED:
        lines.append("  the key is read from --api-key-file FILE, or from the variable QACONV_API_KEY")
    if problem.request_id:
        lines.append(f"  request {problem.request_id}")
    return CommandError(*lines)


def _trust(ca_file: Path | None) -> ssl.SSLContext | bool:
    if ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        reason = "holds no certificates" if isinstance(error, ssl.SSLError) else f"cannot be read: {error.strerror}"
        raise CommandError(f"--ca-file {ca_file} {reason}", exit_status=USAGE) from error


def _parse_url(url: str) -> httpx.URL:
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise CommandError(f"--url is {url!r}, which is no URL: {error}", exit_status=USAGE) from error
    if address.scheme not in ("http", "https") or not address.host:
        raise CommandError(f"--url is {url!r}; it looks like {DEFAULT_URL}", exit_status=USAGE)
    return address
