"""The benchmark's short form, interpreted: it runs, and what it checks is right."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gallery_scoring_on_gpu.py"


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
@pytest.mark.slow
def test_the_short_form_checks_all_ways_and_says_that_it_means_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "1", "TRITON_CACHE_DIR": str(tmp_path)}
    formats = ["float16", "int8"]  # the interpreter gets the product of bfloat16 wrong
    command = [sys.executable, str(_SCRIPT), "--short", "--device", "cpu", "--formats", *formats]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Tiny sizes: these figures mean nothing."
    assert [line.split(",")[0] for line in lines if line.startswith("## ")] == ["## float16", "## int8"]
    assert sum(line.startswith(("| 1 |", "| 2 |")) for line in lines) == 2 * len(formats)
