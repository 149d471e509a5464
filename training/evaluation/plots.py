"""Draws an evaluation: matching curves, how scores are spread, and what a threshold lets through. Needs matplotlib."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from training.evaluation.report import EvaluationReport
from training.evaluation.score_distribution import HIGHEST_LOG_ODDS, LOWEST_LOG_ODDS, NUM_BINS
from training.evaluation_table import RANKING_NAMES

_SHOWN_PROBABILITIES = (0.00001, 0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999)
_SHOWN_RANKS = (1, 2, 5, 10, 20, 50)
_SAME_COLOR, _DIFFERENT_COLOR = "tab:blue", "tab:orange"


def draw_plots(report: EvaluationReport, folder: Path) -> list[Path]:
    """Writes `matching_curves.png`, `score_histograms.png` and `false_matches.png` into a folder.

    Returns:
        The files.

    Raises:
        OSError: they cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {
        "matching_curves.png": _draw_matching_curves(report),
        "score_histograms.png": _draw_score_histograms(report),
        "false_matches.png": _draw_false_matches(report),
    }
    for name, figure in drawn.items():
        figure.savefig(folder / name)
    return [folder / name for name in drawn]


def _draw_matching_curves(report: EvaluationReport) -> Figure:
    figure, axes = _new_figure(f"{report.dataset}: right person within the first k, all cameras")
    for field, name in RANKING_NAMES.items():
        curve = report.drawings.matching_curves.get(field)
        if curve is not None:
            style = "dotted" if field.endswith("shuffled") else "solid"
            axes.plot(range(1, len(curve) + 1), [100 * share for share in curve], label=name, linestyle=style)
    axes.set_xscale("log")
    axes.set_xticks(_SHOWN_RANKS, [str(rank) for rank in _SHOWN_RANKS])
    axes.set_xlabel("k")
    axes.set_ylabel("queries, %")
    axes.set_xlim(_SHOWN_RANKS[0], _SHOWN_RANKS[-1])
    axes.set_ylim(None, 101)
    figure.legend(fontsize="small", loc="outside right center")
    return figure


def _draw_score_histograms(report: EvaluationReport) -> Figure:
    figure, axes = _new_figure(f"{report.dataset}: scores of a query and a crop of the gallery")
    histogram = report.drawings.histogram
    for counts, label, color in (
        (histogram.same_person, "one person, two cameras", _SAME_COLOR),
        (histogram.different_person, "two people", _DIFFERENT_COLOR),
    ):
        shares = 100 * np.asarray(counts) / max(1, sum(counts))
        axes.stairs(shares, _edges(), label=f"{label} ({sum(counts):,} pairs)", color=color, fill=True, alpha=0.5)
    _mark_probabilities(axes)
    axes.set_ylabel("pairs in a bin, %")
    axes.legend(fontsize="small")
    return figure


def _draw_false_matches(report: EvaluationReport) -> Figure:
    figure, axes = _new_figure(f"{report.dataset}: what reaches a threshold")
    histogram = report.drawings.histogram
    for counts, label, color in (
        (histogram.same_person, "one person: right matches kept", _SAME_COLOR),
        (histogram.different_person, "two people: false matches", _DIFFERENT_COLOR),
    ):
        axes.plot(_edges()[:-1], _shares_from(counts), label=label, color=color)
    for threshold in report.impostor_thresholds.thresholds:
        if threshold.appearance_score is not None:
            place = _log_odds(threshold.appearance_score)
            axes.plot([place], [threshold.false_match_rate], "o", color=_DIFFERENT_COLOR)
            label = f" p_a ≥ {threshold.appearance_score:.3f}: {threshold.false_match_rate:g}"
            axes.annotate(label, (place, threshold.false_match_rate), fontsize="small", va="bottom")
    axes.set_yscale("log")
    _mark_probabilities(axes)
    axes.set_ylabel("share of pairs that reach p_a")
    axes.legend(fontsize="small", loc="lower left")
    return figure


def _new_figure(title: str) -> tuple[Figure, Axes]:
    # Not by pyplot, which would look for a screen.
    figure = Figure(figsize=(8, 5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title, fontsize="medium")
    axes.grid(visible=True, alpha=0.3)
    return figure, axes


def _mark_probabilities(axes: Axes) -> None:
    axes.set_xlabel("appearance score p_a (axis in log odds)")
    axes.set_xticks([_log_odds(p) for p in _SHOWN_PROBABILITIES], [f"{p:g}" for p in _SHOWN_PROBABILITIES])
    axes.set_xlim(LOWEST_LOG_ODDS, HIGHEST_LOG_ODDS)


def _edges() -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return np.linspace(LOWEST_LOG_ODDS, HIGHEST_LOG_ODDS, NUM_BINS + 1)


def _shares_from(counts: Sequence[int]) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """The share of pairs in a bin or above it; nothing, not zero, where there are none, for a logarithmic axis."""
    shares = np.cumsum(np.asarray(counts, np.float64)[::-1])[::-1] / max(1, sum(counts))
    return np.where(shares > 0, shares, np.nan)


def _log_odds(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))
