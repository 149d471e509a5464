"""MaxSim with maxsim-cpu, where it is importable: checked against numpy before it is timed. No dependency of ours.

MaxSim is the sum over a query's vectors of their best similarity with a document's: one of the two directions, without
weights. Both directions are two passes, the second with the detections as queries and the queries as documents.
"""

import importlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.taking_turns import Work

LIBRARY = "maxsim_cpu"
# 0.1.0 is right for so many query vectors, with any number of a document's: longer queries are summed in parts.
PART = 32

_TOLERANCE = 1e-4  # of a similarity, for each vector of the query: float32 sums in another order

EXPLANATION = (
    "MaxSim sums, over a query's vectors, their best similarity with a document's: one direction of two, without "
    "weights or head. maxsim-cpu beside numpy: the largest error of a score, divided by the number of the query's "
    f"vectors (a similarity is 1 at most; right is below {_TOLERANCE:g}). Where it is right for {PART} query vectors, "
    f"it is timed as it then has to be used: maps in parts of {PART} vectors, once with the queries and once with the "
    "detections as its queries."
)

_DOCUMENTS = 64

Float32s = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MaxSimCheck:
    """The largest error of a score, in similarities for each query vector; infinite where one is not a number."""

    query_vectors: int
    document_vectors: int
    error: float

    @property
    def is_right(self) -> bool:
        """Within float32 rounding."""
        return self.error <= _TOLERANCE


def is_installed() -> bool:
    """Whether the library can be imported here."""
    return find_spec(LIBRARY) is not None


def check_maxsim(locations: int, channels: int) -> Sequence[MaxSimCheck]:
    """Its scores for queries of a part and of a whole map, against parts and whole maps.

    In a process of its own: where it is wrong, it reads or writes memory that is not its.
    """
    sizes = sorted({min(PART, locations), min(PART + 1, locations), min(2 * PART, locations), locations})
    pairs = [(query, document) for query in sizes for document in sizes]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        errors = list(pool.map(_error, *zip(*pairs, strict=True), [channels] * len(pairs)))
    return [MaxSimCheck(*pair, error) for pair, error in zip(pairs, errors, strict=True)]


def one_direction(queries: Tensor, documents: Tensor) -> Work:
    """The sums of the best similarities of every query's vectors, in parts that are right at any size."""
    query_maps, document_maps = queries.numpy(), documents.numpy()

    def work() -> None:
        for query in query_maps:
            _score_in_parts(query, document_maps)

    return work


def both_directions(queries: Tensor, gallery: Tensor) -> Work:
    """What a user would have to run for the unweighted sums of all 2hw maxima of every pair."""
    there, back = one_direction(queries, gallery), one_direction(gallery, queries)

    def work() -> None:
        there()
        back()

    return work


def set_threads(count: int) -> None:
    """For the library, which reads this once, when it is first used."""
    os.environ["RAYON_NUM_THREADS"] = str(count)


def _score_in_parts(query: Float32s, documents: Float32s) -> Float32s:
    """MaxSim [n] of vectors [k, d] in documents [n, m, d]."""
    score = _maxsim_scores()
    parts = [score(query[start : start + PART], documents) for start in range(0, len(query), PART)]
    summed: Float32s = np.sum(parts, axis=0, dtype=np.float32)
    return summed


@cache
def _maxsim_scores() -> Callable[[Float32s, Float32s], Float32s]:
    # By name, and only where it is asked for: nobody needs this library to have the benchmarks.
    score: Callable[[Float32s, Float32s], Float32s] = importlib.import_module(LIBRARY).maxsim_scores
    return score


def _error(query_vectors: int, document_vectors: int, channels: int) -> float:
    random = np.random.default_rng(0)
    query = _unit(random.standard_normal((query_vectors, channels)))
    documents = _unit(random.standard_normal((_DOCUMENTS, document_vectors, channels)))
    expected = np.einsum("kc,nmc->nkm", query, documents).max(axis=2).sum(axis=1)
    with np.errstate(all="ignore"):
        error = float(np.abs(np.asarray(_maxsim_scores()(query, documents)) - expected).max()) / query_vectors
    return error if np.isfinite(error) else float("inf")


def _unit(vectors: NDArray[np.float64]) -> Float32s:
    unit: Float32s = (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)
    return unit
