import torch

from training.augmentation.augment import augment
from training.augmentation.colors import jitter_colors
from training.augmentation.covering import cover_with_block, erase_randomly
from training.augmentation.degradation import degrade
from training.augmentation.placing import place_randomly
from training.augmentation.settings import (
    STRONG_AUGMENTATION,
    Augmentation,
    Colors,
    Covering,
    Degradation,
    Placing,
)

NO_COLORS = Colors(gain=0, gamma=0, contrast=0, saturation=0, cast=0)
NOTHING = Augmentation(Placing(flip_share=0, shift=0, zoom=0), NO_COLORS, Degradation(), Covering(block_share=0))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_no_augmentation_changes_nothing() -> None:
    crops = torch.rand(3, 3, 16, 8, generator=generator()) * 250
    torch.testing.assert_close(augment(crops, (16, 8), NOTHING, generator()), crops, atol=0.1, rtol=0)


def test_the_same_generator_gives_the_same_crops() -> None:
    crops = torch.randint(0, 256, (4, 3, 32, 16), generator=generator(), dtype=torch.uint8)
    for augmentation in (Augmentation(), STRONG_AUGMENTATION):
        first, second = (augment(crops, (48, 24), augmentation, generator(7)) for _ in range(2))
        assert first.shape == (4, 3, 48, 24)
        assert torch.equal(first, second)
        assert not torch.equal(first, augment(crops, (48, 24), augmentation, generator(8)))
        assert 0 <= first.min() <= first.max() <= 255


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
    flipped = place_randomly(crops, (8, 4), Placing(flip_share=1, shift=0, zoom=0), generator())
    torch.testing.assert_close(flipped, crops.flip(3), atol=1e-2, rtol=0)


def test_colours_stay_in_range() -> None:
    crops = torch.rand(50, 3, 8, 4, generator=generator()) * 255
    changed = jitter_colors(crops, Colors(), generator())
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert (changed - crops).abs().mean() > 5


def test_grey_crops_have_equal_channels_and_as_many_as_asked_for() -> None:
    crops = torch.rand(400, 3, 4, 4, generator=generator()) * 255
    colors = Colors(gain=0, gamma=0, contrast=0, saturation=0.2, cast=0, hue=0.3, grey_share=0.25)
    changed = jitter_colors(crops, colors, generator())
    is_grey = (changed[:, 0] - changed[:, 1]).abs().flatten(1).amax(dim=1) < 1e-2
    assert 0.18 < is_grey.float().mean() < 0.32


def test_a_hue_turned_by_a_third_of_a_circle_exchanges_channels() -> None:
    # A grey of 128 and a little red; the generator's first draw of the angle is not known, so all 200 are looked at.
    crops = torch.full((200, 3, 1, 1), 100.0)
    crops[:, 0] = 130.0
    changed = jitter_colors(crops, Colors(gain=0, gamma=0, contrast=0, saturation=0, cast=0, hue=3.1416), generator())
    # The grey part and the distance from grey stay, whatever the angle.
    torch.testing.assert_close(changed.mean(dim=1), crops.mean(dim=1), atol=1e-2, rtol=0)
    before, after = ((one - one.mean(dim=1, keepdim=True)).norm(dim=1) for one in (crops, changed))
    torch.testing.assert_close(after, before, atol=1e-2, rtol=0)
    assert (changed.argmax(dim=1).flatten().bincount(minlength=3) > 30).all()


def test_random_erasing_takes_rectangles_of_the_area_asked_for() -> None:
    covering = Covering(erasing_share=0.5, erasing_smallest=0.1, erasing_largest=0.2, erasing_fill="mean")
    crops = torch.zeros(400, 3, 64, 32)
    erased = erase_randomly(crops, covering, generator())
    areas = []
    for crop in erased:
        changed = crop[0] > 0
        rows, columns = changed.any(dim=1).sum(), changed.any(dim=0).sum()
        assert changed.sum() == rows * columns
        if changed.any():
            torch.testing.assert_close(crop[:, changed][:, 0], 255 * torch.tensor([0.485, 0.456, 0.406]))
            areas.append(float(changed.float().mean()))
    assert 160 < len(areas) < 240
    # Sides are whole pixels.
    assert 0.08 < min(areas) < 0.12
    assert 0.18 < max(areas) < 0.23
    assert torch.equal(erase_randomly(crops, Covering(), generator()), crops)


def test_random_erasing_fills_with_random_pixels() -> None:
    erased = erase_randomly(torch.zeros(50, 3, 32, 16), Covering(erasing_share=1.0), generator())
    filled = erased[erased > 0]
    assert 100 < filled.mean() < 155
    assert filled.std() > 60


def test_each_degradation_changes_its_share_and_takes_detail() -> None:
    crops = torch.rand(200, 3, 32, 16, generator=generator()) * 255
    for kind, is_smoother in (
        (Degradation(small_share=0.5), True),
        (Degradation(blur_share=0.5), True),
        (Degradation(noise_share=0.5), False),
        (Degradation(jpeg_share=0.5), None),
    ):
        changed = degrade(crops, kind, generator())
        is_changed = (changed - crops).abs().flatten(1).amax(dim=1) > 0.1
        assert 0.35 < is_changed.float().mean() < 0.65
        assert 0 <= changed.min() <= changed.max() <= 255
        rough = [(one[:, :, 1:] - one[:, :, :-1]).abs().mean() for one in (crops[is_changed], changed[is_changed])]
        if is_smoother is not None:
            assert (rough[1] < rough[0]) == is_smoother
