import subprocess
import sys

import pytest

from service.main import main


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_help_names_the_commands() -> None:
    result = run("--help")
    assert result.returncode == 0
    assert all(command in result.stdout for command in ("serve", "ingest", "search", "keys"))


def test_a_mistake_is_told_on_standard_error_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", "--port", "70000", "--device", "abacus"])
    assert caught.value.code == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert [line.split(" is ")[0] for line in output.err.splitlines()] == [
        "qaconv-service: --port (variable QACONV_PORT)",
        "qaconv-service: --device (variable QACONV_DEVICE)",
    ]


@pytest.mark.parametrize("arguments", [["search"], ["ingest"], ["search", "--no-such-flag"], ["dance"]])
def test_a_command_asked_for_wrongly_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err


def test_the_clients_do_without_pytorch() -> None:
    code = "import sys, service.main; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
