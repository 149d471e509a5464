"""Shows the figures of an evaluation to people."""

from rich.table import Table

from model.retrieval_metrics import RetrievalMetrics
from training.evaluation.impostor_thresholds import ImpostorThresholds
from training.evaluation.report import EvaluationReport, Figures

# Fields of `Figures` in the order of the rows, and what people call them.
RANKING_NAMES = {
    "random_weights": "untrained",
    "color_histogram": "colour histogram",
    "pooled_cosine": "pooled cosine",
    "appearance": "appearance",
    "reranked": "– re-ranked",
    "lifted": "– lifted",
    "reranked_lifted": "– re-ranked, lifted",
    "lifted_shuffled": "– lifted, shuffled times",
    "reranked_lifted_shuffled": "– both, shuffled times",
}


def build_evaluation_table(report: EvaluationReport) -> Table:
    """A row for each way of ranking, figures in percent."""
    table = build_figures_table(report.dataset, report.other_cameras, report.all_cameras, report.num_crops)
    table.caption = (
        f"p_a at percentiles 5, 50, 95: same person {report.spread.same_person}, "
        f"different people {report.spread.different_person}; {_describe_thresholds(report.impostor_thresholds)}"
    )
    return table


def build_figures_table(dataset: str, other_cameras: Figures, all_cameras: Figures, num_crops: int) -> Table:
    """The same of figures alone."""
    table = Table(title=f"{dataset}: {all_cameras.appearance.num_queries} queries, {num_crops} crops")
    for name in ("gallery", "ranking"):
        table.add_column(name)
    for name in ("rank-1", "rank-5", "rank-10", "rank-20", "mAP", "mINP"):
        table.add_column(name, justify="right")
    for gallery, figures in (("other cameras", other_cameras), ("all cameras", all_cameras)):
        for row, (name, metrics) in enumerate(measured_rankings(figures)):
            table.add_row("" if row else gallery, name, *_percentages(metrics))
        table.add_section()
    return table


def measured_rankings(figures: Figures) -> list[tuple[str, RetrievalMetrics]]:
    """What was measured, in the order of the rows, by the names that people read."""
    found = [(name, getattr(figures, field)) for field, name in RANKING_NAMES.items()]
    return [(name, metrics) for name, metrics in found if metrics is not None]


def _describe_thresholds(found: ImpostorThresholds) -> str:
    told = [
        f"{threshold.appearance_score:.3f} at {threshold.false_match_rate:g}"
        for threshold in found.thresholds
        if threshold.appearance_score is not None
    ]
    return (
        f"p_a by the share of {found.num_pairs} pairs of different people that reach it: {', '.join(told) or 'too few'}"
    )


def _percentages(metrics: RetrievalMetrics) -> list[str]:
    figures = (
        metrics.rank1,
        metrics.rank5,
        metrics.rank10,
        metrics.rank20,
        metrics.mean_average_precision,
        metrics.mean_inverse_negative_penalty,
    )
    return [f"{100 * figure:.1f}" for figure in figures]
