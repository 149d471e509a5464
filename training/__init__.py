"""Offline training and evaluation of matching checkpoints. Needs `model`; knows nothing of the service."""
