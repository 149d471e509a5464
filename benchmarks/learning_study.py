"""Whether learning is real: models trained in different ways, each on people and cameras that none of them saw.

`python benchmarks/learning_study.py FOLDER` draws one network to train on and several to search, trains what is not in
the folder yet, evaluates each checkpoint with re-ranking and with lifting, and writes `FOLDER/learning_study.md` beside
the figures of every network as JSON. What is there is not done again, so that an interrupted study goes on.

The papers start from ImageNet weights. Here all ways start from one network instead, which was trained from random
weights to tell the same people's crops apart by the contrastive loss alone: from random weights cross-entropy and class
memory had hardly begun to learn after the first hundred steps (`training/LOG.md`). Then every way has the same crops,
steps and rates, and all but one have random block.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

# A script has its own folder on the path, not the repository's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model.checkpoint import Checkpoint, create_checkpoint, load_checkpoint, save_checkpoint
from model.temporal_lifting import LiftingParameters
from training.augmentation.settings import PAPER_AUGMENTATION, Covering
from training.datasets.benchmarks import open_dataset
from training.datasets.crop_folder import write_crop_folder
from training.evaluate import EvaluationSettings, evaluate
from training.learning_rate import WarmupCosine
from training.losses.contrastive import ContrastiveSettings
from training.objectives.build_objective import ObjectiveSettings
from training.objectives.class_memory_matching import ClassMemoryMatching
from training.objectives.classification import Classification
from training.objectives.pairwise_matching import PairwiseMatching
from training.optimization import OptimizerSettings
from training.recipe import Recipe, Stage
from training.recipes import synthetic_resnet18
from training.run_recipe import run_recipe
from training.sampling.balanced import BalancedSampling
from training.sampling.build_batches import Sampling
from training.sampling.shuffled import ShuffledSampling
from training.sources.drawn_networks import NetworkPlan
from training.sources.named_dataset import NamedDataset
from training.step_report import StepReport
from training.synthetic.network import SyntheticNetwork

_TRAINING_SEED, _TRAINING_CAMERAS = 300, 8
# Of networks that no recipe trains on or is chosen by.
_SEEDS = (9101, 9102)
_SHUFFLING_SEED = 1
_STEPS_BETWEEN_REPORTS = 100
_MODEL = replace(synthetic_resnet18().model_config, input_height=128, input_width=48)
_START = "common start"
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
    """A way to train.

    Attributes:
        objective: None for a model that is not trained further.
        has_block: trained with random block.
        score_by: how its models are compared; those trained on pooled features have an untrained matcher.
    """

    name: str
    objective: ObjectiveSettings | None
    has_block: bool = True
    score_by: Literal["matching", "pooled_cosine"] = "pooled_cosine"

    @property
    def file_stem(self) -> str:
        """Of its checkpoint, and of its figures."""
        return self.name.replace(" ", "-").replace(",", "")


ROWS = (
    Row("random weights", None, score_by="matching"),
    Row(_START, None),
    Row("pooled cosine, cross-entropy", Classification()),
    Row("pooled class memory", ClassMemoryMatching(compares="pooled_features")),
    Row("QAConv without random block", ClassMemoryMatching(), has_block=False, score_by="matching"),
    Row("QAConv", ClassMemoryMatching(), score_by="matching"),
)


def main() -> None:
    """Draws, trains, evaluates, writes."""
    arguments = _parse_arguments()
    torch.set_num_threads(arguments.threads)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    _keep_arguments(arguments)
    _draw(arguments.folder / "training", SyntheticNetwork(_TRAINING_SEED, arguments.training_people, _TRAINING_CAMERAS))
    for row in ROWS:
        _train_once(row, arguments)
    found = {row.name: [_evaluate_once(row, seed, arguments) for seed in arguments.seeds] for row in ROWS}
    text = "\n".join(_table(where, found, arguments) for where in ("other_cameras", "all_cameras"))
    (arguments.folder / "learning_study.md").write_text(text, encoding="utf-8")
    print(text)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for crops, checkpoints, figures and the table")
    parser.add_argument("--training-people", type=int, default=400, help="that are trained on (default 400)")
    parser.add_argument("--start-steps", type=int, default=400, help="of the common start (default 400)")
    parser.add_argument("--steps", type=int, default=500, help="of every way to train (default 500)")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(_SEEDS), help="of the networks searched")
    parser.add_argument("--people", type=int, default=100, help="in each of them (default 100)")
    parser.add_argument("--cameras", type=int, default=6, help="in each of them (default 6)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="on a CPU (default all cores)")
    return parser.parse_args()


def _keep_arguments(arguments: argparse.Namespace) -> None:
    """A folder is of one study: what is there would be told as found with other arguments."""
    shape = {name: value for name, value in vars(arguments).items() if name not in ("folder", "device", "threads")}
    path = arguments.folder / "arguments.json"
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != shape:
        sys.exit(f"{path} is of a study with other arguments: give the same, or another folder")
    path.write_text(json.dumps(shape), encoding="utf-8")


def _draw(folder: Path, network: SyntheticNetwork) -> None:
    """Into a folder, once."""
    if folder.exists():
        return
    unfinished = Path(tempfile.mkdtemp(prefix=folder.name, dir=folder.parent))
    print(f"drawing {len(network)} crops into {folder}", flush=True)
    write_crop_folder(unfinished, network)
    unfinished.rename(folder)


def _train_once(row: Row, arguments: argparse.Namespace) -> None:
    """Leave a row's checkpoint in the folder."""
    path = arguments.folder / f"{row.file_stem}.safetensors"
    if path.exists():
        return
    if row.name == _START:
        model = _train(_common_start(arguments), arguments.threads)
    elif row.objective is not None:
        model = _train(_from_common_start(row, row.objective, arguments), arguments.threads)
    else:
        torch.manual_seed(0)
        model = create_checkpoint(row.name, _MODEL)
    save_checkpoint(model, path)


def _train(recipe: Recipe, threads: int) -> Checkpoint:
    def show(report: StepReport) -> None:
        if report.step % _STEPS_BETWEEN_REPORTS == 0:
            losses = ", ".join(f"{part} {value:.3f}" for part, value in report.parts)
            accuracy = "none" if report.accuracy is None else f"{report.accuracy:.2f}"
            print(f"{recipe.name}, step {report.step}: {losses}, accuracy {accuracy}", flush=True)

    finished = run_recipe(
        recipe,
        threads,
        on_progress=lambda what, done, total: None,
        on_step=show,
        on_validation=lambda stage, epoch, metrics: None,
    )
    assert finished is not None, "one process trains"
    return finished.checkpoint


def _common_start(arguments: argparse.Namespace) -> Recipe:
    """From random weights, by the contrastive loss alone."""
    return replace(
        _recipe(_START, BalancedSampling(16, 4), 0.05, arguments.start_steps, arguments),
        objective=PairwiseMatching(triplet_weight=0.0, matching_weight=0.0),
        contrastive=ContrastiveSettings(weight=1.0),
    )


def _from_common_start(row: Row, objective: ObjectiveSettings, arguments: argparse.Namespace) -> Recipe:
    """The paper's way, with rates for hundreds of steps in place of its tens of thousands."""
    recipe = _recipe(row.name, ShuffledSampling(64), 0.03, arguments.steps, arguments)
    augmentation = recipe.augmentation
    if not row.has_block:
        augmentation = replace(augmentation, covering=Covering(block_share=0.0))
    start = arguments.folder / f"{Row(_START, None).file_stem}.safetensors"
    return replace(recipe, objective=objective, augmentation=augmentation, start_from=str(start))


def _recipe(name: str, sampling: Sampling, rate: float, steps: int, arguments: argparse.Namespace) -> Recipe:
    """What all trainings of the study have in common."""
    height, width = _MODEL.input_height, _MODEL.input_width
    people = NamedDataset("csv", str(arguments.folder / "training"), height, width)
    return Recipe(
        name=name,
        model_config=_MODEL,
        source=people,
        # One process and a look at the end: nothing is chosen by it.
        validation=NetworkPlan(seed=9001, num_people=4, num_cameras=2),
        stages=(Stage(height, width, 1, sampling, WarmupCosine(rate, max(1, steps // 10)), steps),),
        objective=PairwiseMatching(),
        augmentation=PAPER_AUGMENTATION,
        optimizer=OptimizerSettings(backbone_rate_share=1.0, largest_gradient_norm=10.0),
        device=arguments.device,
    )


def _evaluate_once(row: Row, seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """The figures of one model on one network, from the folder where they are there."""
    path = arguments.folder / f"{row.file_stem}-{seed}.json"
    if not path.exists():
        network = arguments.folder / f"network-{seed}"
        _draw(network, SyntheticNetwork(seed, arguments.people, arguments.cameras))
        settings = EvaluationSettings(
            shuffle_times_seed=_SHUFFLING_SEED, score_by=row.score_by, device=arguments.device
        )
        model = load_checkpoint(arguments.folder / f"{row.file_stem}.safetensors")
        report = evaluate(model, open_dataset("csv", network), LiftingParameters(), settings=settings)
        path.write_text(json.dumps(report.to_json_values()), encoding="utf-8")
        found = report.other_cameras.appearance
        print(f"{row.name}, network {seed}: mAP {found.mean_average_precision:.3f} among other cameras", flush=True)
    figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return figures


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
