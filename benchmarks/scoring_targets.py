"""The project's targets for scoring, as ratios of one run."""

from dataclasses import dataclass

from benchmarks.pair_costs import PRODUCT, PairCosts, describe_maps
from benchmarks.results_file import Section, number, table
from benchmarks.scoring_accuracy import Accuracies
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


def targets_section(costs: PairCosts, accuracies: Accuracies) -> Section:
    """Target, measured, met or missed by how much."""
    rows = [_row(target, costs) for target in _TARGETS]
    rows += [
        [
            f"{each.way}: the exact top 10",
            "100 %",
            f"{each.equal:.1%} of the queries",
            "met" if each.equal == 1 else "missed",
        ]
        for each in accuracies.rows
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


def _row(target: Target, costs: PairCosts) -> list[str]:
    stretch = f" ({target.stretch})" if target.stretch else ""
    wanted = f"≥ {target.least_at_one:g}× / {target.least_at_many:g}×{stretch}"
    what = f"{target.way}, against {target.other}"
    one, *others = costs.microseconds
    at_one = costs.times_as_fast(target.way, target.other, one)
    at_many = [costs.times_as_fast(target.way, target.other, count) for count in others if count >= _MANY]
    worst = min((ratio for ratio in at_many if ratio is not None), default=at_one)
    if at_one is None or worst is None:
        return [what, wanted, "", f"not run: {_why_not(target.way)}"]
    found = {"one query": at_one / target.least_at_one, "more": worst / target.least_at_many}
    missed = [f"{1 - share:.0%} with {queries}" for queries, share in found.items() if share < 1]
    outcome = f"missed by {', '.join(missed)}" if missed else "met"
    return [what, wanted, f"{number(at_one)}× / {number(worst)}×", outcome]


def _why_not(way: str) -> str:
    return "no AMX here" if "amx" in way else "this processor or installation does not have it"
