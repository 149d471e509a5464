import pytest
import torch
from torch.nn import functional

from model.checkpoint import create_checkpoint
from model.config import ModelConfig
from model.gallery_scoring import position_major
from model.reranking import RerankingParameters
from reference.reranking import rerank as rerank_slowly
from reference.trained_head import train_head
from tests.training.evaluation.made_searches import all_pairs
from training.evaluation.pair_scores import PairScores, compare_pooled, match_pairs, rerank_pairs

CONFIG = ModelConfig(input_height=64, input_width=32, backbone="resnet18", final_layer="layer2", channels=16)


def test_pairs_are_scored_as_the_matcher_does() -> None:
    torch.manual_seed(0)
    model = create_checkpoint("random", CONFIG)
    train_head(model.matcher.head, seed=1)
    maps = functional.normalize(torch.randn(6, 16, 8, 4), dim=1).half()
    with torch.no_grad():
        expected = model.matcher(maps.float(), maps.float())
    scores = match_pairs(model, position_major(maps), torch.tensor([1, 4]))
    # The same float16 maps, multiplied in float32; the head is folded.
    torch.testing.assert_close(scores.values, expected[[1, 4]], atol=1e-5, rtol=0)
    assert torch.equal(scores.of(torch.tensor([4, 1, 4])), scores.values[[1, 0, 1]])


def test_pooled_features_are_compared_by_cosine() -> None:
    pooled = torch.tensor([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0]])
    scores = compare_pooled(pooled, torch.tensor([0, 1]))
    torch.testing.assert_close(scores.values, torch.tensor([[1.0, 0.6, -1.0], [0.6, 1.0, -0.6]]))
    assert scores.probabilities(scores.values[0]).tolist() == pytest.approx([1.0, 0.6, 0.0])


def test_re_ranking_takes_the_mean_of_both_directions() -> None:
    logits = 3 * torch.randn(40, 40, generator=torch.Generator().manual_seed(1))
    found = rerank_pairs(all_pairs(logits), RerankingParameters(k1=8, k2=3))
    mean = ((logits + logits.T) / 2).double()
    distances = (1 - mean.sigmoid()).fill_diagonal_(0)
    expected = 1 - torch.tensor(rerank_slowly(distances.tolist(), 8, 3, 0.3))
    torch.testing.assert_close(found.values, expected, atol=2e-6, rtol=0)
    assert found.kind == "reranked"


def test_cosines_are_re_ranked_too() -> None:
    pooled = functional.normalize(torch.randn(30, 8, generator=torch.Generator().manual_seed(2)), dim=1)
    found = rerank_pairs(compare_pooled(pooled, torch.arange(30)), RerankingParameters(k1=5, k2=2))
    distances = (1 - pooled @ pooled.T).clamp(min=0).fill_diagonal_(0)
    expected = 1 - torch.tensor(rerank_slowly(distances.tolist(), 5, 2, 0.3))
    torch.testing.assert_close(found.values, expected, atol=2e-6, rtol=0)


def test_re_ranking_some_rows_alone_is_refused() -> None:
    scores = PairScores(torch.zeros(2, 3), torch.tensor([0, 1]), "logit")
    with pytest.raises(ValueError, match="only 2 of 3 crops"):
        rerank_pairs(scores, RerankingParameters())
