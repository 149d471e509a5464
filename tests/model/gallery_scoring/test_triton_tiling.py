"""Which tiling a card gets for which maps."""

import pytest

from model.gallery_scoring.triton_tiling import Tiling, choose_tiling, padded

HOPPER = (9, 0)


def test_192_locations_are_three_parts_of_64() -> None:
    tiling = choose_tiling(HOPPER, 192, 128, 2)
    assert tiling is not None
    assert (tiling.part, tiling.parts(192)) == (64, 3)


@pytest.mark.parametrize(("locations", "part", "parts"), [(1, 16, 1), (7, 16, 1), (24, 32, 1), (128, 64, 2)])
def test_few_locations_are_not_padded_to_many(locations: int, part: int, parts: int) -> None:
    tiling = choose_tiling(HOPPER, locations, 128, 2)
    assert tiling is not None
    assert (tiling.part, tiling.parts(locations)) == (part, parts)


@pytest.mark.parametrize("locations", [193, 288, 384])
def test_more_locations_get_more_warps_for_their_registers(locations: int) -> None:
    usual, larger = choose_tiling(HOPPER, 192, 128, 2), choose_tiling(HOPPER, locations, 128, 2)
    assert usual is not None
    assert larger is not None
    assert (larger.part, larger.warps) == (2 * usual.part, 2 * usual.warps)


@pytest.mark.parametrize(
    ("capability", "locations", "channels", "element_bytes"),
    [
        pytest.param((7, 5), 192, 128, 2, id="a card that nobody looked at"),
        pytest.param(HOPPER, 385, 128, 2, id="too many locations for the registers"),
        pytest.param(HOPPER, 192, 1152, 2, id="a query larger than the shared memory"),
        pytest.param((8, 9), 192, 256, 2, id="a query larger than a smaller card's shared memory"),
        pytest.param(HOPPER, 192, 128, 4, id="float32"),
    ],
)
def test_what_the_kernel_does_not_take(
    capability: tuple[int, int], locations: int, channels: int, element_bytes: int
) -> None:
    assert choose_tiling(capability, locations, channels, element_bytes) is None


@pytest.mark.parametrize("capability", [(8, 0), (8, 6), (8, 9), HOPPER, (12, 0)])
@pytest.mark.parametrize("element_bytes", [1, 2])
@pytest.mark.parametrize("locations", [128, 192])
def test_every_card_of_the_table_takes_the_maps_of_both_checkpoints(
    capability: tuple[int, int], element_bytes: int, locations: int
) -> None:
    assert choose_tiling(capability, locations, 128, element_bytes) is not None


def test_shared_memory_is_the_query_s_and_the_tiles_and_some_for_sums() -> None:
    tiling = Tiling(part=64, group=4, warps=4, stages=3)
    assert tiling.shared_memory_bytes(192, 100, 2) == (192 + 3 * 64) * 128 * 2 + 4 * 1152


@pytest.mark.parametrize(("channels", "expected"), [(1, 32), (32, 32), (33, 64), (100, 128), (128, 128), (129, 256)])
def test_channels_are_padded_to_a_power_of_two(channels: int, expected: int) -> None:
    assert padded(channels) == expected
