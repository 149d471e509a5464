"""The Makefile's ways to fail, each with the message that says what to do. Nothing is installed here."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    # Without the flags of the `make test` that may be running this.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def fake_python(path: Path, *, is_new_enough: bool, has_venv: bool) -> Path:
    """A program that answers as a Python does to the Makefile's two questions, and to no other."""
    path.write_text(
        "#!/bin/sh\n"
        'case "$2" in\n'
        f"  *version_info*) exit {0 if is_new_enough else 1} ;;\n"
        f"  *ensurepip*) exit {0 if has_venv else 1} ;;\n"
        "esac\n"
        "exit 97\n"
    )
    path.chmod(0o755)
    return path


def test_no_python_that_is_new_enough(tmp_path: Path) -> None:
    old = fake_python(tmp_path / "python-old", is_new_enough=False, has_venv=True)
    result = make("environment", f"VENV={tmp_path}/environment", f"PYTHON={old} no-such-python")
    assert result.returncode != 0
    assert f"none of these is Python 3.11 or later: {old} no-such-python" in result.stderr
    assert not (tmp_path / "environment").exists()


def test_a_python_without_its_venv_module(tmp_path: Path) -> None:
    bare = fake_python(tmp_path / "python-bare", is_new_enough=True, has_venv=False)
    result = make("environment", f"VENV={tmp_path}/environment", f"PYTHON={bare}")
    assert result.returncode != 0
    assert f"{bare} cannot make an environment" in result.stderr
    assert "apt-get install python3-venv" in result.stderr


def test_the_first_complete_python_is_taken(tmp_path: Path) -> None:
    bare = fake_python(tmp_path / "python-bare", is_new_enough=True, has_venv=False)
    whole = fake_python(tmp_path / "python-whole", is_new_enough=True, has_venv=True)
    result = make("environment", f"VENV={tmp_path}/environment", f"PYTHON={bare} {whole}")
    # 97: the fake was asked to make an environment, which it cannot; what it began is not taken for a whole one.
    assert "97" in result.stderr
    assert not (tmp_path / "environment" / ".installed").exists()


def test_an_environment_that_make_did_not_make_is_left_alone(tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    environment.mkdir()
    (environment / "precious").touch()
    result = make("environment", f"VENV={environment}")
    assert result.returncode != 0
    assert "make did not make it" in result.stderr
    assert (environment / "precious").exists()


def test_help_is_the_default_and_names_the_commands() -> None:
    result = make()
    assert result.returncode == 0
    assert all(f"make {command} " in result.stdout for command in ("demo", "test", "soak", "check", "clean"))
