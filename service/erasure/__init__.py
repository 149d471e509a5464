"""Erasing detections: those that were named, those that outlived their retention, and what is left of their bytes."""
