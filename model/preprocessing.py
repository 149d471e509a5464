"""From a crop to the pixels that the feature extractor takes."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from model.config import ModelConfig

_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def preprocess_crop(image: Image.Image, config: ModelConfig) -> Tensor:
    """Resizes a crop, whatever its shape, to the model's input.

    Pixels stay bytes: the device, not the decoding thread, turns them into floating point (`normalise_crops`).

    Args:
        image: the crop, upright; any mode that converts to RGB.
        config: gives the input size and the interpolation.

    Returns:
        uint8 [3, input_height, input_width].
    """
    size = (config.input_width, config.input_height)
    resized = image.convert("RGB").resize(size, _RESAMPLING[config.interpolation])
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1).contiguous()


def normalise_crops(crops: Tensor, config: ModelConfig) -> Tensor:
    """Pixel values of 0 to 255, of any dtype, [n, 3, H, W], as the normalised float32 that the backbone takes."""
    mean = torch.tensor(config.input_mean, device=crops.device).view(3, 1, 1)
    std = torch.tensor(config.input_std, device=crops.device).view(3, 1, 1)
    return (crops.to(torch.float32) / 255 - mean) / std
