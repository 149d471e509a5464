"""Re-ranking by k-reciprocal encoding: two crops are close where each has the same crops among its own neighbours
(Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017).

Pure functions of a matrix of distances. Each crop is encoded by the few neighbours that are neighbours both ways, so
that what is kept beside the matrix is small: whole Market-1501 takes the matrix, and some hundred megabytes.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

# Numbers of a block of rows held at once beside the matrix: 32 MiB of int64.
_NUMBERS_PER_BLOCK = 4 * 2**20
# Of an int64 whose upper half orders, the lower one, which says where a distance stood.
_LOWER_HALF = 2**32 - 1


@dataclass(frozen=True, slots=True)
class RerankingParameters:
    """The paper's k1, k2 and λ.

    Attributes:
        k1: neighbours among which reciprocal ones are looked for.
        k2: neighbours, the crop itself among them, whose encodings are averaged (local query expansion); 1 for none.
        distance_weight: λ, the share of the given distance in the result.

    Raises:
        ValueError: k1 or k2 is not positive, or λ is not in [0, 1].
    """

    k1: int = 20
    k2: int = 6
    distance_weight: float = 0.3

    def __post_init__(self) -> None:
        if self.k1 < 1 or self.k2 < 1 or not 0 <= self.distance_weight <= 1:
            raise ValueError(f"k1 and k2 must be positive, λ in [0, 1]: {self}")


class SparseRows(NamedTuple):
    """A matrix that is nearly all zeros: row i has `weights` at `columns`, from `starts[i]` to `starts[i + 1]`.

    starts int64 [n + 1], columns int64 [m], ascending within a row, weights float32 [m].
    """

    starts: Tensor
    columns: Tensor
    weights: Tensor


class ReciprocalEncoding(NamedTuple):
    """The encoding V of all crops, whose rows sum to one, and its transpose."""

    rows: SparseRows
    transposed: SparseRows


def rerank(distances: Tensor, parameters: RerankingParameters, output: Tensor | None = None) -> Tensor:
    """All distances anew: d* = (1 − λ)·d_J + λ·d, Eq. (12) of the paper; d_J is the Jaccard distance of encodings.

    Queries and gallery are encoded together. As in the code of the paper's authors, and of QAConv's, which figures in
    the literature come from, and unlike in the paper's text: a crop is the first of its own k + 1 neighbours, each row
    of distances is divided by its largest, and neighbours of neighbours are taken in where *more* than two thirds of
    them are shared.

    Args:
        distances: floating [n, n], not negative; of QAConv 1 − p_a, of both directions' mean. Row i has the distances
            of crop i; the diagonal does not matter to the neighbours, for nobody is closer to a crop than itself.
        parameters: of the paper.
        output: where the result goes, floating [n, n]; may be `distances` itself, which is then overwritten.

    Returns:
        `output`, or float32 [n, n], in [0, 1].

    Raises:
        ValueError: the matrix is not square, or a distance is negative or not a number.
    """
    encoding = encode_neighbours(distances, parameters)
    reranked = torch.empty(distances.shape) if output is None else output
    for block in _blocks(len(distances), len(distances)):
        reranked[block] = rerank_rows(distances[block], torch.arange(block.start, block.stop), encoding, parameters).to(
            reranked.dtype
        )
    return reranked


def rerank_rows(
    distances: Tensor, rows: Tensor, encoding: ReciprocalEncoding, parameters: RerankingParameters
) -> Tensor:
    """Some rows of `rerank`: of crops `rows` int64 [r], whose given distances are [r, n]; float32 [r, n]."""
    given = distances.float()
    given = given / _largest_of_rows(given)
    jaccard = _jaccard_distances(rows, encoding)
    return (1 - parameters.distance_weight) * jaccard + parameters.distance_weight * given


def encode_neighbours(distances: Tensor, parameters: RerankingParameters) -> ReciprocalEncoding:
    """The encoding of every crop by its k-reciprocal neighbours, Eq. (7), averaged over its k2 nearest, Eq. (11).

    See `rerank` for arguments and errors.
    """
    if distances.dim() != 2 or distances.shape[0] != distances.shape[1]:
        raise ValueError(
            f"distances have the shape {tuple(distances.shape)}: re-ranking needs those of all pairs, [n, n]"
        )
    nearest = _find_nearest(distances, parameters.k1 + 1)
    rows = _weigh_reciprocal_neighbours(distances, nearest, parameters.k1)
    if parameters.k2 > 1:
        rows = _average_over_nearest(rows, nearest[:, : parameters.k2])
    return ReciprocalEncoding(rows, _transpose(rows))


def _find_nearest(distances: Tensor, count: int) -> Tensor:
    """The crops closest to each, int64 [n, count or n], itself first; of equal distances those of the lower number."""
    n = len(distances)
    nearest = torch.empty(n, min(count, n), dtype=torch.int64)
    for block in _blocks(n, n):
        values = distances[block].float() + 0.0  # −0 would have the sign bit
        if not bool((values >= 0).all()):
            raise ValueError(f"distances must be numbers and not negative, the least is {float(values.min())}")
        # Floats that are not negative are ordered as their bits are: keys that no two columns share.
        keys = (values.view(torch.int32).long() << 32) | torch.arange(n)
        own = torch.arange(block.start, block.stop)
        keys[torch.arange(len(own)), own] = own - 2**62
        nearest[block] = keys.topk(nearest.shape[1], largest=False).values & _LOWER_HALF
    return nearest


def _weigh_reciprocal_neighbours(distances: Tensor, nearest: Tensor, k1: int) -> SparseRows:
    """R*(p, k1) of every crop p, weighed by exp(−d)."""
    n = len(nearest)
    half = min(round(k1 / 2) + 1, n)
    is_mutual, is_half_mutual = _find_mutual(nearest), _find_mutual(nearest[:, :half])
    keys, weights = [], []
    for block in _blocks(n, nearest.shape[1] ** 2 * half):
        block_keys = _expand(block, nearest, is_mutual, is_half_mutual)
        given = distances[block].float()
        places = block_keys // n - block.start, block_keys % n
        found = torch.exp(-(given / _largest_of_rows(given))[places])
        weights.append(found / torch.zeros(len(given)).index_add_(0, places[0], found)[places[0]])
        keys.append(block_keys)
    return _sparse_rows(torch.cat(keys), torch.cat(weights), n)


def _find_mutual(nearest: Tensor) -> Tensor:
    """Which of its nearest [n, k] have a crop among their own nearest, bool [n, k]."""
    own = torch.arange(len(nearest))[:, None, None]
    blocks = _blocks(len(nearest), nearest.shape[1] ** 2)
    return torch.cat([(nearest[nearest[block]] == own[block]).any(dim=2) for block in blocks])


def _expand(block: slice, nearest: Tensor, is_mutual: Tensor, is_half_mutual: Tensor) -> Tensor:
    """R*(p, k1) of a block of crops as ascending keys p·n + neighbour, each once.

    R(p, k1), and R(q, k1/2) of each q in it that shares more than two thirds of its crops with R(p, k1), Eq. (4).
    """
    n, half = len(nearest), is_half_mutual.shape[1]
    near, mutual = nearest[block], is_mutual[block]
    own = torch.arange(block.start, block.stop)
    reciprocal = torch.where(mutual, near, -1)
    theirs, are_theirs = nearest[near][:, :, :half], is_half_mutual[near]
    is_shared = (theirs[:, :, :, None] == reciprocal[:, None, None, :]).any(dim=3) & are_theirs
    is_taken = mutual & (3 * is_shared.sum(dim=2) > 2 * are_theirs.sum(dim=2))
    first = own[:, None] * n + near
    further = own[:, None, None] * n + theirs
    keys: Tensor = torch.cat((first[mutual], further[are_theirs & is_taken[:, :, None]])).unique()
    return keys


def _average_over_nearest(rows: SparseRows, nearest: Tensor) -> SparseRows:
    """The mean of the encodings of each crop's nearest [n, k]."""
    n, count = nearest.shape
    keys, weights = [], []
    for block in _blocks(n, count * 64):
        entries, owners = _entries_of(rows, nearest[block].flatten())
        all_keys = (owners // count + block.start) * n + rows.columns[entries]
        block_keys, place = all_keys.unique(return_inverse=True)
        weights.append(torch.zeros(len(block_keys)).index_add_(0, place, rows.weights[entries]) / count)
        keys.append(block_keys)
    return _sparse_rows(torch.cat(keys), torch.cat(weights), n)


def _jaccard_distances(rows: Tensor, encoding: ReciprocalEncoding) -> Tensor:
    """1 − Σ min(V_p, V_g) / Σ max(V_p, V_g) of crops p `rows` [r] and all g, float32 [r, n], Eq. (10).

    Rows of V sum to one, so the sum of the maxima is 2 − that of the minima. Only crops that share a neighbour with p
    are looked at.
    """
    n = len(encoding.rows.starts) - 1
    entries, owners = _entries_of(encoding.rows, rows)
    sharing, of_entry = _entries_of(encoding.transposed, encoding.rows.columns[entries])
    minima = torch.minimum(encoding.rows.weights[entries][of_entry], encoding.transposed.weights[sharing])
    shared = torch.zeros(len(rows) * n).index_add_(
        0, owners[of_entry] * n + encoding.transposed.columns[sharing], minima
    )
    return (1 - shared / (2 - shared)).clamp(min=0).view(len(rows), n)


def _entries_of(matrix: SparseRows, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Where the entries of rows [r] stand, one row after the other, and for each its place in `rows`."""
    lengths = matrix.starts[rows + 1] - matrix.starts[rows]
    owners = torch.repeat_interleave(torch.arange(len(rows)), lengths)
    within = torch.arange(len(owners)) - (lengths.cumsum(0) - lengths)[owners]
    return matrix.starts[rows][owners] + within, owners


def _transpose(rows: SparseRows) -> SparseRows:
    n = len(rows.starts) - 1
    owners = torch.repeat_interleave(torch.arange(n), rows.starts.diff())
    keys, order = (rows.columns * n + owners).sort()
    return _sparse_rows(keys, rows.weights[order], n)


def _sparse_rows(keys: Tensor, weights: Tensor, n: int) -> SparseRows:
    """From ascending keys row·n + column."""
    lengths = torch.bincount(keys // n, minlength=n)
    return SparseRows(torch.cat((torch.zeros(1, dtype=torch.int64), lengths.cumsum(0))), keys % n, weights)


def _largest_of_rows(distances: Tensor) -> Tensor:
    largest = distances.amax(dim=1, keepdim=True)
    return largest.where(largest > 0, torch.ones(()))


def _blocks(n: int, numbers_per_row: int) -> list[slice]:
    size = max(1, _NUMBERS_PER_BLOCK // numbers_per_row)
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]
