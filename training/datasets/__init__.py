"""What a dataset is, and a reader for each layout that datasets are kept in."""
