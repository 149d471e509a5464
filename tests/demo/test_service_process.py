import socket
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from demo.demo_error import DemoError
from demo.service_process import choose_port, read_log, start_service


def test_a_port_that_somebody_listens_on_is_not_chosen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        taken = listening.getsockname()[1]
        port = choose_port(preferred=taken)
    assert port not in (0, taken)


def test_the_preferred_port_is_chosen_where_it_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert choose_port(preferred=port) == port


def test_the_log_is_told_by_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    log.write_text("\n".join(f"line {number}" for number in range(100)))
    lines = read_log(tmp_path).splitlines()
    assert lines[0] == "The last lines of its log:"
    assert lines[-1] == "line 99"
    assert len(lines) == 31
    log.write_text("")
    assert read_log(tmp_path) == "Its log is empty."


def test_a_service_that_does_not_start_is_told_with_its_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QACONV_DEVICE", "abacus")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with (
        pytest.raises(DemoError, match=r"(?s)did not start \(exit status 2\).*QACONV_DEVICE.*'abacus'"),
        start_service(Console(file=StringIO())),
    ):
        pytest.fail("the block was entered")
    assert list(tmp_path.iterdir()) == []
