"""What Redis knows of the detections: their metadata, and the order of their times."""
