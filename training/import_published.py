"""Turns a checkpoint that the authors published into one of ours."""

from dataclasses import replace
from pathlib import Path

from model.checkpoint import Checkpoint, save_checkpoint
from model.published_checkpoint import load_published_checkpoint


def import_published(
    published: Path, output: Path, input_height: int, input_width: int, name: str | None = None
) -> Checkpoint:
    """Convert a file of ShengcaiLiao/QAConv and save it.

    Args:
        published: the authors' `checkpoint.pth.tar`.
        output: where our checkpoint goes.
        input_height: of the crops that it was trained with; the file does not say it.
        input_width: likewise.
        name: how answers call it; without one, the file's name up to its suffixes.

    Returns:
        What was saved.

    Raises:
        CheckpointError: not such a file, or not of that size.
        OSError: one of the files cannot be read or written.
    """
    loaded = load_published_checkpoint(published, input_height, input_width)
    imported = loaded if name is None else replace(loaded, name=name)
    save_checkpoint(imported, output)
    return imported
