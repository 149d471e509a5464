"""What a query costs against the size of the gallery, as far as memory and time allow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from benchmarks.pair_costs import PairCosts, describe_maps
from benchmarks.results_file import Plot, Point, Section, Spread, number, table
from benchmarks.scoring_ways import Maps, Storage, Way, check, draw_maps, store
from benchmarks.taking_turns import take_turns
from model.gallery_scoring.int8_maps import Int8Maps

SIZES = (1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000)

_DRAWN = 1000  # different maps; a gallery repeats them
_FEW_REPEATS = 3
_SCALE_BYTES = 4
_ELEMENT_BYTES: Mapping[Storage, int] = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may take.

    Attributes:
        memory_bytes: for galleries that lie there together.
        cell_seconds: for all repeats of one way at one size with one number of queries.
    """

    memory_bytes: int
    cell_seconds: float
    repeats: int


@dataclass(frozen=True, slots=True)
class SizeCosts:
    """What was measured, and what was not.

    Attributes:
        pair_costs: of the same geometry and ways, to expect times by.
        detection_bytes: by the form of the maps.
        seconds: of a whole call, by size, number of queries and way.
        left_out: why, by what was not measured: once something is, it is with all larger galleries.
    """

    pair_costs: PairCosts
    detection_bytes: Mapping[Storage, int]
    seconds: dict[tuple[int, int, str], Spread] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def measure_gallery_sizes(
    pair_costs: PairCosts, ways: Sequence[Way], counts: Sequence[int], sizes: Sequence[int], limits: Limits
) -> SizeCosts:
    """The published form and `ways`, those whose galleries fit into memory together in turns."""
    setup = pair_costs.setup
    elements = setup.config.locations * setup.config.channels
    detection_bytes = {
        storage: elements * size + (_SCALE_BYTES if storage == "int8" else 0)
        for storage, size in _ELEMENT_BYTES.items()
    }
    costs = SizeCosts(pair_costs, detection_bytes)
    drawn = draw_maps(setup.config, _DRAWN)
    for size in sizes:
        affordable = {
            count: [
                way for way in (pair_costs.published[count], *ways) if _is_quick_enough(costs, way, count, size, limits)
            ]
            for count in counts
        }
        for group in _groups_that_fit(
            costs, {way.storage for some in affordable.values() for way in some}, size, limits
        ):
            galleries = {storage: _repeat(store(drawn[:size], storage), size) for storage in group}
            for count, some in affordable.items():
                _measure(costs, [way for way in some if way.storage in group], drawn[:count], galleries, limits)
            del galleries
        print(f"{size} detections: done", flush=True)
    return costs


def gallery_size_section(costs: SizeCosts) -> Section:
    """Tables of milliseconds a query and microseconds a pair, the bytes of a detection, and what was left out."""
    stored = [[storage, f"{size:,}", f"{size * 1e5 / 2**30:.2f}"] for storage, size in costs.detection_bytes.items()]
    left_out = "\n".join(f"- {what} {why}" for what, why in sorted(costs.left_out.items())) or "- nothing"
    parts = [
        f"Milliseconds a query, medians, against the number of detections:\n\n{_size_table(costs, is_pair=False)}",
        f"Microseconds a pair:\n\n{_size_table(costs, is_pair=True)}",
        table(["storage", "bytes a detection", "GiB for 100,000"], stored),
        f"Galleries repeat {_DRAWN:,} drawn maps, which changes no time. Left out:\n\n{left_out}",
    ]
    return Section(f"Cost against gallery size, {describe_maps(costs.pair_costs.setup)}", "\n\n".join(parts))


def gallery_size_plots(costs: SizeCosts, count: int) -> Sequence[Plot]:
    """For so many queries at once: milliseconds a query, and microseconds a pair."""
    names = list({name: None for _, queries, name in costs.seconds if queries == count})
    words = "one query" if count == 1 else f"{count} queries at once"
    return [
        Plot(
            f"{what}-{count}",
            f"{title}, {words}, {describe_maps(costs.pair_costs.setup)}",
            "detections in the gallery",
            label,
            {name: list(_points(costs, name, count, is_pair=is_pair)) for name in names},
        )
        for what, title, label, is_pair in (
            ("query-by-size", "Cost of a query", "ms a query", False),
            ("pair-by-size", "Cost of a query and a detection", "µs a pair", True),
        )
    ]


def _size_table(costs: SizeCosts, *, is_pair: bool) -> str:
    """A row for each way and number of queries, a column for each size."""
    sizes = sorted({size for size, _, _ in costs.seconds})
    counts = sorted({count for _, count, _ in costs.seconds})
    rows = []
    for name in {name: None for _, _, name in costs.seconds}:
        for count in counts:
            found = {int(point.x): number(point.y) for point in _points(costs, name, count, is_pair=is_pair)}
            rows.append([name, str(count), *(found.get(size, "") for size in sizes)])
    return table(["way", "queries", *(f"{size:,}" for size in sizes)], rows)


def _points(costs: SizeCosts, name: str, count: int, *, is_pair: bool) -> Iterator[Point]:
    for (size, queries, way), spread in costs.seconds.items():
        if (queries, way) == (count, name):
            factor = 1e6 / (count * size) if is_pair else 1e3 / count
            yield Point(size, spread.median * factor, spread.lowest * factor, spread.highest * factor)


def _is_quick_enough(costs: SizeCosts, way: Way, count: int, size: int, limits: Limits) -> bool:
    """Whether a few repeats fit into a cell's time; else it is left out, here and of all larger galleries."""
    what = f"{way.name}, {count} {'query' if count == 1 else 'queries at once'},"
    expected = _expected_seconds(costs, size, count, way.name)
    if expected * (_FEW_REPEATS + 1) > limits.cell_seconds:
        costs.left_out.setdefault(what, f"from {size:,} detections on: about {number(expected)} s a call")
    return what not in costs.left_out


def _groups_that_fit(
    costs: SizeCosts, storages: set[Storage], size: int, limits: Limits
) -> Sequence[Sequence[Storage]]:
    """Storages whose galleries lie in memory at the same time, the smallest first."""
    groups: list[list[Storage]] = []
    room = 0
    for storage in sorted(storages, key=lambda one: (costs.detection_bytes[one], one)):
        needed = size * costs.detection_bytes[storage]
        if needed > limits.memory_bytes:
            allowed = f"{limits.memory_bytes / 2**30:.1f} are allowed"
            costs.left_out.setdefault(
                storage, f"from {size:,} detections on: {needed / 2**30:.1f} GiB, where {allowed}"
            )
            continue
        if needed > room:
            groups.append([])
            room = limits.memory_bytes
        groups[-1].append(storage)
        room -= needed
    return groups


def _repeat(maps: Maps, size: int) -> Maps:
    """So many maps, the given ones over and over."""
    if isinstance(maps, Int8Maps):
        return Int8Maps(_repeat_tensor(maps.values, size), _repeat_tensor(maps.scales, size))
    assert isinstance(maps, Tensor)
    return _repeat_tensor(maps, size)


def _repeat_tensor(rows: Tensor, size: int) -> Tensor:
    repeated = torch.empty((size, *rows.shape[1:]), dtype=rows.dtype)
    for start in range(0, size, len(rows)):
        repeated[start : start + len(rows)] = rows[: size - start]
    return repeated


def _measure(
    costs: SizeCosts, ways: Sequence[Way], drawn: Tensor, galleries: Mapping[Storage, Maps], limits: Limits
) -> None:
    """Every way with as many repeats as its time allows; those with equally many take turns."""
    count = len(drawn)
    repeats_of: dict[int, list[Way]] = {}
    for way in ways:
        size = len(galleries[way.storage])
        expected = _expected_seconds(costs, size, count, way.name)
        is_quick = expected * (limits.repeats + 1) <= limits.cell_seconds
        repeats_of.setdefault(limits.repeats if is_quick else min(_FEW_REPEATS, limits.repeats), []).append(way)
    for repeats, some in repeats_of.items():
        stored = {way.storage: store(drawn, way.storage) for way in some}
        if count == 1:
            for way in some:
                check(costs.pair_costs.setup, way, stored[way.storage], galleries[way.storage])
        works = {way.name: partial(way.score, stored[way.storage], galleries[way.storage]) for way in some}
        for name, seconds in take_turns(works, repeats).items():
            costs.seconds[size, count, name] = Spread.of(seconds)


def _expected_seconds(costs: SizeCosts, size: int, count: int, name: str) -> float:
    """From the largest gallery so far with as many queries, before any from the cost of a pair."""
    known = {
        done: spread.median for (done, queries, way), spread in costs.seconds.items() if (queries, way) == (count, name)
    }
    if known:
        return known[max(known)] * size / max(known)
    return costs.pair_costs.microseconds[count][name].median * 1e-6 * count * size
