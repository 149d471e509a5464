"""Whether learning is real: models trained in different ways, each on people and cameras that none of them saw.

`python benchmarks/learning_study.py FOLDER` trains what is not in the folder yet (`qaconv-training train`), evaluates
each checkpoint on several synthetic networks, with re-ranking and with lifting, and writes `FOLDER/learning_study.md`
beside the figures of every network as JSON. What is there is not done again, so that an interrupted study goes on.

`--set FIELD=VALUE` is passed to every training, as for a shorter one; whatever follows `--only` are the names of the
rows that are wanted.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

# A script has its own folder on the path, not the repository's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model.checkpoint import Checkpoint, create_checkpoint, load_checkpoint
from model.config import ModelConfig
from model.temporal_lifting import LiftingParameters
from training.evaluate import EvaluationSettings, evaluate
from training.synthetic.network import SyntheticNetwork

# Of networks that no recipe trains on or is chosen by.
_SEEDS = (9101, 9102, 9103)
_SHUFFLING_SEED = 1
_RANKINGS = {
    "appearance": "appearance",
    "reranked": "re-ranked",
    "lifted": "lifted",
    "reranked_lifted": "both",
    "lifted_shuffled": "lifted, shuffled times",
    "reranked_lifted_shuffled": "both, shuffled times",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A way to train: a recipe of `training.recipes` with some fields set, or None for random weights.

    Attributes:
        score_by: how its models are compared; those trained on pooled features have an untrained matcher.
    """

    name: str
    recipe: str | None
    settings: tuple[str, ...] = ()
    score_by: Literal["matching", "pooled_cosine"] = "matching"

    @property
    def file_name(self) -> str:
        """Of its checkpoint."""
        return self.name.replace(" ", "-").replace(",", "") + ".safetensors"


ROWS = (
    Row("random weights", None),
    Row("pooled cosine, cross-entropy", "paper_softmax", score_by="pooled_cosine"),
    Row("pooled class memory", "paper_pooled_memory", score_by="pooled_cosine"),
    Row("QAConv", "paper_qaconv", ("augmentation.covering.block_share=0",)),
    Row("QAConv, random block", "paper_qaconv"),
)


def main() -> None:
    """Trains, evaluates, writes."""
    arguments = _parse_arguments()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    rows = [row for row in ROWS if arguments.only is None or row.name in arguments.only]
    for row in rows:
        if row.recipe is not None:
            _model(row, arguments)  # first, for the untrained model is of their architecture
    found = {row.name: [_evaluate_once(row, seed, arguments) for seed in arguments.seeds] for row in rows}
    text = "\n".join(_table(where, found, arguments) for where in ("other_cameras", "all_cameras"))
    (arguments.folder / "learning_study.md").write_text(text, encoding="utf-8")
    print(text)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for checkpoints, figures and the table")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--only", nargs="+", choices=[row.name for row in ROWS], help="rows (default all)")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(_SEEDS), help="of the networks searched")
    parser.add_argument("--people", type=int, default=100, help="in each of them (default 100)")
    parser.add_argument("--cameras", type=int, default=6, help="in each of them (default 6)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="on a CPU (default all cores)")
    return parser.parse_args()


def _evaluate_once(row: Row, seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """The figures of one model on one network, from the folder where they are there."""
    path = arguments.folder / f"{Path(row.file_name).stem}-{seed}.json"
    if not path.exists():
        settings = EvaluationSettings(
            shuffle_times_seed=_SHUFFLING_SEED, score_by=row.score_by, device=arguments.device
        )
        network = SyntheticNetwork(seed, arguments.people, arguments.cameras)
        report = evaluate(_model(row, arguments), network, LiftingParameters(), settings=settings)
        path.write_text(json.dumps(report.to_json_values()), encoding="utf-8")
    figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return figures


def _model(row: Row, arguments: argparse.Namespace) -> Checkpoint:
    if row.recipe is None:
        torch.manual_seed(0)
        return create_checkpoint(row.name, _config(arguments))
    path = arguments.folder / row.file_name
    if not path.exists():
        command = [sys.executable, "-m", "training.main", "train", row.recipe, "--output", str(path)]
        for setting in (*row.settings, *arguments.settings):
            command += ["--set", setting]
        subprocess.run([*command, "--threads", str(arguments.threads)], check=True)
    return load_checkpoint(path)


def _config(arguments: argparse.Namespace) -> ModelConfig:
    """Of the untrained model: that of the first trained one, for the same architecture."""
    trained = [path for row in ROWS if (path := arguments.folder / row.file_name).exists()]
    return load_checkpoint(trained[0]).config if trained else ModelConfig()


def _table(where: str, found: dict[str, list[dict[str, Any]]], arguments: argparse.Namespace) -> str:
    people, cameras = arguments.people, arguments.cameras
    lines = [
        f"Rank-1 / mAP in %, {where.replace('_', ' ')}: mean of {len(arguments.seeds)} networks of {people} people and "
        f"{cameras} cameras (seeds {', '.join(map(str, arguments.seeds))}) that nothing was trained on or chosen by.",
        "",
        "| training | " + " | ".join(_RANKINGS.values()) + " |",
        "| --- " * (1 + len(_RANKINGS)) + "|",
    ]
    for name, reports in found.items():
        cells = [_cell([report[where][ranking] for report in reports]) for ranking in _RANKINGS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(metrics: Sequence[dict[str, float]]) -> str:
    rank1, precision = (
        100 * sum(one[name] for one in metrics) / len(metrics) for name in ("rank1", "mean_average_precision")
    )
    return f"{rank1:.1f} / {precision:.1f}"


if __name__ == "__main__":
    main()
