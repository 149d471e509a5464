import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from service.access.scope import Scope
from service.api.access_control import OPEN_PATHS
from service.api.application import create_application
from service.api.documentation_page import render_documentation
from service.settings import Settings
from tests.service.made_keys import add_key


class Rows(HTMLParser):
    """The cells of every table row, and whether every tag that was opened was closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag == "td":
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open:
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def page() -> str:
    return render_documentation(create_application(Settings()).openapi())


def test_fields_have_their_limits_and_defaults(page: str) -> None:
    rows = Rows(page).rows
    form = "multipart/form-data or application/x-www-form-urlencoded"
    assert [
        "limit",
        form,
        "10",
        "integer; minimum 1; maximum 1000; Matches at most.",
    ] in rows
    (timestamp,) = [row for row in rows if row[:2] == ["timestamp", form]]
    assert timestamp[2] == "none"
    assert timestamp[3].startswith(
        "string or number; minimum 0; exclusiveMaximum 7258118400; When the query was seen.; RFC 3339 or ISO 8601"
    )
    assert ["camera_id", "multipart/form-data", "required", "string; pattern ^[A-Za-z0-9._:-]{1,128}$"] in rows


def test_answers_have_their_kinds(page: str) -> None:
    rows = Rows(page).rows
    assert ["200", "image/jpeg, image/png, image/webp", "The image file."] in rows
    assert any(row[:2] == ["429", "application/problem+json"] and "queue-full" in row[2] for row in rows)


def test_the_page_is_whole_and_stands_alone(page: str) -> None:
    assert Rows(page).open == []
    assert not re.search(r"<script|src=|https?://", page)


def test_which_scope_a_call_needs(tmp_path: Path, page: str) -> None:
    add_key(tmp_path / "keys.json", Scope.READ)
    keyed = render_documentation(create_application(Settings(api_keys_file=tmp_path / "keys.json")).openapi())
    search = keyed[keyed.index('id="post_search"') :].partition("</section>")[0]
    assert "Needs an API key with the scope search." in search
    assert keyed.count("Needs an API key") == keyed.count("<section>") - len(OPEN_PATHS)
    assert "Needs an API key" not in page


def test_what_a_document_says_is_escaped() -> None:
    page = render_documentation({"info": {"title": "<b>", "description": "a & b"}, "paths": {}})
    assert "<b>" not in page
    assert "a &amp; b" in page


def test_the_members_of_answers_are_listed_by_their_path(page: str) -> None:
    rows = Rows(page).rows
    assert ["matches[].score", "number; p_a, or the re-ranked score; with temporal lifting times (p_t + α)."] in rows
    names = {row[0] for row in rows if len(row) == 2}
    assert {"receipt_id", "warnings[].code", "temporal_lifting.pivots[].camera_id", "results[].problem.detail"} <= names
    assert {"matches[].correspondences[].query.row", "detections[].image.width", "next_cursor"} <= names
