"""Draws one person in three dimensions: textured surfaces around a skeleton, rendered into a depth buffer."""
