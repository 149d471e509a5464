from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

DrawImages = Callable[..., None]


@pytest.fixture
def draw_images() -> DrawImages:
    """Draw a tiny image at each of the names below a folder, in the format of its ending."""

    def draw(folder: Path, *names: str) -> None:
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (2, 4), (len(name), 0, 0)).save(path)

    return draw
