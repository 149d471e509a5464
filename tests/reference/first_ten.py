"""Whether a faster scorer ranks as the reference does."""

from torch import Tensor


def largest_swap_in_first_ten(reference: Tensor, scores: Tensor) -> float:
    """By how much, in the reference's scores [g], the first ten of `scores` [g] stand out of the reference's order.

    0 for the same first ten in the same order; else the largest difference between what stands at a rank and what
    should stand there. It is small where only near-equals changed places.
    """
    ranked = reference[scores.argsort(descending=True)[:10]]
    right = reference.sort(descending=True).values[:10]
    return float((ranked - right).abs().max())
