"""Correspondences as slow loops: the places where the two global max poolings reached their maxima."""

from dataclasses import dataclass

from reference.query_adaptive_convolution import best_partners


@dataclass(frozen=True, slots=True)
class FoundPair:
    """A pair of locations, with the mean cosine of the two patches and the sides that found it."""

    similarity: float
    query: tuple[int, int]
    gallery: tuple[int, int]
    direction: str


def find_pairs(table: list[list[float]], width: int, size: int) -> list[FoundPair]:
    """All pairs of a table of similarities [hw of the query][hw of the gallery], best first, each once."""
    partners = best_partners(table)
    from_query = {(query, gallery) for query, gallery in enumerate(partners.query_partners)}
    from_gallery = {(query, gallery) for gallery, query in enumerate(partners.gallery_partners)}
    pairs = []
    for query, gallery in from_query | from_gallery:
        if (query, gallery) not in from_gallery:
            direction = "query_to_gallery"
        elif (query, gallery) not in from_query:
            direction = "gallery_to_query"
        else:
            direction = "mutual"
        place = divmod(query, width), divmod(gallery, width)
        pairs.append(FoundPair(table[query][gallery] / size**2, *place, direction))
    return sorted(pairs, key=lambda pair: (-pair.similarity, pair.query, pair.gallery))
