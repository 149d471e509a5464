"""Refuses settings out of their range, where they are made and not where they would do harm."""

from math import inf


def check_range(
    record: object,
    *names: str,
    least: float = -inf,
    above: float = -inf,
    most: float = inf,
    below: float = inf,
) -> None:
    """Check fields of a record, all against the same bounds.

    Raises:
        ValueError: one is out of them, or no finite number.
    """
    for name in names:
        value = getattr(record, name)
        # Written the other way round, not-a-number would pass.
        if not (least <= value <= most and above < value < below):
            bounds = (("at least", least), ("more than", above), ("at most", most), ("less than", below))
            told = " and ".join(f"{words} {bound:g}" for words, bound in bounds if abs(bound) != inf)
            raise ValueError(f"{name} is {value}: give {told}")
