"""`python -m demo`: see `--help`."""

import argparse
import signal
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from types import FrameType

from rich.console import Console

from demo.camera_network import draw_network
from demo.demo_error import DemoError
from demo.tour import run_tour


def main(arguments: Sequence[str]) -> int:
    """Run the demo; returns its exit status: 0 as it should be, 1 otherwise, 130 after Ctrl-C before its end."""
    parser = argparse.ArgumentParser(
        prog="demo", description="Starts the service, searches a synthetic camera network, and stays up until Ctrl-C."
    )
    parser.add_argument("--once", action="store_true", help="end by itself when all queries are answered")
    is_once = parser.parse_args(arguments).once
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may not know every character
    console = Console(highlight=False)
    # As Ctrl-C, so that the service is ended in order.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return 0 if run_tour(draw_network(), console, is_once=is_once) else 1
    except (DemoError, OSError) as error:
        console.print(f"The demo failed: {error}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("\nThe demo was interrupted; its service has ended.")
        return 130


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
