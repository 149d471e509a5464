"""Scoring every query against every detection of a gallery: one interface, a file for each way to compute it."""

from model.gallery_scoring.blocked import BlockedScorer
from model.gallery_scoring.float32_reference import Float32ReferenceScorer
from model.gallery_scoring.interface import GalleryScorer, position_major

__all__ = ["BlockedScorer", "Float32ReferenceScorer", "GalleryScorer", "position_major"]
