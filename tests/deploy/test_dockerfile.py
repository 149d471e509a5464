"""The Dockerfile, read without an engine: every path, command, variable and number that it names exists."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.settings import Settings

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, its continued lines joined. Stages count from 0."""

    stage: int
    keyword: str
    rest: str


def read_instructions() -> list[Instruction]:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    instructions: list[Instruction] = []
    stage = -1
    for line in filter(str.strip, text.splitlines()):
        keyword, rest = line.split(maxsplit=1)
        stage += keyword == "FROM"
        instructions.append(Instruction(stage, keyword, rest))
    return instructions


INSTRUCTIONS = read_instructions()
FINAL = [instruction for instruction in INSTRUCTIONS if instruction.stage == INSTRUCTIONS[-1].stage]


def only(keyword: str) -> str:
    """What follows the keyword in the final stage, where it stands once."""
    (rest,) = [instruction.rest for instruction in FINAL if instruction.keyword == keyword]
    return rest


def environment() -> dict[str, str]:
    return dict(assignment.split("=", 1) for assignment in shlex.split(only("ENV")))


def copies() -> list[tuple[list[str], str]]:
    """The sources and the destination of every COPY from this repository."""
    words = [shlex.split(instruction.rest) for instruction in INSTRUCTIONS if instruction.keyword == "COPY"]
    return [(line[:-1], line[-1]) for line in words if not line[0].startswith("--from")]


def test_it_was_read_whole() -> None:
    assert {instruction.keyword for instruction in INSTRUCTIONS} == {
        "FROM", "ARG", "ENV", "RUN", "WORKDIR", "COPY", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK",
        "ENTRYPOINT", "CMD",
    }  # fmt: skip


def test_every_copied_path_exists_and_reaches_the_engine() -> None:
    admitted = {
        line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")
    }
    sources = {source for line_sources, _ in copies() for source in line_sources}
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert sources == admitted


def test_the_packages_copied_are_all_that_the_service_and_its_scripts_import() -> None:
    copied = {source for sources, _ in copies() for source in sources}
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert {target.split(".")[0] for target in scripts.values()} | {"model"} <= copied


def test_every_installation_is_pinned() -> None:
    installations = [
        instruction.rest
        for instruction in INSTRUCTIONS
        if instruction.keyword == "RUN" and "pip install" in instruction.rest
    ]
    assert len(installations) == 2
    assert all("--constraint constraints.txt" in line or "--no-deps" in line for line in installations)


def test_the_user_is_a_fixed_number_and_not_root() -> None:
    user, group = map(int, only("USER").split(":"))
    created = only("RUN")
    assert user >= 1000
    assert f"useradd --uid {user} " in created
    assert f"groupadd --gid {group} " in created


def test_the_final_image_installs_a_compiler_for_triton_and_nothing_else() -> None:
    assert re.findall(r"apt-get install --yes --no-install-recommends ([\w -]+?) +&&", only("RUN")) == ["gcc libc6-dev"]
    assert not re.search(r"pip|g\+\+|build-essential", only("RUN"))
    assert f"{environment()['TRITON_CACHE_DIR']} " in only("RUN")


def test_the_base_images_are_one_version_that_the_project_supports() -> None:
    images = {instruction.rest.split()[0] for instruction in INSTRUCTIONS if instruction.keyword == "FROM"}
    assert images == {"python:3.12-slim"}


def test_the_environment_is_accepted_by_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {name: value for name, value in environment().items() if name.startswith("QACONV_")}
    assert {name.removeprefix("QACONV_").lower() for name in variables} <= set(Settings.model_fields)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.host == "0.0.0.0"
    assert settings.data_dir == Path(only("VOLUME"))
    assert settings.port == int(only("EXPOSE"))


def test_the_data_directory_belongs_to_the_user() -> None:
    assert re.search(rf"install --directory --owner qaconv .* {only('VOLUME')}$", only("RUN"))


def test_the_health_check_runs_a_file_that_is_copied() -> None:
    command = json.loads(only("HEALTHCHECK").split(" CMD ")[1])
    assert command[0] == "python"
    assert (["deploy/healthcheck.py"], command[1]) in copies()


def test_the_command_exists() -> None:
    (program,) = json.loads(only("ENTRYPOINT"))
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    module, function = scripts[program].split(":")
    arguments = [program, *json.loads(only("CMD")), "--help"]
    code = f"import sys, {module}; sys.argv = {arguments!r}; {module}.{function}()"
    # Wide enough that no flag is wrapped.
    wide = os.environ | {"COLUMNS": "200"}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT, env=wide
    )
    assert result.returncode == 0, result.stderr
    assert "--data-dir" in result.stdout
