"""Which of the scorers is the fastest for a device and its number formats."""

from model.gallery_scoring.blocked import BlockedScorer
from model.gallery_scoring.interface import FoldedMatcher, GalleryScorer
from model.gallery_scoring.native_library import NativeLibrary
from model.gallery_scoring.native_scorer import NativeScorer
from model.gallery_scoring.precision import ScoringPrecision


def choose_scorer(matcher: FoldedMatcher, precision: ScoringPrecision, library: NativeLibrary | None) -> GalleryScorer:
    """The native scorer on a CPU where it is installed, else plain torch.

    Args:
        matcher: its head lies on the device that scores.
        precision: from `choose_precision`. The native scorer multiplies bfloat16 maps as bfloat16 where the processor
            can, and everything else in float32.
        library: `installed_library()`; None for torch.
    """
    is_on_cpu = matcher.head.query_weights.device.type == "cpu"
    if is_on_cpu and library is not None and library.kernels:
        return NativeScorer(matcher, library)
    return BlockedScorer(matcher, precision.compute)
