"""The architecture of a model: everything that must be known to rebuild it besides its weights."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args

BackboneName = Literal[
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "efficientnet_lite0",
    "efficientnet_lite1",
    "efficientnet_lite2",
    "mobilenet_v2",
]
FinalLayer = Literal["layer2", "layer3", "layer4"]
Interpolation = Literal["bilinear", "bicubic"]
BlockNormalisation = Literal["batch", "instance_batch"]

STRIDE_OF_LAYER: Mapping[str, int] = {"layer2": 8, "layer3": 16, "layer4": 32}

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A feature extractor and its matcher (Liao & Shao 2020, Section 3).

    Attributes:
        input_height: rows that a crop is resized to; a multiple of the final layer's stride.
        input_width: columns that a crop is resized to; likewise.
        interpolation: how a crop is resized.
        input_mean: subtracted from each of the channels R, G, B, whose values are in [0, 1].
        input_std: by which each channel is then divided.
        backbone: the network: torchvision's by its name there, or EfficientNet-Lite.
        final_layer: the network's last layer; what comes after it is cut off. Of a residual network its layer of this
            name, of the others all blocks up to the same stride: 8, 16 or 32.
        block_normalisation: what follows a block's first convolution: batch normalisation, or instance
            normalisation on half of the channels (IBN-a, Pan et al., ECCV 2018), which takes light and colour cast
            out of a picture and so generalises better to cameras never seen.
        channels: d, the channels of the feature map.
        neck_kernel_size: 1 (the paper) or 3 (the authors' later code).
        neck_batch_norm: whether the neck ends in batch normalisation (the authors' later code).
        kernel_size: s, the side of the query's patches used as kernels; odd.
        shared_head: one weight for each location, shared by both directions (the authors' later code), or 2hw.

    Raises:
        ValueError: a value is out of its range.
    """

    input_height: int = 384
    input_width: int = 128
    interpolation: Interpolation = "bilinear"
    input_mean: tuple[float, float, float] = IMAGENET_MEAN
    input_std: tuple[float, float, float] = IMAGENET_STD
    backbone: BackboneName = "resnet50"
    final_layer: FinalLayer = "layer3"
    block_normalisation: BlockNormalisation = "batch"
    channels: int = 128
    neck_kernel_size: int = 1
    neck_batch_norm: bool = False
    kernel_size: int = 1
    shared_head: bool = False

    def __post_init__(self) -> None:
        for name, allowed in _ALLOWED.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}, not one of {', '.join(map(str, allowed))}")
        for name in ("input_height", "input_width"):
            size = getattr(self, name)
            if size <= 0 or size % self.stride:
                raise ValueError(
                    f"{name} is {size}, not a positive multiple of {self.final_layer}'s stride {self.stride}"
                )
        if self.channels <= 0:
            raise ValueError(f"channels is {self.channels}, not positive")
        if self.kernel_size <= 0 or self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size is {self.kernel_size}, not a positive odd number")
        if len(self.input_mean) != 3 or len(self.input_std) != 3 or min(self.input_std) <= 0:
            raise ValueError("input_mean and input_std are three numbers each, input_std positive")

    @property
    def stride(self) -> int:
        """Pixels of the resized crop between two locations of the feature map."""
        return STRIDE_OF_LAYER[self.final_layer]

    @property
    def map_height(self) -> int:
        """h, the rows of the feature map."""
        return self.input_height // self.stride

    @property
    def map_width(self) -> int:
        """w, the columns of the feature map."""
        return self.input_width // self.stride

    @property
    def locations(self) -> int:
        """hw, the locations of the feature map."""
        return self.map_height * self.map_width

    def to_json(self) -> str:
        """The config as canonical JSON: the same config gives the same text.

        Fields that came after the first checkpoints are left out at their default: these keep their fingerprint.
        """
        values = {name: value for name, value in asdict(self).items() if name not in _LATER or value != _LATER[name]}
        return json.dumps(values, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The config that `to_json` wrote.

        Raises:
            ValueError: not JSON, a field missing, unknown or out of range.
        """
        values: Any = json.loads(text)
        names = {field.name for field in fields(cls)}
        if not isinstance(values, dict) or set(_LATER | values) != names:
            found = sorted(values) if isinstance(values, dict) else type(values).__name__
            raise ValueError(f"a model config has the fields {sorted(names)}, found {found}")
        try:
            for name in ("input_mean", "input_std"):
                values[name] = tuple(values[name])
            return cls(**values)
        except TypeError as error:
            raise ValueError(f"a field of the model config has the wrong type: {error}") from error


_ALLOWED: Mapping[str, tuple[Any, ...]] = {
    "interpolation": get_args(Interpolation),
    "backbone": get_args(BackboneName),
    "final_layer": get_args(FinalLayer),
    "neck_kernel_size": (1, 3),
    "block_normalisation": get_args(BlockNormalisation),
}
_LATER: dict[str, Any] = {"block_normalisation": "batch"}
