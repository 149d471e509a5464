"""The command line of training: `qaconv-training train | evaluate | synthesise | import`."""

import sys
from io import TextIOWrapper

import typer

from training.command_line.evaluate_command import evaluate_checkpoint
from training.command_line.import_command import import_checkpoint
from training.command_line.synthesise_command import synthesise
from training.command_line.train_command import train

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Trains and evaluates matching checkpoints.")
app.command("train")(train)
app.command("evaluate")(evaluate_checkpoint)
app.command("synthesise")(synthesise)
app.command("import")(import_checkpoint)


def main() -> None:
    """Entry point of `qaconv-training`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may not know every character
    app()


if __name__ == "__main__":
    main()
