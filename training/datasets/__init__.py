"""What a dataset is, and datasets kept as folders of crops."""
