import base64
import re

import pytest

from service.errors import InvalidField
from service.storage.metadata.listing_cursor import ListingCursor


@pytest.mark.parametrize(
    "cursor", [ListingCursor(-1, "a.:_-Z"), ListingCursor(2**53, "x" * 128), ListingCursor(0, "0")]
)
def test_a_cursor_comes_back_from_a_word_fit_for_urls(cursor: ListingCursor) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]+", cursor.encode())
    assert ListingCursor.decode(cursor.encode()) == cursor


def word(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "other",
    [
        "",
        "x",
        "%%%",
        "ä",
        word("2 1 a"),
        word("1 1 a/b"),
        word("1 a b"),
        word("1 1 "),
        word("1 01 a"),
        word("1 1 a") + "=",
    ],
)
def test_any_other_word_is_refused(other: str) -> None:
    with pytest.raises(InvalidField, match="is no cursor of this service") as caught:
        ListingCursor.decode(other)
    assert caught.value.field_errors[0].field == "cursor"


def test_cursors_are_ordered_by_time_then_id() -> None:
    assert ListingCursor(1, "b") < ListingCursor(2, "a") < ListingCursor(2, "b")
