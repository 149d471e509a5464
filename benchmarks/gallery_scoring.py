"""What scoring a gallery costs on this machine's processor: all that is said of it, measured in one run."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from benchmarks import maxsim_library
from benchmarks.gallery_sizes import SIZES, Limits, gallery_size_plots, gallery_size_section, measure_gallery_sizes
from benchmarks.instruction_peaks import find_compiler, measure_instruction_peaks
from benchmarks.machine import available_memory_bytes
from benchmarks.matrix_products import large_product_rates, memory_rate, product_formats
from benchmarks.maxsim_library import MaxSimCheck
from benchmarks.pair_costs import (
    PRODUCT,
    PairCosts,
    correctness_section,
    measure_pair_costs,
    pair_cost_plot,
    pair_cost_section,
)
from benchmarks.results_file import Results, Section, table
from benchmarks.scoring_accuracy import Accuracies, accuracy_section, extract_drawn_crops, measure_accuracy
from benchmarks.scoring_limits import Peaks, limits_section
from benchmarks.scoring_targets import targets_section
from benchmarks.scoring_ways import PUBLISHED, TORCH_INT16, Setup, Way, list_ways, random_setup
from model.checkpoint import Checkpoint, load_checkpoint, shipped_checkpoint_path
from model.config import ModelConfig

_FORMATS_OF_SIZES = ("int8", "bfloat16", "float16")
# One of so many cells of the gallery sizes; all of them then take about half of the budget.
_CELLS_OF_BUDGET = 100
_SHARE_OF_AVAILABLE_MEMORY = 0.75


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Attributes:
        counts: of queries at once.
        most_detections: where the gallery's size is not what is asked.
        register_rounds: of the loops that measure instructions.
        product_size: rows and columns of the large matrices.
        read_bytes: to measure memory with.
        searched_every: so many crops are searched for among the others once.
    """

    configs: Sequence[ModelConfig]
    counts: Sequence[int]
    most_detections: int
    repeats: int
    sizes: Sequence[int]
    crops: int
    searched_every: int
    compiles: bool
    register_rounds: int
    product_size: int
    read_bytes: int


def measure_gallery_scoring(arguments: argparse.Namespace) -> Results:
    """Measures all of it; the short form the same with tiny sizes, without torch.compile.

    Raises:
        SystemExit: a way's scores are wrong.
    """
    torch.manual_seed(0)
    torch.set_num_threads(arguments.threads)
    maxsim_library.set_threads(arguments.threads)
    checkpoint = load_checkpoint(shipped_checkpoint_path())
    plan = _plan(arguments, checkpoint)
    limits = Limits(_memory_for_galleries(arguments), arguments.budget_minutes * 60 / _CELLS_OF_BUDGET, plan.repeats)
    with torch.inference_mode():
        peaks = _measure_peaks(plan, arguments.threads)
        checks = _check_maxsim(plan)
        costs = [_measure_pairs(config, plan, checks) for config in plan.configs]
        ways = _ways_for_sizes(list_ways(costs[-1].setup, compiles=False))
        sizes = measure_gallery_sizes(costs[-1], ways, plan.counts, plan.sizes, limits)
        accuracies = _measure_accuracy(checkpoint, plan)
    plotted = [PUBLISHED, *(way.name for way in ways), *(f"{PRODUCT}, {storage}" for storage in product_formats())]
    return Results(
        theme="gallery-scoring",
        title="What scoring a gallery costs",
        introduction=(
            "Every query is scored against every detection. All ways take turns within every repeat, so that what "
            "slows the machine slows all of them; figures are medians, in brackets the range of the repeats."
        ),
        settings=_describe(plan, limits, arguments.threads),
        sections=[
            targets_section(costs[0], accuracies),
            *(pair_cost_section(each) for each in costs),
            gallery_size_section(sizes),
            limits_section(costs, peaks),
            accuracy_section(accuracies),
            _maxsim_section(checks),
            correctness_section(costs),
        ],
        # With one query, and with so many that reading the gallery no longer matters.
        plots=[
            *(plot for count in plan.counts[::2] for plot in gallery_size_plots(sizes, count)),
            pair_cost_plot(costs[0], plotted),
        ],
        means_something=not arguments.short,
    )


def _plan(arguments: argparse.Namespace, checkpoint: Checkpoint) -> Plan:
    if arguments.short:
        return Plan(
            configs=[ModelConfig(input_height=80, input_width=64, channels=32)],  # neither fills a kernel's tiles
            counts=(1, 4),
            most_detections=12,
            repeats=2,
            sizes=(8, 24),
            crops=20,
            searched_every=10,
            compiles=False,
            register_rounds=1000,
            product_size=64,
            read_bytes=2**20,
        )
    return Plan(
        configs=[ModelConfig(), checkpoint.config],
        counts=(1, 4, 16, 64),
        most_detections=2048,
        repeats=arguments.repeats,
        sizes=SIZES,
        crops=400,
        searched_every=10,
        compiles=bool(find_compiler()),
        register_rounds=20_000_000,
        product_size=4096,
        read_bytes=2**30,
    )


def _memory_for_galleries(arguments: argparse.Namespace) -> int:
    return min(int(arguments.memory_gib * 2**30), int(_SHARE_OF_AVAILABLE_MEMORY * available_memory_bytes()))


def _measure_peaks(plan: Plan, threads: int) -> Peaks:
    instructions = measure_instruction_peaks(threads, plan.register_rounds)
    return Peaks(instructions, large_product_rates(plan.product_size), memory_rate(plan.read_bytes))


def _check_maxsim(plan: Plan) -> Mapping[ModelConfig, Sequence[MaxSimCheck]]:
    if not maxsim_library.is_installed():
        return {}
    return {config: maxsim_library.check_maxsim(config.locations, config.channels) for config in plan.configs}


def _measure_pairs(config: ModelConfig, plan: Plan, checks: Mapping[ModelConfig, Sequence[MaxSimCheck]]) -> PairCosts:
    setup = random_setup(config)
    is_right = config in checks and all(
        check.is_right for check in checks[config] if check.query_vectors <= maxsim_library.PART
    )
    return measure_pair_costs(
        setup,
        list_ways(setup, plan.compiles),
        plan.counts,
        plan.repeats,
        most=plan.most_detections,
        times_maxsim=is_right,
    )


def _ways_for_sizes(ways: Sequence[Way]) -> Sequence[Way]:
    """Torch alone, and the fastest native kernel of every format, which comes first."""
    chosen = [way for way in ways if way.name == TORCH_INT16]
    for storage in _FORMATS_OF_SIZES:
        chosen += [way for way in ways if way.name.startswith("native") and way.storage == storage][:1]
    return chosen


def _measure_accuracy(checkpoint: Checkpoint, plan: Plan) -> Accuracies:
    setup = Setup.of(checkpoint.config, checkpoint.matcher)
    maps = extract_drawn_crops(checkpoint, plan.crops)
    is_searched = torch.arange(len(maps)) % plan.searched_every == 0
    return measure_accuracy(setup, list_ways(setup, compiles=False), maps[is_searched], maps[~is_searched])


def _describe(plan: Plan, limits: Limits, threads: int) -> Mapping[str, str]:
    return {
        "threads": str(threads),
        "repeats": f"{plan.repeats}, fewer where a gallery takes long",
        "time of one way at one gallery size": f"at most {limits.cell_seconds:.0f} s in all",
        "memory for galleries": f"{limits.memory_bytes / 2**30:.1f} GiB",
        "torch.compile": "compiled" if plan.compiles else "not run: the short form, or no C++ compiler",
    }


def _maxsim_section(checks: Mapping[ModelConfig, Sequence[MaxSimCheck]]) -> Section:
    title = "MaxSim libraries"
    if not checks:
        return Section(title, f"{maxsim_library.LIBRARY} is not installed here: not run.")
    every = {(check.query_vectors, check.document_vectors): check for one in checks.values() for check in one}
    rows = [
        [*map(str, vectors), f"{check.error:.1e}", "right" if check.is_right else "wrong"]
        for vectors, check in sorted(every.items())
    ]
    return Section(
        title, f"{maxsim_library.EXPLANATION}\n\n{table(['query vectors', 'document vectors', 'error', ''], rows)}"
    )
