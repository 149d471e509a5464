"""The project's targets for scoring, as ratios of one run, and what limits each kernel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.pair_costs import PRODUCT, PairCosts, describe_maps
from benchmarks.results_file import Section, number, table
from benchmarks.scoring_accuracy import Accuracy
from benchmarks.scoring_ways import PUBLISHED, RESCORED, TORCH_INT16

_MANY = 4  # queries, from which on a target for many applies


@dataclass(frozen=True, slots=True)
class Target:
    """How many times as fast a way is to be as another, for one query and for four or more; and what would be more."""

    way: str
    other: str
    least_at_one: float
    least_at_many: float
    stretch: str = ""


_TARGETS = (
    Target("native amx_bf16, bfloat16", PUBLISHED, 20, 26, "30 / 38"),
    Target(f"native amx_int8, int8, {RESCORED}", PUBLISHED, 38, 45, "55 / 65"),
    Target("native amx_bf16, bfloat16", f"{PRODUCT}, bfloat16", 1.3, 1.7, "1.8 / 2.2"),
    Target("native avx512_vnni, int8", PUBLISHED, 10, 10),
    Target("native avx512, float32", PUBLISHED, 2.8, 2.8),
    Target("native avx2, float32", PUBLISHED, 2, 2),
    Target(TORCH_INT16, PUBLISHED, 5.5, 5.5),
)
_NOT_HERE = (
    ("H200, 1 M detections, 1 query: float16; int8", "≤ 20 ms (16); ≤ 12 ms (9)"),
    (
        "H200, float16, against the published form at its best block; against a public MaxSim kernel",
        "≥ 6× (10); ≥ 2× (3)",
    ),
)


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


def targets_section(costs: PairCosts, accuracies: Sequence[Accuracy]) -> Section:
    """Target, measured, met or missed by how much."""
    rows = [_row(target, costs) for target in _TARGETS]
    rows += [
        [
            f"{each.way}: the exact top 10",
            "100 %",
            f"{each.equal:.1%} of the queries",
            "met" if each.equal == 1 else "missed",
        ]
        for each in accuracies
        if each.way.endswith(RESCORED)
    ]
    rows += [
        [what, target, "", "not run: a GPU is measured by `gallery_scoring_on_gpu.py`"] for what, target in _NOT_HERE
    ]
    text = (
        f"By medians of this run, {describe_maps(costs.setup)}; for one query / for {_MANY} or more, of which the "
        "worst counts. In brackets what would be more than the target. That the top 10 are certified is the service's "
        "to show."
    )
    return Section("Targets", f"{text}\n\n{table(['what', 'target', 'measured', ''], rows)}")


def limits_section(costs: PairCosts, peaks: Peaks) -> Section:
    """How much of a kernel's time its products and its bytes would take at the machine's own speed."""
    one, many = min(costs.microseconds), max(costs.microseconds)
    rows = [
        _limit_row(costs, peaks, name, count)
        for name in costs.microseconds[one]
        if name.startswith("native") and not name.endswith(RESCORED)
        for count in (one, many)
    ]
    config = costs.setup.config
    operations = 2 * config.locations**2 * config.channels
    similarities = config.locations**2
    rates = {f"{name} instruction, registers alone": rate for name, rate in peaks.instruction_peaks.items()}
    rates |= {f"product of large matrices, {name}": rate for name, rate in peaks.product_rates.items()}
    shown = [[name, f"{rate / 1e9:,.0f} G operations/s"] for name, rate in rates.items()]
    shown += [["memory, read by torch", f"{peaks.memory_rate / 1e9:,.1f} GB/s"]]
    text = (
        f"A pair of {describe_maps(costs.setup)} takes {operations:,} operations (products and sums) and two maxima of "
        f"each of its {similarities:,} similarities; a detection's bytes are read once for all queries. Shares of the "
        "measured time that either would take at the machine's peak. What is left is maxima, conversion and waiting."
    )
    header = [
        "kernel",
        "queries",
        "µs a pair",
        "of it, products at the instruction's peak",
        "bytes a pair",
        "of it, at memory's speed",
    ]
    return Section("What limits", f"{text}\n\n{table(['peak', ''], shown)}\n\n{table(header, rows)}")


def _row(target: Target, costs: PairCosts) -> list[str]:
    wanted = f"≥ {target.least_at_one:g}× / {target.least_at_many:g}×" + (
        f" ({target.stretch})" if target.stretch else ""
    )
    what = f"{target.way}, against {target.other}"
    one = costs.times_as_fast(target.way, target.other, min(costs.microseconds))
    if one is None:
        return [what, wanted, "", f"not run: {_why_not(target.way)}"]
    many = [costs.times_as_fast(target.way, target.other, count) for count in costs.microseconds if count >= _MANY]
    worst = min((ratio for ratio in many if ratio is not None), default=one)
    short = [
        f"{1 - found / least:.0%}"
        for found, least in ((one, target.least_at_one), (worst, target.least_at_many))
        if found < least
    ]
    return [what, wanted, f"{number(one)}× / {number(worst)}×", f"missed by {' and '.join(short)}" if short else "met"]


def _why_not(way: str) -> str:
    return "no AMX here" if "amx" in way else "this processor or installation does not have it"


def _limit_row(costs: PairCosts, peaks: Peaks, name: str, count: int) -> list[str]:
    kernel, storage = name.removeprefix("native ").split(", ")
    config = costs.setup.config
    microseconds = costs.microseconds[count][name].median
    element_bytes = {"int8": 1, "bfloat16": 2, "float16": 2, "float32": 4}[storage]
    read = config.locations * config.channels * element_bytes / count
    # Where the instruction's own peak was not measured, the machine's product stands for it.
    peak = peaks.instruction_peaks.get(kernel, peaks.product_rates.get(storage))
    products = 2 * config.locations**2 * config.channels / peak * 1e6 if peak else None
    share = "" if products is None else f"{products:.2f} µs, {products / microseconds:.0%}"
    by_memory = read / peaks.memory_rate * 1e6
    return [
        name,
        str(count),
        number(microseconds),
        share,
        f"{read:,.0f}",
        f"{by_memory:.2f} µs, {by_memory / microseconds:.0%}",
    ]
