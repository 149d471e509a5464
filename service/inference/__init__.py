"""Decoding, batching and the one thread that owns the device."""
