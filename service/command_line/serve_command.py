"""`qaconv-service serve`: runs the service until it is told to end."""

from importlib import import_module
from typing import Annotated

import typer

from service.command_line.command_error import CommandError
from service.command_line.serve_settings import settings_from_flags

# Values stay text here: `Settings` is the one place that knows what each may be.
_Text = str | None


def serve_command(
    *,
    host: Annotated[_Text, typer.Option(metavar="ADDRESS", help="Address to listen on (default 127.0.0.1).")] = None,
    port: Annotated[_Text, typer.Option(metavar="PORT", help="Port; 0 for any (default 8000).")] = None,
    data_dir: Annotated[_Text, typer.Option(metavar="FOLDER", help="Of the records (default qaconv-data).")] = None,
    redis_url: Annotated[_Text, typer.Option(metavar="URL", help="Redis to use; without it, a private one.")] = None,
    checkpoint: Annotated[_Text, typer.Option(metavar="FILE", help="Checkpoint; without it, the shipped one.")] = None,
    device: Annotated[_Text, typer.Option(metavar="NAME", help="cpu, cuda, cuda:N or auto (default auto).")] = None,
    precision: Annotated[
        _Text,
        typer.Option(metavar="FORMAT", help="auto, int8, float16, bfloat16 or float32, in memory (default auto)."),
    ] = None,
    exact_maps: Annotated[
        _Text, typer.Option(metavar="PLACE", help="Of float16 maps beside int8 ones: auto, device or disk.")
    ] = None,
    gallery_capacity: Annotated[
        _Text, typer.Option(metavar="NUMBER", help="Most detections; without it, what fits, at most 100,000.")
    ] = None,
    api_keys_file: Annotated[
        _Text,
        typer.Option(metavar="FILE", help="API keys, as `keys create` writes them; without it, none are asked for."),
    ] = None,
    tls_certificate: Annotated[
        _Text, typer.Option(metavar="FILE", help="Certificate chain (PEM), to serve HTTPS.")
    ] = None,
    tls_key: Annotated[_Text, typer.Option(metavar="FILE", help="Its private key (PEM, not encrypted).")] = None,
    allow_remote_without_keys: Annotated[
        bool | None,
        typer.Option("--allow-remote-without-keys", help="Listen beyond loopback although there are no API keys."),
    ] = None,
) -> None:
    """Run the service until Ctrl-C. Each flag is also a variable: --data-dir is QACONV_DATA_DIR."""
    settings = settings_from_flags(
        {
            "host": host,
            "port": port,
            "data_dir": data_dir,
            "redis_url": redis_url,
            "checkpoint": checkpoint,
            "device": device,
            "precision": precision,
            "exact_maps": exact_maps,
            "gallery_capacity": gallery_capacity,
            "api_keys_file": api_keys_file,
            "tls_certificate": tls_certificate,
            "tls_key": tls_key,
            "allow_remote_without_keys": allow_remote_without_keys,
        }
    )
    # By name, because it brings PyTorch, which takes seconds to import: --help and the clients do without it.
    server = import_module("service.api.server")
    try:
        server.serve(settings)
    except (OSError, ValueError, RuntimeError) as error:
        # What is wrong with the checkpoint, device, data directory or address, in its own words. What is our mistake
        # (an assertion, a wrong type or key) ends in its traceback.
        raise CommandError(_one_line(error)) from error


def _one_line(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror and not error.filename else str(error)
    return f"the service did not start: {' '.join(reason.split())}"
