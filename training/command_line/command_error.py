"""How a command ends that cannot do what it was asked to."""

import tempfile
from pathlib import Path

import typer


def failure(error: Exception) -> typer.Exit:
    """Tells in one line what went wrong: some messages of PyTorch take many."""
    typer.echo(f"qaconv-training: {' '.join(str(error).split())}", err=True)
    return typer.Exit(1)


def check_output(output: Path) -> None:
    """Refuses before the work what could not be written after it.

    Raises:
        BadParameter: the folder of `--output` is not there or cannot be written to, or it is a folder itself.
    """
    if not output.parent.is_dir():
        raise typer.BadParameter(f"the folder {output.parent} of --output does not exist: make it first")
    if output.is_dir():
        raise typer.BadParameter(f"--output {output} is a folder: give the name of a file")
    try:
        # By trying: permissions alone do not tell of a file system that is mounted read-only.
        tempfile.TemporaryFile(dir=output.parent).close()
    except OSError as error:
        reason = error.strerror or error
        raise typer.BadParameter(
            f"the folder {output.parent} of --output cannot be written to ({reason}): give another"
        ) from error
