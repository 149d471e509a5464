"""What an evaluation keeps of crops: feature maps, and what the baselines compare. The pixels are let go."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from model.checkpoint import Checkpoint
from model.gallery_scoring import position_major
from model.gallery_scoring.precision import choose_precision
from model.preprocessing import preprocess_crop
from training.color_histogram import color_histograms
from training.datasets.labelled_crop import LabelledCrop
from training.evaluation.progress import OnProgress, report_each
from training.pooled_features import pool

_CROPS_PER_BATCH = 32
# The histogram looks at every third pixel of every third row: as good, a ninth of the work.
_HISTOGRAM_STEP = 3


@dataclass(frozen=True, slots=True)
class CropFeatures:
    """Of n crops, in the memory of the CPU.

    Attributes:
        maps: feature maps [n, hw, d], in the format that the service stores on the device that extracted them.
        pooled: float32 [n, c], the backbone's features averaged over all locations, of unit length: what baselines
            with one vector for a crop compare.
        histograms: float32 [n, 1536], see `color_histograms`.
    """

    maps: Tensor
    pooled: Tensor
    histograms: Tensor


@torch.no_grad()
def extract_features(
    model: Checkpoint, crops: Sequence[LabelledCrop], device: str = "cpu", on_progress: OnProgress | None = None
) -> CropFeatures:
    """Read and extract crops, batch by batch: of a whole benchmark's, maps take 1 GB where pixels would take 4.

    Raises:
        OSError: a crop's file cannot be read.
        ValueError: a crop is not an image.
    """
    # As the service has it: the faster layout, and the same rounding.
    extractor = model.extractor.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    storage = choose_precision(device).storage
    maps, pooled, histograms = [], [], []
    taken: list[Tensor] = []
    hook = extractor.backbone.register_forward_hook(lambda _module, _inputs, output: taken.append(output))
    try:
        waiting: list[Tensor] = []
        for number, crop in enumerate(report_each(crops, "extracting features", on_progress), start=1):
            waiting.append(preprocess_crop(crop.read_image(), model.config))
            if len(waiting) < _CROPS_PER_BATCH and number < len(crops):
                continue
            pixels = torch.stack(waiting).contiguous(memory_format=torch.channels_last)
            waiting.clear()
            maps.append(position_major(extractor(pixels.to(device))).to(storage).cpu())
            pooled.append(functional.normalize(pool(taken.pop()), dim=1).cpu())
            histograms.append(color_histograms(pixels[:, :, ::_HISTOGRAM_STEP, ::_HISTOGRAM_STEP]))
    finally:
        hook.remove()
    return CropFeatures(torch.cat(maps), torch.cat(pooled), torch.cat(histograms))
