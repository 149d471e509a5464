"""All that the service costs, in one results file: search, ingest, start and memory, on the same drawn crops.

`python benchmarks/service.py`; `--short` is a check that everything works. Each part can be run alone.
"""

import sys
from pathlib import Path

# A script has its own folder on the path, not the repository's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import service_ingest, service_memory, service_search, service_start
from benchmarks.service_benchmark import run_benchmark

MEASURES = (service_search.measure, service_ingest.measure, service_start.measure, service_memory.measure)

if __name__ == "__main__":
    run_benchmark("service", "What the service costs", "`python benchmarks/service.py`", MEASURES)
