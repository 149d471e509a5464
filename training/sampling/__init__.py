"""Which crops go into a batch."""
