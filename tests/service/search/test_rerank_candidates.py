"""Re-ranking in a search equals slow loops over the best candidates."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from model.gallery_scoring import Float32ReferenceScorer, position_major
from model.gallery_scoring.interface import FoldedMatcher
from reference.reranking import rerank
from service.components import Components
from service.erasure.erase_detections import erase_detection
from service.gallery.candidate_scoring import ScoringJob
from service.records import CandidateFilter
from service.search import search_gallery as module
from service.search.rerank_candidates import rerank_candidates, rerank_first
from service.search.search_gallery import search_gallery
from tests.service.drawn_crops import crop_file
from tests.service.search.crowd import QUERY_SEED, by_id, check_order, crowd, ids
from tests.service.stored_crops import ingest, search_for

__all__ = ["crowd"]  # a fixture

BUT_ONE_CAMERA = CandidateFilter(exclude_camera_ids=frozenset({"c1"}))


def rerank_slowly(logits: Tensor) -> list[float]:
    """1 − d* of the first with the others, by slow loops."""
    mean = ((logits.double() + logits.double().T) / 2).numpy()
    distances = 1 / (1 + np.exp(mean))
    np.fill_diagonal(distances, 0)
    return [1 - each for each in rerank(distances.tolist(), 20, 6, 0.3)[0][1:]]


@pytest.mark.parametrize("count", [2, 5, 20, 22, 70])
def test_the_first_of_drawn_scores_is_re_ranked_as_slow_loops_do(count: int) -> None:
    random = torch.Generator().manual_seed(count)
    persons = torch.randint(0, 6, (count,), generator=random)
    is_same = persons[:, None] == persons[None, :]
    logits = torch.randn(count, count, generator=random) * 2 + 4 * is_same
    np.testing.assert_allclose(rerank_first((logits + logits.T) / 2), rerank_slowly(logits), atol=1e-6)


def test_scores_that_saturate_are_still_told_apart() -> None:
    logits = torch.tensor([[0.0, 40, 30, 20], [40, 0, 35, 25], [30, 35, 0, 22], [20, 25, 22, 0]])
    found = rerank_first(logits)
    np.testing.assert_allclose(found, rerank_slowly(logits), atol=1e-6)
    assert found.tolist() == sorted(found.tolist(), reverse=True)
    assert rerank_first(torch.zeros(1, 1)).shape == (0,)


def test_a_single_candidate_worked_out_by_hand() -> None:
    """Both are each other's only neighbours: d_J = 0, and d over the largest d of the row is 1. So 1 − 0.3, always."""
    for logit in (-12.0, 0.0, 12.0):
        assert rerank_first(torch.full((2, 2), logit)).tolist() == pytest.approx([0.7], abs=1e-6)


def reference_scores(components: Components, query_id: str, candidates: Sequence[str]) -> dict[str, float]:
    stored = [components.store.get_feature_map(each) for each in (query_id, *candidates)]
    maps = position_major(torch.from_numpy(np.stack([each for each in stored if each is not None])).float())
    checkpoint = components.checkpoint
    matcher = FoldedMatcher.of(checkpoint.matcher, checkpoint.config, "cpu")
    with torch.inference_mode():
        logits = Float32ReferenceScorer(matcher).score(maps, maps)
    return dict(zip(candidates, rerank_slowly(logits), strict=True))


@pytest.mark.anyio
@pytest.mark.parametrize("most", [200, 26, 7])
@pytest.mark.parametrize("candidates", [CandidateFilter(), BUT_ONE_CAMERA])
async def test_the_best_candidates_are_re_ranked_among_themselves_and_they_alone_are_matches(
    crowd: Components, monkeypatch: pytest.MonkeyPatch, most: int, candidates: CandidateFilter
) -> None:
    monkeypatch.setattr(module, "RERANKED_CANDIDATES", most)
    query = search_for(None, "d07", temporal_lifting="off", candidates=candidates)
    plain = await search_gallery(crowd, query)
    result = await search_gallery(crowd, replace(query, rerank=True))
    best = ids(plain)[:most]
    assert by_id(result).keys() == set(best)
    assert result.num_candidates == plain.num_candidates
    expected = reference_scores(crowd, "d07", best)
    for key, match in by_id(result).items():
        assert match.score == match.reranked_score == pytest.approx(expected[key], abs=1e-4)
        assert match.appearance_score == by_id(plain)[key].appearance_score
        assert match.temporal_score is None
    assert ids(result) != best
    check_order(result)


@pytest.mark.anyio
async def test_re_ranked_first_then_lifted_grouped_and_cut(crowd: Components, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RERANKED_CANDIDATES", 20)
    query = search_for(crop_file(QUERY_SEED), None, "c0", 120, include_pivots=True)
    plain, unlifted = [
        await search_gallery(crowd, each) for each in (query, replace(query, rerank=True, temporal_lifting="off"))
    ]
    result = await search_gallery(crowd, replace(query, rerank=True))
    assert result.lifting == plain.lifting
    assert by_id(result).keys() == by_id(unlifted).keys()
    for key, match in by_id(result).items():
        assert match.reranked_score == by_id(unlifted)[key].score
        assert match.temporal_score == by_id(plain)[key].temporal_score
        assert match.temporal_score is not None
        assert match.reranked_score is not None
        assert match.score == (match.temporal_score + 0.1) * match.reranked_score
    check_order(result)
    lowest = result.matches[5].score
    cut = await search_gallery(crowd, replace(query, rerank=True, min_score=lowest, limit=9))
    assert ids(cut) == ids(result)[:6]
    grouped = await search_gallery(crowd, replace(query, rerank=True, group_by="person"))
    first: dict[str | None, str] = {}
    for match in result.matches:
        first.setdefault(match.metadata.person_id, match.metadata.detection_id)
    assert ids(grouped) == list(first.values())


@pytest.mark.anyio
async def test_candidates_that_are_all_alike_are_re_ranked_the_same_whatever_their_order_in_storage(
    components: Components,
) -> None:
    names = [f"d{number:02}" for number in range(30)]
    query = search_for(crop_file(1), None, "c1", 0, rerank=True)
    answers = []
    for order in (names, names[::-1]):
        for name in order:
            await ingest(components, name, 5)
        answers.append(await search_gallery(components, query))
        for name in names:
            await erase_detection(components, name)
    first, second = ([(key, match.score) for key, match in by_id(answer).items()] for answer in answers)
    assert len(first) == len(names)
    assert first == second
    check_order(answers[0])


@pytest.mark.anyio
async def test_who_is_erased_on_the_way_is_left_out_and_few_or_none_are_no_harm(components: Components) -> None:
    query = search_for(crop_file(1), rerank=True)
    assert (await search_gallery(components, query)).matches == ()
    for number in range(4):
        await ingest(components, f"d{number}", number)
    assert len((await search_gallery(components, query)).matches) == 4
    feature_map = components.store.get_feature_map("d1")
    assert feature_map is not None
    scored = await components.worker.run(
        components.operations.score, ScoringJob(feature_map, (), CandidateFilter(), None, count=10)
    )
    await erase_detection(components, "d2")
    reranked = await rerank_candidates(components, feature_map, scored.best, alpha=0.1)
    expected = reference_scores(components, "d1", ["d0", "d1", "d3"])
    found = {each.detection_id: each.score for each in reranked}
    assert found == {each.detection_id: each.reranked_score for each in reranked}
    assert found == pytest.approx(expected, abs=1e-4)
    assert list(found.values()) == sorted(found.values(), reverse=True)
