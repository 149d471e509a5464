"""Which of the scorers is the fastest for a device and its number formats."""

from model.gallery_scoring.blocked import BlockedScorer
from model.gallery_scoring.choose_cuda_scorer import choose_cuda_scorer
from model.gallery_scoring.interface import FoldedMatcher, GalleryScorer
from model.gallery_scoring.native_library import installed_library
from model.gallery_scoring.native_scorer import NativeScorer
from model.gallery_scoring.precision import ScoringPrecision


def choose_scorer(matcher: FoldedMatcher, channels: int, precision: ScoringPrecision) -> GalleryScorer:
    """The native scorer on a CPU where it is installed, the Triton kernel on a GPU where it runs, else plain torch.

    Args:
        matcher: its head lies on the device that scores.
        channels: d of the maps.
        precision: from `choose_precision`. The native scorer multiplies bfloat16 maps as bfloat16 where the processor
            can, and everything else in float32.
    """
    device = matcher.head.query_weights.device
    if device.type == "cuda":
        return choose_cuda_scorer(matcher, channels, precision.storage, device)
    library = installed_library()
    if library is not None:
        return NativeScorer(matcher, library)
    return BlockedScorer(matcher, precision.compute)
