from io import StringIO

from rich.console import Console

from model.retrieval_metrics import RetrievalMetrics
from training.evaluation.report import Figures
from training.evaluation_table import build_figures_table

METRICS = RetrievalMetrics(0.125, 0.25, 0.375, 0.5, 0.0625, 0.03125, 8)


def test_what_was_measured_has_a_row_and_what_was_not_has_none() -> None:
    figures = Figures(appearance=METRICS, reranked_lifted=METRICS)
    table = build_figures_table("market", figures, Figures(appearance=METRICS), num_crops=99)
    file = StringIO()
    Console(width=100, file=file).print(table)
    text = file.getvalue()
    assert "market: 8 queries, 99 crops" in text
    assert table.row_count == 3
    assert text.count("– re-ranked, lifted") == 1
    assert text.count("12.5") == text.count("6.2") == text.count("3.1") == 3
