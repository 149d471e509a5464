"""The score of the authors' published code (ShengcaiLiao/QAConv) as slow loops, in its own order of the two directions.

One thing differs from the paper's text: the maxima of the gallery's locations come first. The head of their later code
has one weight for each location, used for both directions, whose two results are added.
"""

from reference.query_adaptive_convolution import Array, Head, best_partners, similarities


def published_logit(query_map: Array, gallery_map: Array, head: Head) -> float:
    """Logit of two maps [d, h, w]; `head.weights` as they lie in the authors' file."""
    found = best_partners(similarities(query_map, gallery_map, 1))
    values = [head.maxima_norm.apply(value) for value in found.gallery_maxima + found.query_maxima]
    row_length = len(head.weights)
    total = 0.0
    for start in range(0, len(values), row_length):
        row = values[start : start + row_length]
        total += sum(value * weight for value, weight in zip(row, head.weights, strict=True)) + head.bias
    return head.logit_norm.apply(total)
