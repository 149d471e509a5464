"""Where training crops come from."""
