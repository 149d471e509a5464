"""README and the operating guide, followed literally: every command runs, in order, in an empty folder."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import free_port
from tests.deploy.document_commands import DocumentCommand, read_commands

ROOT = Path(__file__).parents[2]
DOCUMENTS = {"README.md": ROOT / "README.md", "operating.md": ROOT / "docs" / "operating.md"}
PROGRAMS = ("curl", "openssl", "redis-server")
_EXPORT = re.compile(r"(export\b|[A-Z_]+=|cd |umask )")


@dataclass
class Shell:
    """Runs commands in one folder; what they export is there for the next. Services run beside them."""

    folder: Path
    environment: dict[str, str]
    port: int
    service: "subprocess.Popen[bytes] | None" = None
    outputs: list[str] = field(default_factory=list)

    def run(self, command: str) -> str:
        command = command.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}").replace("0.0.0.0", "127.0.0.1")
        if "qaconv-service serve" in command:
            self._serve(command)
            return ""
        script = f"set -ea\n{command}\n"  # what is assigned is there for the next command
        if _EXPORT.match(command):
            script += f"env -0 > {shlex.quote(str(self.folder / '.environment'))}\n"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}\n{self._log()}"
        if _EXPORT.match(command):
            content = (self.folder / ".environment").read_text()
            self.environment = dict(entry.split("=", 1) for entry in content.split("\0") if entry)
        return done.stdout

    def _serve(self, command: str) -> None:
        self.stop()
        log = self.folder / "service.log"
        with log.open("wb") as file:
            self.service = subprocess.Popen(
                ["bash", "-c", f"exec {command}"], cwd=self.folder, env=self.environment, stdout=file, stderr=file
            )
        deadline = time.monotonic() + 60
        while b"recovered:" not in log.read_bytes():
            assert self.service.poll() is None, f"$ {command}\n{self._log()}"
            assert time.monotonic() < deadline, self._log()
            time.sleep(0.05)

    def _log(self) -> str:
        log = self.folder / "service.log"
        return log.read_text(errors="replace")[-3000:] if log.exists() else ""

    def stop(self) -> None:
        if self.service is not None:
            self.service.send_signal(signal.SIGTERM)
            assert self.service.wait(30) == 0, self._log()
            self.service = None


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """In a folder that has an environment, as a clone after `make` has."""
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QACONV_")}
    environment = {**kept, "PYTHONPATH": str(ROOT), "QACONV_PORT": str(port), "QACONV_URL": f"http://127.0.0.1:{port}"}
    shell = Shell(tmp_path, environment, port)
    yield shell
    shell.stop()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_runs_in_order(shell: Shell, name: str) -> None:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"following {name} takes {', '.join(missing)}")
    commands = [command for command in read_commands(DOCUMENTS[name]) if command.not_run is None]
    assert len(commands) >= 8
    for command in commands:
        shell.run(command.text)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_that_are_not_run_are_written_as_commands_are(name: str) -> None:
    """They have a reason; bash can read them, and the programs know their commands and flags."""
    not_run = [command for command in read_commands(DOCUMENTS[name]) if command.not_run is not None]
    assert not_run
    for command in not_run:
        subprocess.run(["bash", "-n", "-c", command.text], check=True)
        _check_flags(command)


def _check_flags(command: DocumentCommand) -> None:
    words = shlex.split(command.text, comments=True)
    for program, module in (("qaconv-service", "service.main"), ("qaconv-training", "training.main")):
        places = [place for place, word in enumerate(words) if word.rpartition("/")[2] == program]
        if not places:
            continue
        arguments = words[places[0] + 1 :]
        named = []
        for word in arguments:
            if not re.fullmatch(r"[a-z][a-z-]*", word) or len(named) == 2:
                break
            named.append(word)
        environment = {**os.environ, "COLUMNS": "300", "PYTHONPATH": str(ROOT)}
        helps = ""
        while named and not helps:
            asked = [sys.executable, "-m", module, *named, "--help"]
            done = subprocess.run(asked, env=environment, capture_output=True, text=True, check=False)
            helps = done.stdout if done.returncode == 0 else ""
            named.pop()
        for flag in (word.partition("=")[0] for word in arguments if word.startswith("--")):
            assert flag in helps, f"{command.text}: {flag}"
