"""A disk of a few MiB, for a program that fills it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def run_on_small_disk(directory: Path, size_mebibytes: int, program: str, *arguments: object) -> str:
    """Runs a Python program that is given a path on a disk of its own, and `arguments`; what it says.

    The disk is mounted over the directory, for the program alone. Where a system lets nobody do that, the test is
    skipped.
    """
    mount = f"mount -t tmpfs -o size={size_mebibytes}m tmpfs {directory}"
    private = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*private, mount], capture_output=True, check=False).returncode
    ):
        pytest.skip("this system lets no unprivileged user mount a small disk (unshare, tmpfs)")
    script = f'{mount} && exec "$0" "$@"'
    command = [*private, script, sys.executable, "-c", program, f"{directory}/data", *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
