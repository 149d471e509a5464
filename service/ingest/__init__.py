"""Storing detections: one that a client sent, and those of an ingest stream."""
