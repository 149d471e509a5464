"""The API key that a client command sends. It is never an argument: those show in the list of processes."""

import os
import re
from pathlib import Path

from service.command_line.command_error import USAGE, CommandError

VARIABLE = "QACONV_API_KEY"
# What a header may carry; whether it is a key of the service is the service's to say.
_SENDABLE = re.compile(r"[!-~]{1,1000}")


def read_client_key(path: Path | None) -> str | None:
    """The key of a file, else of the variable QACONV_API_KEY; None where neither is given.

    Raises:
        CommandError: the file cannot be read, or what is given is not one word.
    """
    if path is None:
        key, source = os.environ.get(VARIABLE) or None, VARIABLE
    else:
        key, source = _read(path), f"--api-key-file {path}"
    if key is not None and not _SENDABLE.fullmatch(key):
        # The key itself is not quoted: this line may end in a log.
        raise CommandError(f"{source} does not hold an API key, which is one word of ASCII", exit_status=USAGE)
    return key


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError as error:
        raise CommandError(f"--api-key-file {path} cannot be read: {error.strerror}", exit_status=USAGE) from error
    except UnicodeDecodeError as error:
        raise CommandError(f"--api-key-file {path} is no text", exit_status=USAGE) from error
