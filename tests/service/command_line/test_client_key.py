from pathlib import Path

import pytest

from service.command_line.client_key import read_client_key
from service.command_line.command_error import USAGE, CommandError


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QACONV_API_KEY", raising=False)


def test_the_file_comes_before_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_client_key(None) is None
    monkeypatch.setenv("QACONV_API_KEY", "of-the-variable")
    assert read_client_key(None) == "of-the-variable"
    path = tmp_path / "key"
    path.write_text("  of-the-file\n")
    assert read_client_key(path) == "of-the-file"
    monkeypatch.setenv("QACONV_API_KEY", "")
    assert read_client_key(None) is None


@pytest.mark.parametrize("content", [b"", b"two words", b"two\nlines", b"caf\xc3\xa9", b"x" * 1001, b"\xff"])
def test_what_no_header_can_carry_is_refused_and_not_quoted(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(CommandError, match="--api-key-file") as caught:
        read_client_key(path)
    assert caught.value.exit_status == USAGE
    assert not content or content.decode(errors="replace") not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        read_client_key(tmp_path / "key")
