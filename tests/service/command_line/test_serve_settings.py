from pathlib import Path

import pytest

from service.command_line.command_error import USAGE, CommandError
from service.command_line.serve_settings import settings_from_flags


def test_a_flag_comes_before_its_variable_and_that_before_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QACONV_PORT", "9001")
    monkeypatch.setenv("QACONV_DEVICE", "cpu")
    monkeypatch.delenv("QACONV_DATA_DIR", raising=False)
    settings = settings_from_flags({"port": "9002", "device": None, "data_dir": None})
    assert (settings.port, settings.device, settings.data_dir) == (9002, "cpu", Path("qaconv-data"))


def test_every_wrong_value_is_named_with_its_flag_and_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QACONV_PORT", "high")
    monkeypatch.setenv("QACONV_MAX_NEARBY", "0")
    with pytest.raises(CommandError) as caught:
        settings_from_flags({"port": None, "device": "abacus"})
    assert caught.value.exit_status == USAGE
    assert len(caught.value.lines) == 3
    lines = "\n".join(caught.value.lines)
    assert "QACONV_PORT (flag --port) is 'high'" in lines
    assert "--device (variable QACONV_DEVICE) is 'abacus'" in lines
    assert "cuda:N" in lines
    assert "QACONV_MAX_NEARBY is '0'" in lines
    assert lines.count("\n") == 2


def test_an_open_door_is_refused_in_the_words_of_the_settings() -> None:
    with pytest.raises(CommandError, match=r"^host 0\.0\.0\.0 can be reached .*--allow-remote-without-keys"):
        settings_from_flags({"host": "0.0.0.0"})
    assert settings_from_flags({"host": "0.0.0.0", "allow_remote_without_keys": True}).host == "0.0.0.0"
