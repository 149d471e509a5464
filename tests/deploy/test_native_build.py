"""What installing the package does about its native scorer, with compilers that only pretend."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("setuptools", reason="setuptools is not installed")

ROOT = Path(__file__).resolve().parent.parent.parent
LIBRARY = Path("model/gallery_scoring/native/gallery_scoring.so")
# Writes what it was called with into the file that it is to make.
PRETENDING_COMPILER = """#!/bin/sh
arguments="$*"
while [ "$1" != -o ]; do shift; done
echo "$arguments" >"$2"
"""


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """What the build reads, where it may write."""
    copy = tmp_path / "sources"
    shutil.copytree(ROOT / "model/gallery_scoring/native", copy / LIBRARY.parent, ignore=shutil.ignore_patterns("*.so"))
    for name in ("setup.py", "pyproject.toml", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, copy)
    return copy


def build(sources: Path, compiler: str, *arguments: str) -> str:
    result = subprocess.run(
        [sys.executable, "setup.py", "build_ext", *arguments],
        cwd=sources,
        env=os.environ | {"CXX": compiler},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def test_a_compiler_makes_the_library_beside_its_sources(sources: Path, tmp_path: Path) -> None:
    compiler = tmp_path / "compiler"
    compiler.write_text(PRETENDING_COMPILER)
    compiler.chmod(0o755)
    build(sources, str(compiler), "--inplace")
    assert "-shared" in (sources / LIBRARY).read_text()


def test_without_a_compiler_the_package_is_built_all_the_same(sources: Path, tmp_path: Path) -> None:
    said = build(sources, "no-such-compiler", "--build-lib", str(tmp_path / "built"))
    assert "no native scorer is built, scoring will use torch alone: no C++ compiler was found" in said
    assert not list(tmp_path.glob("**/*.so"))


def test_a_compiler_that_fails_is_quoted_and_the_package_built_all_the_same(sources: Path, tmp_path: Path) -> None:
    compiler = tmp_path / "compiler"
    compiler.write_text("#!/bin/sh\necho unknown option >&2\nexit 1\n")
    compiler.chmod(0o755)
    said = build(sources, str(compiler), "--inplace")
    assert "no native scorer is built, scoring will use torch alone" in said
    assert "unknown option" in said
    assert not (sources / LIBRARY).exists()
