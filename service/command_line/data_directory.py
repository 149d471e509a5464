"""The data directory that a command works on: of its flag, else of the variable, else the default."""

from pathlib import Path
from typing import Annotated

import typer

from service.command_line.serve_settings import settings_from_flags

DataDirOption = Annotated[
    str | None,
    typer.Option(
        "--data-dir", metavar="FOLDER", help="Of the records (variable QACONV_DATA_DIR; default qaconv-data)."
    ),
]


def data_directory(data_dir: str | None) -> Path:
    """The folder that `serve` would use. Raises CommandError where a setting is wrong."""
    return settings_from_flags({"data_dir": data_dir}).data_dir
