"""Mixed precision: in which number format the network runs, and on which device."""

from typing import Literal

import torch

TrainingPrecision = Literal["float32", "bfloat16", "float16"]
DeviceName = Literal["auto", "cpu", "cuda"]


def choose_device(name: DeviceName) -> torch.device:
    """The device of a name; `auto` is CUDA where there is one.

    Raises:
        ValueError: CUDA is asked for and there is none.
    """
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise ValueError("device is 'cuda', and PyTorch finds no CUDA device: give 'cpu' or 'auto'")
    return torch.device("cuda" if has_cuda and name != "cpu" else "cpu")


def check_precision(precision: TrainingPrecision, device: torch.device) -> None:
    """Raises ValueError for float16 on a CPU, which would neither be fast nor have gradients that fit."""
    if precision == "float16" and device.type == "cpu":
        raise ValueError("precision is 'float16', which trains on CUDA only: give 'bfloat16' or 'float32' on a CPU")


def autocast(precision: TrainingPrecision, device: torch.device) -> torch.autocast:
    """The context in which a network runs forward; bfloat16 is several times as fast on CPUs that have it."""
    dtype = torch.bfloat16 if precision == "float32" else getattr(torch, precision)
    return torch.autocast(device.type, dtype, enabled=precision != "float32")


def product_dtype(precision: TrainingPrecision) -> torch.dtype:
    """The number format in which feature maps are multiplied with each other in training.

    On CPUs that have its instructions bfloat16 is about twice as fast as float32. Its rounding, 0.4 % of a cosine,
    moves the places of near-equal maxima, and with them single gradients.
    """
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[precision]


def gradient_scaler(precision: TrainingPrecision, device: torch.device) -> torch.amp.GradScaler:
    """Scales the loss so that its gradients fit into float16; does nothing for the other formats."""
    return torch.amp.GradScaler(device.type, enabled=precision == "float16")
