"""The contract that orders the service's imports says nothing of a module that it does not name: it names all."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_module_has_its_layer() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = (each for each in settings["contracts"] if each.get("containers") == ["service"])
    named = [name for layer in contract["layers"] for name in re.split(r" [|:] ", layer)]
    assert len(named) == len(set(named))
    rooms = {name.split(".")[0] for name in named if "." in name}
    assert rooms.isdisjoint(named)
    there = set(modules_in(ROOT / "service")) - rooms
    there |= {f"{room}.{name}" for room in rooms for name in modules_in(ROOT / "service" / room)}
    assert there == set(named)


def modules_in(folder: Path) -> list[str]:
    names = (path.stem if path.suffix == ".py" else path.name for path in folder.iterdir())
    return [name for name in names if not name.startswith(("_", ".")) and name != "py.typed"]
