"""The gallery-matching service."""
