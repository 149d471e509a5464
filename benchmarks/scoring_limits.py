"""What limits each native kernel: its products and its bytes beside what the machine does at most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.pair_costs import PairCosts, describe_maps
from benchmarks.results_file import Section, number, table
from benchmarks.scoring_ways import RESCORED
from model.config import ModelConfig

_ELEMENT_BYTES = {"int8": 1, "bfloat16": 2, "float16": 2, "float32": 4}


@dataclass(frozen=True, slots=True)
class Peaks:
    """What this machine does at most, measured in the same run.

    Attributes:
        instruction_peaks: operations a second of registers alone, by the name of the native kernel.
        product_rates: operations a second of the machine's own product of large matrices, by format.
        memory_rate: bytes a second that are read.
    """

    instruction_peaks: Mapping[str, float]
    product_rates: Mapping[str, float]
    memory_rate: float


def limits_section(all_costs: Sequence[PairCosts], peaks: Peaks) -> Section:
    """For each geometry, a row for each kernel and format with the fewest queries at once and one with the most."""
    text = (
        "A detection's bytes are read once for all queries. Shown is how long a pair's products, and its bytes, would "
        "take at the machine's peak, and that as a share of the measured time; for AMX the peak is the rate of the "
        "machine's own product. What is left is maxima, conversion and waiting."
    )
    return Section(
        "What limits", "\n\n".join([text, _peak_table(peaks), *(_limits(costs, peaks) for costs in all_costs)])
    )


def _limits(costs: PairCosts, peaks: Peaks) -> str:
    one, many = min(costs.microseconds), max(costs.microseconds)
    kernels = [name for name in costs.microseconds[one] if name.startswith("native") and not name.endswith(RESCORED)]
    rows = [_row(costs, peaks, name, count) for name in kernels for count in (one, many)]
    text = (
        f"A pair of {describe_maps(costs.setup)} takes {_operations(costs.setup.config):,} operations (products and "
        f"sums) and two maxima of each of its {costs.setup.config.locations**2:,} similarities:"
    )
    header = ["kernel", "queries", "µs a pair", "its products at the peak", "bytes a pair", "its bytes at the peak"]
    return f"{text}\n\n{table(header, rows)}"


def _peak_table(peaks: Peaks) -> str:
    rates = {f"{name} instruction, registers alone": rate for name, rate in peaks.instruction_peaks.items()}
    rates |= {f"product of large matrices, {name}": rate for name, rate in peaks.product_rates.items()}
    rows = [[name, f"{rate / 1e9:,.0f} G operations/s"] for name, rate in rates.items()]
    return table(["peak", ""], [*rows, ["memory, read by torch", f"{peaks.memory_rate / 1e9:,.1f} GB/s"]])


def _row(costs: PairCosts, peaks: Peaks, name: str, count: int) -> list[str]:
    kernel, storage = name.removeprefix("native ").split(", ")
    config = costs.setup.config
    microseconds = costs.microseconds[count][name].median
    read = config.locations * config.channels * _ELEMENT_BYTES[storage] / count
    peak = peaks.instruction_peaks.get(kernel, peaks.product_rates.get(storage))
    by_product = "" if peak is None else _share(1e6 * _operations(config) / peak, microseconds)
    by_memory = _share(1e6 * read / peaks.memory_rate, microseconds)
    return [name, str(count), number(microseconds), by_product, f"{read:,.0f}", by_memory]


def _share(least_microseconds: float, microseconds: float) -> str:
    return f"{number(least_microseconds)} µs, {least_microseconds / microseconds:.0%}"


def _operations(config: ModelConfig) -> int:
    return 2 * config.locations**2 * config.channels
