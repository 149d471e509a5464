"""Hostile images: every one ends as a picture or as an error for its client, in bounded memory and time.

QACONV_TRIAL_SECONDS makes it long.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

SECONDS = float(os.environ.get("QACONV_TRIAL_SECONDS", "4"))
SEED = int(os.environ.get("QACONV_TRIAL_SEED", "1"))

# 16 million pixels of 4 bytes, the same turned upright or as RGBA, and as RGB at last.
BOUND_BYTES = 16_000_000 * 16
SLOWEST_SECONDS = 10.0


def test_the_decoder_survives_hostile_files_in_bounded_memory() -> None:
    completed = subprocess.run(
        [sys.executable, "-m", "tests.service.hostile.fuzz_decoder", str(SECONDS), str(SEED)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr[-4000:]
    # Nothing of what libraries have to say about hostile files reaches the log.
    assert completed.stderr == ""
    print(f"\nseed {SEED}: {completed.stdout}")  # noqa: T201
    (files,) = re.findall(r"^(\d+) files", completed.stdout)
    (slowest,) = re.findall(r"slowest ([0-9.]+) s", completed.stdout)
    (peak,) = re.findall(r"peak (\d+) bytes", completed.stdout)
    assert int(files) > 500 * SECONDS
    assert "decoded" in completed.stdout
    assert "limit-exceeded" in completed.stdout
    assert float(slowest) < SLOWEST_SECONDS
    assert 16_000_000 * 4 < int(peak) < BOUND_BYTES
