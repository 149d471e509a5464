"""Microseconds for a query and a detection: all ways to score, the machine's own product, MaxSim, in turns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from benchmarks import maxsim_library
from benchmarks.matrix_products import product_at_best, product_formats
from benchmarks.results_file import Plot, Point, Section, Spread, number, table
from benchmarks.scoring_ways import PUBLISHED, Maps, Setup, Way, check, draw_maps, published_at_best, store
from benchmarks.taking_turns import Work, take_turns

PRODUCT = "product alone"
MAXSIM_ONE, MAXSIM_BOTH = "maxsim-cpu, one direction", "maxsim-cpu, both directions"

# Fewer detections where there are more queries, so that the published form takes seconds and not minutes; not so few
# that they all stay in a core's cache.
_PAIRS, _LEAST_DETECTIONS = 2048, 128
_MAXSIM_DETECTIONS = 64  # it takes many times as long, and no less for a pair of a larger gallery


@dataclass(frozen=True, slots=True)
class PairCosts:
    """What was measured with maps of one geometry.

    Attributes:
        microseconds: for a pair, by the number of queries and the name of the way.
        blocks: the best ones that were chosen, by the number of queries and the name of the way.
        errors: the largest of a way's scores, and its tolerance; `check`'s unit.
        published: the published form in its best block, by the number of queries.
    """

    setup: Setup
    microseconds: dict[int, Mapping[str, Spread]]
    blocks: dict[int, Mapping[str, str]]
    errors: dict[str, tuple[float, float]]
    published: dict[int, Way]

    def times_as_fast(self, way: str, other: str, queries: int) -> float | None:
        """By the medians; None where either was not measured."""
        costs = self.microseconds[queries]
        return costs[other].median / costs[way].median if way in costs and other in costs else None


def measure_pair_costs(
    setup: Setup, ways: Sequence[Way], counts: Sequence[int], repeats: int, *, most: int, times_maxsim: bool
) -> PairCosts:
    """Each number of queries by itself, against `most` detections at most; every way's scores are checked first.

    Raises:
        SystemExit: a way's scores are wrong.
    """
    costs = PairCosts(setup, {}, {}, {}, {})
    for count in counts:
        queries = draw_maps(setup.config, count)
        gallery = draw_maps(setup.config, min(most, max(_LEAST_DETECTIONS, _PAIRS // count)))
        costs.published[count], block = published_at_best(setup, queries, gallery)
        works: dict[str, Work] = {
            way.name: partial(way.score, *_store_and_check(costs, way, queries, gallery))
            for way in (costs.published[count], *ways)
        }
        products = {
            f"{PRODUCT}, {storage}": product_at_best(storage, queries, gallery) for storage in product_formats()
        }
        works |= {name: product for name, (product, _) in products.items()}
        pairs = dict.fromkeys(works, count * len(gallery))
        if times_maxsim:
            some = gallery[:_MAXSIM_DETECTIONS]
            works[MAXSIM_ONE] = maxsim_library.one_direction(queries, some)
            works[MAXSIM_BOTH] = maxsim_library.both_directions(queries, some)
            pairs[MAXSIM_ONE] = pairs[MAXSIM_BOTH] = count * len(some)
        costs.blocks[count] = {PUBLISHED: block, **{name: chosen for name, (_, chosen) in products.items()}}
        costs.microseconds[count] = {
            name: Spread.of([1e6 * one / pairs[name] for one in seconds])
            for name, seconds in take_turns(works, repeats).items()
        }
        print(f"{describe_maps(setup)}, {_count_queries(count)}: measured", flush=True)
    return costs


def describe_maps(setup: Setup) -> str:
    """The geometry in words."""
    config = setup.config
    return f"maps {config.channels} × {config.map_height} × {config.map_width}"


def pair_cost_section(costs: PairCosts) -> Section:
    """A table: a row for each way, two columns for each number of queries."""
    counts = list(costs.microseconds)
    header = ["way"]
    for count in counts:
        header += [f"{_count_queries(count)}: µs a pair", "×"]
    names = list(costs.microseconds[counts[0]])
    rows = [[name, *(cell for count in counts for cell in _cells(costs, name, count))] for name in names]
    chosen = [[name, *(costs.blocks[count][name] for count in counts)] for name in costs.blocks[counts[0]]]
    text = (
        "Medians, in brackets the range of the repeats; × is how many times as fast as the published form's best block."
    )
    blocks = table(["best block: queries × detections", *(_count_queries(count) for count in counts)], chosen)
    return Section(f"Cost of a pair, {describe_maps(costs.setup)}", f"{text}\n\n{table(header, rows)}\n\n{blocks}")


def pair_cost_plot(costs: PairCosts, ways: Sequence[str]) -> Plot:
    """Against the number of queries at once."""
    series = {
        name: [
            Point(count, spread[name].median, spread[name].lowest, spread[name].highest)
            for count, spread in costs.microseconds.items()
        ]
        for name in ways
    }
    title = f"Cost of a query and a detection, {describe_maps(costs.setup)}"
    return Plot("by-queries", title, "queries at once", "µs a pair", series)


def correctness_section(all_costs: Sequence[PairCosts]) -> Section:
    """Every way's largest error beside its tolerance, over all geometries and numbers of queries."""
    rows = [
        [name, f"{max(costs.errors[name][0] for costs in all_costs):.1e}", f"{tolerance:.1e}"]
        for name, (_, tolerance) in all_costs[0].errors.items()
    ]
    text = (
        "Every way's scores beside those of the float32 reference for the same stored maps, before anything is timed: "
        "the largest difference, as a share of what a score would move if every maximum moved by 1. A way beyond its "
        "tolerance ends the run."
    )
    return Section("Correctness", f"{text}\n\n{table(['way', 'largest error', 'tolerance'], rows)}")


def _store_and_check(costs: PairCosts, way: Way, queries: Tensor, gallery: Tensor) -> tuple[Maps, Maps]:
    stored = store(queries, way.storage), store(gallery, way.storage)
    before, _ = costs.errors.get(way.name, (0.0, way.tolerance))
    costs.errors[way.name] = max(before, check(costs.setup, way, *stored)), way.tolerance
    return stored


def _count_queries(count: int) -> str:
    return "1 query" if count == 1 else f"{count} queries"


def _cells(costs: PairCosts, name: str, count: int) -> tuple[str, str]:
    ratio = costs.times_as_fast(name, PUBLISHED, count)
    assert ratio is not None
    return str(costs.microseconds[count][name]), number(ratio)
