import torch

from training.augmentation import Augmentation, augment, cover_with_block, jitter_colors, place_randomly

NOTHING = Augmentation(
    flip_share=0, shift=0, zoom=0, gain=0, gamma=0, contrast=0, saturation=0, cast=0, block_share=0, block_size=0
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_no_augmentation_changes_nothing() -> None:
    crops = torch.rand(3, 3, 16, 8, generator=generator()) * 250
    torch.testing.assert_close(augment(crops, (16, 8), NOTHING, generator()), crops, atol=0.1, rtol=0)


def test_the_same_generator_gives_the_same_crops() -> None:
    crops = torch.randint(0, 256, (4, 3, 32, 16), generator=generator(), dtype=torch.uint8)
    first, second = (augment(crops, (48, 24), Augmentation(), generator(7)) for _ in range(2))
    assert first.shape == (4, 3, 48, 24)
    assert torch.equal(first, second)
    assert not torch.equal(first, augment(crops, (48, 24), Augmentation(), generator(8)))


def test_the_block_is_a_white_square_of_limited_size_inside_the_crop() -> None:
    height, width, largest = 60, 20, 0.8
    covered = cover_with_block(torch.zeros(200, 3, height, width), 1.0, largest, generator())
    sides = set()
    for crop in covered:
        white = crop[0] == 255
        assert torch.equal(crop[0], crop[1])
        assert torch.equal(crop[0], crop[2])
        rows, columns = white.any(dim=1).sum().item(), white.any(dim=0).sum().item()
        # A square with a side that is no whole number covers one row more or less than columns.
        assert abs(rows - columns) <= 1
        assert white.sum() == rows * columns
        assert max(rows, columns) <= largest * width + 1
        sides.add(rows)
    assert len(sides) > 10


def test_the_block_comes_as_often_as_it_is_asked_for() -> None:
    covered = cover_with_block(torch.zeros(1000, 3, 40, 20), 0.3, 0.8, generator())
    share = (covered.flatten(1).max(dim=1).values > 0).float().mean()
    assert 0.22 < share < 0.36


def test_flip_mirrors() -> None:
    crops = torch.rand(2, 3, 8, 4, generator=generator()) * 255
    flipped = place_randomly(crops, (8, 4), Augmentation(flip_share=1, shift=0, zoom=0), generator())
    torch.testing.assert_close(flipped, crops.flip(3), atol=1e-2, rtol=0)


def test_colours_stay_in_range() -> None:
    crops = torch.rand(50, 3, 8, 4, generator=generator()) * 255
    changed = jitter_colors(crops, Augmentation(), generator())
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert (changed - crops).abs().mean() > 5
