"""Fills the service's gallery: draws the crops into a folder, and has `qaconv-service ingest` send it."""

import subprocess
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.progress import track

from demo.demo_error import DemoError
from demo.service_process import RunningService
from training.datasets.crop_folder import write_crop_folder
from training.datasets.labelled_crop import LabelledCrop


def ingest(service: RunningService, crops: Sequence[LabelledCrop], console: Console) -> None:
    """Draw and ingest all crops.

    Raises:
        DemoError: some were not ingested; the command has said which.
    """
    folder = service.folder / "crops"
    write_crop_folder(folder, track(crops, "drawing", console=console))
    command = [sys.executable, "-m", "service.main", "ingest", str(folder), "--url", service.url]
    status = subprocess.run(command, check=False).returncode
    if status != 0:
        raise DemoError(f"qaconv-service ingest ended with exit status {status}; see above")
