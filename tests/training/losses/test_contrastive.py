from math import exp, log

import pytest
import torch
from torch.nn import functional

from training.losses.contrastive import ContrastiveSettings, contrastive_loss, stripe_contrastive_loss


def test_contrastive_loss_equals_slow_loops() -> None:
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(6, 4, generator=generator)
    persons = torch.tensor([0, 0, 1, 1, 1, 2])
    standard = (embeddings - embeddings.mean(0)) / (embeddings.var(0, unbiased=False) + 1e-5).sqrt()
    unit = functional.normalize(standard, dim=1)
    total = 0.0
    for i in range(6):
        denominator = sum(exp(float(unit[i] @ unit[j]) / 0.1) for j in range(6) if j != i)
        terms = [
            -log(exp(float(unit[i] @ unit[j]) / 0.1) / denominator)
            for j in range(6)
            if j != i and persons[j] == persons[i]
        ]
        total += sum(terms) / len(terms) if terms else 0.0
    assert float(contrastive_loss(embeddings, persons)) == pytest.approx(total / 6, rel=1e-4)


def test_features_are_averaged_in_stripes() -> None:
    features = torch.randn(4, 3, 8, 5, generator=torch.Generator().manual_seed(1))
    stripes = torch.cat([features[:, :, :4].mean(dim=(2, 3)), features[:, :, 4:].mean(dim=(2, 3))], dim=1)
    persons = torch.tensor([0, 0, 1, 1])
    loss = stripe_contrastive_loss(features, persons, ContrastiveSettings(1.0, 0.2, num_stripes=2))
    assert float(loss) == pytest.approx(float(contrastive_loss(stripes, persons, 0.2)), rel=1e-5)
