"""Schemathesis against the service's own OpenAPI document: no 5xx, and no answer that is not declared.

The short form runs with the tests; QACONV_TRIAL_EXAMPLES (cases of each call and phase) makes it long.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from service.access.scope import Scope
from tests.service.conftest import StartService
from tests.service.made_keys import add_key
from tests.service.running_service import RunningService

HERE = Path(__file__).parent
EXAMPLES = int(os.environ.get("QACONV_TRIAL_EXAMPLES", "12"))
SEED = int(os.environ.get("QACONV_TRIAL_SEED", "1"))


def run_schemathesis(url: str, report: Path, *, key: str | None = None) -> "subprocess.CompletedProcess[str]":
    program = Path(sys.executable).with_name("st")
    options = ["--max-examples", str(EXAMPLES), "--seed", str(SEED), "--continue-on-failure", "--no-color"]
    options += ["--report", "json", "--report-json-path", str(report)]
    if key is not None:
        options += ["--header", f"Authorization: Bearer {key}"]
    return subprocess.run(
        [program, "--config-file", HERE / "schemathesis.toml", "run", f"{url}/openapi.json", *options],
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": "tests.service.hostile.schemathesis_hooks",
            "PYTHONPATH": str(HERE.parents[2]),
        },
        # Where it would keep its database of examples.
        cwd=report.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def check_report(completed: "subprocess.CompletedProcess[str]", path: Path) -> None:
    assert completed.returncode == 0, completed.stdout + completed.stderr
    report = json.loads(path.read_text())
    assert report["complete"], report["stop_reason"]
    assert report["operations"]["tested"] == report["operations"]["total"] >= 17
    assert (report["failures"], report["errors"]) == ([], [])
    assert report["test_cases"]["generated"] > 30 * EXAMPLES
    print(f"\n{report['test_cases']['generated']} cases, seed {SEED}, {report['running_time']:.0f} s")  # noqa: T201


def test_every_answer_is_declared_and_none_is_a_server_error(running_service: RunningService, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    check_report(run_schemathesis(running_service.url, path), path)


def test_with_keys_every_call_that_declares_one_asks_for_it(start_service: StartService, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    key = add_key(keys, *Scope)
    service = start_service(api_keys_file=keys)
    path = tmp_path / "report.json"
    check_report(run_schemathesis(service.url, path, key=key), path)
