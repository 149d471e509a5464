"""How strongly training crops are changed."""

from dataclasses import dataclass, field
from typing import Literal

from training.ranges import check_range


@dataclass(frozen=True, slots=True)
class Placing:
    """Where in the picture a crop lies.

    Attributes:
        flip_share: how many are mirrored.
        shift: at most how far they are moved, as a share of height and width.
        zoom: at most how much they are enlarged or shrunk, as a share.
        stretch: at most how much more in one direction than in the other, on a logarithmic scale.
    """

    flip_share: float = 0.5
    shift: float = 0.05
    zoom: float = 0.10
    stretch: float = 0.0

    def __post_init__(self) -> None:
        check_range(self, "flip_share", least=0, most=1)
        check_range(self, "shift", "stretch", least=0)
        check_range(self, "zoom", least=0, below=1)


@dataclass(frozen=True, slots=True)
class Colors:
    """Light and camera.

    Attributes:
        gain, gamma, contrast, saturation, cast: at most how far each is from 1, on a logarithmic scale.
        hue: at most how far the colours are turned around grey, radians.
        grey_share: how many lose their colours.
    """

    gain: float = 0.35
    gamma: float = 0.25
    contrast: float = 0.2
    saturation: float = 0.35
    cast: float = 0.12
    hue: float = 0.0
    grey_share: float = 0.0

    def __post_init__(self) -> None:
        check_range(self, "gain", "gamma", "contrast", "saturation", "cast", "hue", least=0)
        check_range(self, "grey_share", least=0, most=1)


@dataclass(frozen=True, slots=True)
class Degradation:
    """What lens, sensor and compression take away; each on a share of the crops.

    Attributes:
        small_share: are made smaller and large again.
        smallest: to at least this share of their size.
        blur_share: are blurred, by a binomial kernel of five pixels that counts fully or in part.
        noise_share: get Gaussian noise.
        noise: its standard deviation at most, of 255.
        jpeg_share: are compressed as a JPEG would be: 8×8 cosines, quantised.
        worst_jpeg_quality: of 1 to 100, as in libjpeg; the best is 90.
    """

    small_share: float = 0.0
    smallest: float = 0.4
    blur_share: float = 0.0
    noise_share: float = 0.0
    noise: float = 10.0
    jpeg_share: float = 0.0
    worst_jpeg_quality: int = 20

    def __post_init__(self) -> None:
        check_range(self, "small_share", "blur_share", "noise_share", "jpeg_share", least=0, most=1)
        check_range(self, "smallest", above=0, most=1)
        check_range(self, "noise", least=0)
        check_range(self, "worst_jpeg_quality", least=1, most=90)


@dataclass(frozen=True, slots=True)
class Covering:
    """What stands before the person.

    Attributes:
        block_share: how many get a white block (Liao & Shao 2020, Section 5.1); all of them in the authors' code.
        block_size: the block's side at most, as a share of the width; 0.8 in the paper.
        erasing_share: how many get a random rectangle (Zhong et al., AAAI 2020); 0.5 in theirs.
        erasing_smallest, erasing_largest: its area, as a share of the crop's.
        erasing_aspect: its height by its width is between this and its inverse.
        erasing_fill: random pixels (their best), or the mean of ImageNet.
    """

    block_share: float = 0.5
    block_size: float = 0.8
    erasing_share: float = 0.0
    erasing_smallest: float = 0.02
    erasing_largest: float = 0.4
    erasing_aspect: float = 0.3
    erasing_fill: Literal["random", "mean"] = "random"

    def __post_init__(self) -> None:
        check_range(self, "block_share", "block_size", "erasing_share", "erasing_largest", least=0, most=1)
        check_range(self, "erasing_smallest", least=0, most=self.erasing_largest)
        check_range(self, "erasing_aspect", above=0, most=1)


@dataclass(frozen=True, slots=True)
class Augmentation:
    """All changes of a crop, in the order in which they are made."""

    placing: Placing = field(default_factory=Placing)
    colors: Colors = field(default_factory=Colors)
    degradation: Degradation = field(default_factory=Degradation)
    covering: Covering = field(default_factory=Covering)


# Flip and random block alone, as the paper trains.
PAPER_AUGMENTATION = Augmentation(
    Placing(shift=0.0, zoom=0.0),
    Colors(gain=0.0, gamma=0.0, contrast=0.0, saturation=0.0, cast=0.0),
    covering=Covering(block_share=1.0),
)

# For training from drawings alone, to be used on photographs: a guess at what cameras do, made wide.
STRONG_AUGMENTATION = Augmentation(
    Placing(shift=0.08, zoom=0.15, stretch=0.12),
    Colors(gain=0.5, gamma=0.35, contrast=0.3, saturation=0.5, cast=0.18, hue=0.2, grey_share=0.08),
    Degradation(small_share=0.4, blur_share=0.3, noise_share=0.3, jpeg_share=0.2),
    Covering(block_share=0.25, erasing_share=0.35),
)
