"""Backups of a data directory: made, verified and restored."""
