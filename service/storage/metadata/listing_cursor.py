"""Where a page of a listing ended, as an opaque word that a client hands back."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Self

from service.errors import FieldError, InvalidField

_FORM = re.compile(r"1 (-?[0-9]{1,16}) ([A-Za-z0-9._:-]{1,128})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class ListingCursor:
    """The place of a detection in the order of a listing: by timestamp, then by ID."""

    timestamp_us: int
    detection_id: str

    def encode(self) -> str:
        """The word: letters, digits, `-` and `_`. It begins with a version inside."""
        return urlsafe_b64encode(f"1 {self.timestamp_us} {self.detection_id}".encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, word: str) -> Self:
        """The place that a word stands for.

        Raises:
            InvalidField: this is no word of `encode`.
        """
        try:
            text = urlsafe_b64decode(word + "=" * (-len(word) % 4)).decode("ascii")
        except ValueError:
            text = ""
        form = _FORM.fullmatch(text)
        place = None if form is None else cls(int(form[1]), form[2])
        if place is None or place.encode() != word:
            message = f"{word[:200]!r} is no cursor of this service: send the next_cursor of the last page, or none"
            raise InvalidField(f"cursor {message}", (FieldError("cursor", message),))
        return place
