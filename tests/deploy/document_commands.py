"""The commands of a document: lines that are indented by four spaces and begin with `$ `, or a block in a fence."""

import re
from dataclasses import dataclass
from pathlib import Path

_NOT_RUN = re.compile(r"<!-- not run: (.+) -->")


@dataclass(frozen=True, slots=True)
class DocumentCommand:
    """A command.

    Attributes:
        line: where it begins in the document.
        text: its lines, joined where they go on.
        not_run: why a test cannot run it; None where it can.
    """

    line: int
    text: str
    not_run: str | None


def read_commands(document: Path) -> list[DocumentCommand]:
    """All commands of a document, in its order. A comment `<!-- not run: why -->` is for the block behind it."""
    commands: list[DocumentCommand] = []
    reason: str | None = None
    is_in_block = False
    lines = iter(enumerate(document.read_text(encoding="utf-8").splitlines(), start=1))
    for number, line in lines:
        if found := _NOT_RUN.fullmatch(line.strip()):
            reason, is_in_block = found[1], False
        elif line.startswith("    $ "):
            text = line[6:]
            while text.endswith("\\"):
                text = text[:-1] + next(lines)[1].strip()
            commands.append(DocumentCommand(number, text, reason))
            is_in_block = True
        elif line and not line.startswith("    ") and is_in_block:
            reason, is_in_block = None, False
    return commands
