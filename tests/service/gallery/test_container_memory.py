"""Memory limits of control groups, from files such as the kernel shows them."""

from pathlib import Path

import pytest

from service.gallery.container_memory import container_memory_bytes

MEGABYTE = 2**20
UNLIMITED_1 = 9_223_372_036_854_771_712


@pytest.mark.parametrize(
    ("own_groups", "limits", "expected"),
    [
        pytest.param("0::/", {}, None, id="no limit anywhere"),
        pytest.param("0::/", {"memory.max": "max"}, None, id="version 2, max"),
        pytest.param("0::/", {"memory.max": f"{640 * MEGABYTE}\n"}, 640, id="version 2, a container's own root"),
        pytest.param("0::/a/b", {"a/b/memory.max": "max", "a/memory.max": f"{640 * MEGABYTE}"}, 640, id="around it"),
        pytest.param(
            "0::/a/b", {"a/b/memory.max": f"{64 * MEGABYTE}", "a/memory.max": f"{640 * MEGABYTE}"}, 64, id="the smaller"
        ),
        pytest.param("0::/docker/4f2a", {"memory.max": f"{640 * MEGABYTE}"}, 640, id="under a path of the machine's"),
        pytest.param(
            "12:pids:/x\n5:cpu,memory:/a/b\n0::/",
            {"memory/a/b/memory.limit_in_bytes": f"{UNLIMITED_1}", "memory/a/memory.limit_in_bytes": f"{7 * MEGABYTE}"},
            7,
            id="version 1, around it",
        ),
        pytest.param(
            "5:memory:/docker/4f2a", {"memory/memory.limit_in_bytes": f"{7 * MEGABYTE}"}, 7, id="version 1, its root"
        ),
        pytest.param("5:memory:/", {"memory/memory.limit_in_bytes": f"{UNLIMITED_1}"}, None, id="version 1, none"),
        pytest.param("0::/a:b", {"a:b/memory.max": f"{7 * MEGABYTE}"}, 7, id="a name with a colon"),
        pytest.param("", {"memory.max": "nonsense"}, None, id="what is no number"),
    ],
)
def test_the_smallest_limit_counts(
    tmp_path: Path, own_groups: str, limits: dict[str, str], expected: int | None
) -> None:
    for name, content in limits.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "own").write_text(own_groups)
    found = container_memory_bytes(tmp_path / "groups", tmp_path / "own")
    assert found == (None if expected is None else expected * MEGABYTE)


def test_without_control_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert container_memory_bytes(tmp_path / "none", tmp_path / "neither") is None
