"""All that the service costs, in one results file and on the same drawn crops: search, ingest, start, certified answers
and memory.

`python benchmarks/service.py`; `--short` is a check that everything works. Each part can be run alone.
"""

import argparse
import sys
from pathlib import Path

# A script has its own folder on the path, not the repository's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import service_certified, service_ingest, service_memory, service_search, service_start
from benchmarks.results_file import Results
from benchmarks.service_benchmark import collect, run_benchmark

MEASURES = (
    service_search.measure,
    service_ingest.measure,
    service_start.measure,
    service_certified.measure,
    service_memory.measure,
)


def measure_service(arguments: argparse.Namespace) -> Results:
    """Of the suite: `short`, and for data directories the system's folder."""
    introduction = "`make bench ARGS='--themes service'`, or `python benchmarks/service.py`."
    return collect("service", introduction, MEASURES, is_short=arguments.short)


if __name__ == "__main__":
    run_benchmark("service", "`python benchmarks/service.py`", MEASURES)
