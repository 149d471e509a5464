import pytest

from service.access.camera_limit import EVERY_CAMERA, CameraLimit
from service.errors import Forbidden

GATE = CameraLimit(frozenset({"gate"}), "0123abcd")
MANY = CameraLimit(frozenset(f"c{number:02}" for number in range(12)), "0123abcd")


def test_a_key_without_a_limit_is_for_every_camera() -> None:
    assert EVERY_CAMERA.admits("anything")
    EVERY_CAMERA.require("a", "b")
    assert EVERY_CAMERA.narrow(frozenset()) == frozenset()
    assert EVERY_CAMERA.narrow(frozenset({"a"})) == {"a"}


def test_a_request_means_the_keys_cameras_where_it_names_none() -> None:
    assert GATE.narrow(frozenset()) == {"gate"}
    assert MANY.narrow(frozenset({"c03"})) == {"c03"}


@pytest.mark.parametrize(
    ("limit", "named", "message"),
    [
        pytest.param(
            GATE, ["north"], "the API key 0123abcd is for camera gate alone; the request names camera north", id="one"
        ),
        pytest.param(GATE, ["gate", "b", "a"], "the request names the cameras a, b", id="those that are not its own"),
        pytest.param(MANY, ["x"], "c08, c09 and 2 more alone", id="many are not all listed"),
    ],
)
def test_cameras_that_are_not_the_keys(limit: CameraLimit, named: list[str], message: str) -> None:
    with pytest.raises(Forbidden) as caught:
        limit.require(*named)
    assert message in caught.value.detail
    with pytest.raises(Forbidden):
        limit.narrow(frozenset(named))
