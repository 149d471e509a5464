from pathlib import Path

import pytest

from training.training_state import TrainingStateError, read_training_state
from training_run import small_recipe


@pytest.mark.parametrize("content", [b"", b"junk\n", b"i", b"(lp0\n", b"PK\x03\x04", b"root:x:0:0\n"])
def test_any_bytes_that_are_no_state_are_told(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    path.write_bytes(content)
    with pytest.raises(TrainingStateError, match=r"state\.pt is no training state"):
        read_training_state(small_recipe(), "crops", path)


def test_a_state_that_cannot_be_read_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Is a directory"):
        read_training_state(small_recipe(), "crops", tmp_path)
