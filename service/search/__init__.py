"""Finding a person again: the search, and the comparison of two crops."""
