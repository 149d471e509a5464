"""Where detections are kept: their records on disk, which are the truth, and their metadata in Redis."""
