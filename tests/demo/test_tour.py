"""The whole tour with a small network and random weights: it must go through and report truly, not find anybody."""

from io import StringIO
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from demo.camera_network import divide
from demo.tour import run_tour
from training.synthetic.network import SyntheticNetwork


def test_a_tour(demo_environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What the user has set for a service of their own is not the demo's.
    monkeypatch.setenv("QACONV_DATA_DIR", str(tmp_path / "precious"))
    monkeypatch.setenv("QACONV_REDIS_URL", "redis://redis.invalid:1")
    monkeypatch.setenv("QACONV_PORT", "70000")
    picture_path = tmp_path / "output" / "picture.png"
    stream = StringIO()
    network = divide(SyntheticNetwork(seed=3, num_people=8, num_cameras=3, start_time=1e9), num_queries=6)
    is_good = run_tour(network, Console(file=stream, width=80), is_once=True, picture_path=picture_path)
    text = stream.getvalue()
    assert f"8 synthetic people walk past 3 cameras: {len(network.gallery)} crops." in text
    assert [f"Query {number}:" in text for number in range(1, 7)] == [True] * 6
    *_, lifted_share = (line for line in text.splitlines() if "of 6 queries" in line)
    assert is_good == (int(lifted_share.split()[3]) >= 5)
    assert ("something is wrong" in text) != is_good
    with Image.open(picture_path) as picture:
        assert picture.format == "PNG"
    assert list(demo_environment.iterdir()) == []
    assert not (tmp_path / "precious").exists()
