"""What TensorBoard shows of a run. Needs the optional packages of `pip install qaconv[training]`."""

from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor, to_pil_image

from model.checkpoint import Checkpoint
from model.correspondences import list_correspondences
from model.query_adaptive_convolution import BestPartners, match_maps
from model.retrieval_metrics import RetrievalMetrics
from training.crop_scoring import in_inference
from training.step_report import StepReport

try:
    from torch.utils.tensorboard import SummaryWriter
except ImportError:  # The optional packages are not installed; everything else of training runs without.
    SummaryWriter = None  # type: ignore[assignment,misc]

_MOST_LINES, _LEAST_SIMILARITY = 12, 0.5
_LINE = (253, 231, 37)
# Crops are drawn larger, so that lines are thin beside them.
_SCALE = 2


class TensorBoardMissing(RuntimeError):  # noqa: N818 (says what is the case)
    """The optional packages are not installed."""


def check_tensorboard() -> None:
    """Raises TensorBoardMissing if there can be no log."""
    if SummaryWriter is None:
        raise TensorBoardMissing(
            "a run's folder holds a log for TensorBoard, which is not installed: pip install 'qaconv[training]', or "
            "give the name of a checkpoint file as --output"
        )


class TensorBoardLog:
    """Scalars and pictures in a folder. Close it to have all of them on the disk."""

    def __init__(self, folder: Path, first_step: int = 0) -> None:
        check_tensorboard()
        # What a run that was killed wrote after its last epoch is done again.
        self._writer = SummaryWriter(str(folder), purge_step=first_step)

    def log_step(self, report: StepReport) -> None:
        """Losses, accuracy, learning rate and throughput of a step."""
        self._writer.add_scalar("loss/total", report.loss, report.step)
        for name, value in report.parts:
            self._writer.add_scalar(f"loss/{name}", value, report.step)
        if report.accuracy is not None:
            self._writer.add_scalar("accuracy/batch", report.accuracy, report.step)
        self._writer.add_scalar("learning_rate", report.learning_rate, report.step)
        self._writer.add_scalar("throughput/crops_per_second", report.crops_per_second, report.step)

    def log_validation(self, metrics: RetrievalMetrics, step: int) -> None:
        """Figures after an epoch."""
        self._writer.add_scalar("validation/mean_average_precision", metrics.mean_average_precision, step)
        self._writer.add_scalar("validation/rank1", metrics.rank1, step)

    def log_correspondences(self, model: Checkpoint, pairs: Tensor, step: int) -> None:
        """Pictures of where a model finds pairs of crops, uint8 [n, 2, 3, h, w], to agree; its mode stays."""
        for number, pair in enumerate(pairs):
            picture = draw_correspondences(model, pair)
            self._writer.add_image(f"correspondences/{number}", pil_to_tensor(picture), step)

    def close(self) -> None:
        """Write what is not on the disk yet."""
        self._writer.close()


@torch.no_grad()
def draw_correspondences(model: Checkpoint, pair: Tensor) -> Image.Image:
    """Two crops, uint8 [2, 3, input_height, input_width], side by side, lines between the places that agree best."""
    device = next(model.extractor.parameters()).device
    with in_inference(model):
        maps = model.extractor(pair.to(device))
    partners = BestPartners(*(part[0, 0].cpu() for part in match_maps(maps[:1], maps[1:], model.config.kernel_size)))
    found = list_correspondences(
        partners, model.config.map_width, model.config.kernel_size, _MOST_LINES, _LEAST_SIMILARITY
    )
    width, height = model.config.input_width * _SCALE, model.config.input_height * _SCALE
    picture = Image.new("RGB", (2 * width, height))
    for place, crop in enumerate(pair.cpu()):
        picture.paste(to_pil_image(crop).resize((width, height)), (place * width, 0))
    pen = ImageDraw.Draw(picture)
    cell = model.config.stride * _SCALE
    for line in found:
        left = ((line.query.column + 0.5) * cell, (line.query.row + 0.5) * cell)
        right = ((line.gallery.column + 0.5) * cell + width, (line.gallery.row + 0.5) * cell)
        pen.line((left, right), _LINE, width=1)
    return picture
