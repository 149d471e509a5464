"""The few colours that most clothes, hair and skin have.

Crowds wear mostly black, grey, white and blue: two strangers often share a colour, so colour alone does not find a
person. The weights are a guess at a street in autumn, chosen so that a colour histogram is a weak baseline.
"""

from dataclasses import dataclass

import numpy as np

Color = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class WeightedColors:
    """Colours with how common each is; weights need not sum to one."""

    colors: tuple[Color, ...]
    weights: tuple[float, ...]

    def sample(self, random: np.random.Generator, spread: float = 8.0) -> Color:
        """One colour, moved by a normal step of `spread` per channel (of 255)."""
        probabilities = np.asarray(self.weights) / sum(self.weights)
        color = self.colors[int(random.choice(len(self.colors), p=probabilities))]
        shared = random.normal(0.0, spread)
        moved = np.asarray(color) + shared + random.normal(0.0, spread / 3, 3)
        red, green, blue = (int(value) for value in np.clip(moved, 8, 248))
        return red, green, blue


UPPER_COLORS = WeightedColors(
    colors=(
        (28, 28, 32), (90, 92, 96), (150, 150, 152), (228, 228, 224), (38, 48, 82), (92, 118, 160),
        (140, 40, 44), (64, 84, 62), (190, 170, 140), (110, 78, 58), (206, 178, 70), (196, 140, 156), (60, 130, 130),
    ),
    weights=(26, 12, 13, 16, 10, 7, 4, 4, 5, 3, 1.5, 2.5, 2),
)  # fmt: skip
LOWER_COLORS = WeightedColors(
    colors=((26, 26, 30), (44, 54, 84), (84, 104, 140), (90, 90, 94), (172, 156, 128), (76, 78, 60), (214, 212, 204)),
    weights=(36, 26, 14, 10, 7, 4, 3),
)
SHOE_COLORS = WeightedColors(
    colors=((24, 22, 22), (222, 220, 216), (96, 66, 46), (110, 110, 114), (40, 50, 90), (150, 46, 46)),
    weights=(45, 24, 12, 10, 5, 4),
)
BAG_COLORS = WeightedColors(
    colors=((26, 26, 28), (96, 66, 46), (74, 78, 84), (36, 48, 84), (150, 44, 44), (186, 164, 128)),
    weights=(45, 16, 14, 12, 6, 7),
)
SKIN_COLORS = WeightedColors(
    colors=((240, 208, 184), (224, 184, 152), (196, 150, 116), (150, 104, 76), (104, 70, 52), (70, 48, 38)),
    weights=(22, 26, 20, 14, 10, 8),
)
HAIR_COLORS = WeightedColors(
    colors=((24, 20, 20), (56, 40, 32), (98, 70, 48), (176, 142, 92), (150, 148, 146), (130, 60, 36)),
    weights=(36, 28, 15, 11, 7, 3),
)
