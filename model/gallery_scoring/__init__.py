"""Scoring every query against every detection of a gallery: one interface, a file for each way to compute it."""

from model.gallery_scoring.blocked import BlockedScorer
from model.gallery_scoring.choose_scorer import choose_scorer, multiplies_int8
from model.gallery_scoring.float32_reference import Float32ReferenceScorer
from model.gallery_scoring.interface import GalleryScorer, position_major
from model.gallery_scoring.native_library import installed_library
from model.gallery_scoring.native_scorer import NativeScorer

__all__ = [
    "BlockedScorer",
    "Float32ReferenceScorer",
    "GalleryScorer",
    "NativeScorer",
    "choose_scorer",
    "installed_library",
    "multiplies_int8",
    "position_major",
]
