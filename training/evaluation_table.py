"""Shows the figures of an evaluation to people."""

from rich.table import Table

from model.retrieval_metrics import RetrievalMetrics
from training.evaluate import EvaluationReport


def build_evaluation_table(report: EvaluationReport) -> Table:
    """A row for each way of ranking, figures in percent."""
    table = Table(title=f"{report.all_cameras.appearance.num_queries} queries among {report.num_crops} crops")
    for name in ("gallery", "ranking"):
        table.add_column(name)
    for name in ("rank-1", "rank-5", "rank-10", "mAP"):
        table.add_column(name, justify="right")
    for gallery, figures in (("other cameras", report.other_cameras), ("all cameras", report.all_cameras)):
        table.add_row(gallery, "colour histogram", *_percentages(figures.color_histogram))
        table.add_row("", "appearance", *_percentages(figures.appearance))
        table.add_row("", "appearance and temporal lifting", *_percentages(figures.lifted))
    table.caption = (
        f"p_a at percentiles 5, 50, 95: same person {report.spread.same_person}, "
        f"different people {report.spread.different_person}"
    )
    return table


def _percentages(metrics: RetrievalMetrics) -> list[str]:
    figures = (metrics.rank1, metrics.rank5, metrics.rank10, metrics.mean_average_precision)
    return [f"{100 * figure:.1f}" for figure in figures]
