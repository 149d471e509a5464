import numpy as np

from training.synthetic.detector_box import Box, BoxHabit, draw_box, sample_box_habit

PERSON = Box(40, 20, 100, 220)


def boxes(count: int) -> list[Box]:
    random = np.random.default_rng(1)
    return [draw_box(PERSON, sample_box_habit(random), moment, random) for moment in range(count)]


def test_boxes_are_upright_and_hold_most_of_the_person() -> None:
    for box in boxes(400):
        width, height = box.right - box.left, box.bottom - box.top
        assert 0.28 < width / height < 0.62
        assert height > 0.4 * 200
        overlap = min(box.right, PERSON.right) - max(box.left, PERSON.left)
        assert overlap > 0.35 * (PERSON.right - PERSON.left)


def test_about_one_box_in_eight_is_cut() -> None:
    cut = [
        box.bottom < PERSON.bottom - 14 or box.top > PERSON.top + 8 or box.left > 60 or box.right < 80
        for box in boxes(800)
    ]
    assert 0.07 < np.mean(cut) < 0.2


def test_a_tracks_errors_belong_together() -> None:
    habit = BoxHabit(margin=0.15, shift_x=0.08, shift_y=0.0, drift=0.0, drift_moments=5.0, aspect=0.45)
    random = np.random.default_rng(2)
    middles = [(box.left + box.right) / 2 for box in (draw_box(PERSON, habit, moment, random) for moment in range(60))]
    assert abs(np.median(middles) - (70 + 16)) < 2
