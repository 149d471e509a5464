"""The Triton scorer: under Triton's interpreter in a process of its own, and on a GPU where there is one."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

_INTERPRETED = Path(__file__).with_name("interpreted_triton_scorer.py")

needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")


@needs_triton
@pytest.mark.slow
def test_under_the_interpreter(tmp_path: Path) -> None:
    # Triton asks once, when it is imported, whether to interpret: this process may have it compiled already.
    environment = {**os.environ, "TRITON_INTERPRET": "1", "TRITON_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(_INTERPRETED)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
