import hashlib
import re
from datetime import UTC, datetime, timedelta

import pytest

from service.access.api_key import create_key, parse_key
from service.access.scope import Scope

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)


def test_a_key_is_an_id_and_256_random_bits() -> None:
    text, key = create_key("north", frozenset({Scope.INGEST}), NOW)
    assert re.fullmatch(r"qaconv_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", text)
    _, key_id, secret = text.split("_", 2)
    assert key.description.key_id == key_id
    assert key.secret_sha256 == hashlib.sha256(secret.encode()).digest()
    others = [create_key("north", frozenset({Scope.INGEST}), NOW)[0] for _ in range(100)]
    assert len({text, *others}) == 101


def test_what_is_stored_shows_neither_key_nor_hash() -> None:
    text, key = create_key("north", frozenset({Scope.INGEST}), NOW)
    presented = parse_key(text)
    shown = repr(key) + repr(key.description) + repr(presented)
    assert text.rpartition("_")[2] not in shown
    assert key.secret_sha256.hex() not in shown
    assert repr(key.secret_sha256) not in shown


def test_a_key_is_parsed_exactly() -> None:
    text, key = create_key("north", frozenset({Scope.READ}), NOW)
    presented = parse_key(text)
    assert presented is not None
    assert (presented.key_id, presented.secret_sha256) == (key.description.key_id, key.secret_sha256)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "qaconv_",
        "qaconv_0123abcd",
        "qaconv_0123abcd_",
        "qaconv_0123abcd_" + "a" * 42,
        "qaconv_0123abcd_" + "a" * 44,
        "qaconv_0123ABCD_" + "a" * 43,
        "other_0123abcd_" + "a" * 43,
        "qaconv_0123abcd_" + "a" * 42 + "é",
        "qaconv_0123abcd_" + "a" * 43 + "\n",
        "qaconv_0123abcd_" + "a" * 42 + "=",
    ],
)
def test_what_is_no_key(text: str) -> None:
    assert parse_key(text) is None


def test_a_key_expires_at_its_time() -> None:
    _, key = create_key("north", frozenset({Scope.READ}), NOW, expires_at=NOW + timedelta(days=1))
    assert not key.description.is_expired(NOW + timedelta(hours=23, minutes=59))
    assert key.description.is_expired(NOW + timedelta(days=1))
    _, forever = create_key("north", frozenset({Scope.READ}), NOW)
    assert not forever.description.is_expired(NOW + timedelta(days=100_000))
