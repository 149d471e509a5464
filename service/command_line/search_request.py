"""What `search` sends: the form fields of a query. What each may be is the service's to say."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from service.command_line.command_error import USAGE, CommandError

# A part of a multipart body: its field, and its file name (None for text) and content.
FormPart = tuple[str, tuple[str | None, bytes]]


def search_form(
    image: Path | None, detection_id: str | None, fields: Mapping[str, str | Sequence[str] | None]
) -> list[FormPart]:
    """The multipart form of a search.

    Args:
        image: the query crop, or None for a stored detection.
        detection_id: the query, where there is no image.
        fields: by the contract's name; None and empty lists are not sent, the service's default holds.

    Raises:
        CommandError: not exactly one query, or the image cannot be read.
    """
    if (image is None) == (detection_id is None):
        raise CommandError("give one query: either an IMAGE or --detection-id", exit_status=USAGE)
    parts: list[FormPart] = []
    for name, value in {"detection_id": detection_id, **fields}.items():
        values = [value] if isinstance(value, str) else value or ()
        parts += [(name, (None, text.encode())) for text in values]
    if image is not None:
        parts.append(("image", (image.name, read_image(image))))
    return parts


def read_image(path: Path) -> bytes:
    """The bytes of a file. Raises CommandError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror or error}", exit_status=USAGE) from error
