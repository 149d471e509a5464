import torch

from training.color_histogram import color_histograms, intersect_histograms


def test_the_same_crop_scores_one_and_no_common_colour_scores_zero() -> None:
    black = color_histograms(torch.zeros(1, 3, 12, 8, dtype=torch.uint8))
    white = color_histograms(torch.full((1, 3, 12, 8), 255, dtype=torch.uint8))
    scores = intersect_histograms(black, torch.cat((black, white)))
    torch.testing.assert_close(scores, torch.tensor([[1.0, 0.0]]))


def test_stripes_are_told_apart() -> None:
    # Black above white and white above black have the same colours, in other places.
    top_black = torch.zeros(1, 3, 12, 8, dtype=torch.uint8)
    top_black[:, :, 4:] = 255
    bottom_black = torch.full((1, 3, 12, 8), 255, dtype=torch.uint8)
    bottom_black[:, :, 8:] = 0
    # Only the middle stripe, a third, is white in both.
    found = intersect_histograms(color_histograms(top_black), color_histograms(bottom_black))
    torch.testing.assert_close(found, torch.tensor([[1 / 3]]))


def test_histograms_sum_to_one() -> None:
    crops = torch.randint(0, 256, (5, 3, 30, 11), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    torch.testing.assert_close(color_histograms(crops).sum(dim=1), torch.ones(5))
