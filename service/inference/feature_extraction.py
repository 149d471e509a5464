"""Crops to feature maps, on the device."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.feature_extractor import FeatureExtractor
from service.errors import UnusableFeatureMap

FeatureMap = npt.NDArray[np.float16]

# On a CPU the first layers' maps of more crops leave its cache: 32 at once take EfficientNet-Lite up to twice as long.
_CROPS_AT_ONCE_ON_CPU = 4


class FeatureExtraction:
    """The feature extractor on its device, in float32.

    Every map is rounded to float16 once, here, and every score derives from the rounded map: a crop that is posted
    scores as it does when it is stored.
    """

    def __init__(self, extractor: FeatureExtractor, device: torch.device) -> None:
        # Convolutions and products in float32 mean float32: TF32 has 10 bits of mantissa, and GPUs would differ.
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
        self._device = device
        self._extractor = extractor.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def extract(self, crops: list[Tensor]) -> Sequence[FeatureMap]:
        """Feature maps float16 [d, h, w] of crops uint8 [3, input_height, input_width].

        Raises:
            UnusableFeatureMap: the model makes no numbers of one of them. Scores of such a map would mean nothing.
        """
        with torch.inference_mode():
            batch = torch.stack(crops).to(self._device, memory_format=torch.channels_last)
            parts = batch.split(_CROPS_AT_ONCE_ON_CPU if self._device.type == "cpu" else len(batch))
            maps = torch.cat([self._extractor(part) for part in parts]).to(torch.float16).cpu().contiguous()
            if not maps.isfinite().all():
                raise UnusableFeatureMap(
                    "the model's feature map of a crop has values that are infinite or no numbers: serve another "
                    "checkpoint"
                )
        return list(maps.numpy())
