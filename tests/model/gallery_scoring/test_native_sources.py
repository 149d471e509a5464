"""The native sources compiled anew: under sanitizers, with emulated tiles, and where they cannot be compiled."""

import os
import platform
import subprocess
from pathlib import Path

import pytest

from model.gallery_scoring.native import compile_library as compilation
from model.gallery_scoring.native.compile_library import NativeBuildError, compile_library

SANITIZERS = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def test_every_kernel_is_right_and_reads_nothing_it_should_not(tmp_path: Path) -> None:
    program = tmp_path / "trial"
    source = Path(__file__).with_name("native_trial.cpp")
    try:
        compile_library(program, [*SANITIZERS, "-DQACONV_EMULATE_TILES"], source)
    except NativeBuildError as reason:
        # Not for an error in the sources.
        if not any(words in str(reason) for words in ("no C++ compiler", "is for x86-64", "asan", "ubsan")):
            raise
        pytest.skip(f"no compiler with sanitizers here: {str(reason)[-200:]}")

    # Leaks are looked for with ptrace, which containers may forbid.
    environment = os.environ | {"ASAN_OPTIONS": "detect_leaks=0"}
    result = subprocess.run([program], capture_output=True, text=True, check=False, timeout=250, env=environment)

    assert result.returncode == 0, result.stdout + result.stderr
    assert "logits are right with" in result.stdout
    if " avx512 " in result.stdout:  # the emulated tiles have their maxima taken by AVX-512
        assert "amx_bf16" in result.stdout
        assert "amx_int8" in result.stdout


def test_without_a_compiler_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setenv("CXX", "no-such-compiler --with-flags")
    with pytest.raises(NativeBuildError, match=r"no C\+\+ compiler was found \(looked for no-such-compiler\)"):
        compile_library(tmp_path / "library.so")


def test_a_compiler_that_fails_is_quoted_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    compiler = tmp_path / "compiler"
    compiler.write_text("#!/bin/sh\necho unknown option >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    with pytest.raises(NativeBuildError, match="failed:\nunknown option"):
        compile_library(tmp_path / "library.so")
    assert not (tmp_path / "library.so").exists()


def test_other_processors_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(NativeBuildError, match="this is aarch64"):
        compile_library(tmp_path / "library.so")


def test_every_source_is_compiled() -> None:
    folder = Path(compilation.__file__).parent
    assert {source.name for source in folder.glob("*.cpp")} == set(compilation._INSTRUCTIONS)
