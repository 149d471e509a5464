from math import acos, cos, exp, log, pi

import pytest
import torch

from training.losses.arc import arc_loss
from training.losses.centre import centre_loss, move_centres
from training.losses.softmax import softmax_loss


def cross_entropy(rows: list[list[float]], classes: list[int]) -> float:
    losses = [log(sum(exp(value) for value in row)) - row[own] for row, own in zip(rows, classes, strict=True)]
    return sum(losses) / len(losses)


def random_tensors() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(4, 5, generator=generator), torch.randn(3, 5, generator=generator)


def test_softmax_loss_equals_slow_loops() -> None:
    features, weights = random_tensors()
    biases, classes = torch.tensor([0.1, -0.2, 0.3]), [2, 0, 1, 1]
    rows = [
        [sum(float(f) * float(w) for f, w in zip(one, weight, strict=True)) + float(bias)
         for weight, bias in zip(weights, biases, strict=True)]
        for one in features
    ]  # fmt: skip
    loss = softmax_loss(features, weights, biases, torch.tensor(classes))
    assert float(loss) == pytest.approx(cross_entropy(rows, classes), rel=1e-5)


@pytest.mark.parametrize(("margin", "scale"), [(0.0, 4.0), (0.5, 4.0), (2.0, 2.0)])
def test_arc_loss_equals_slow_loops(margin: float, scale: float) -> None:
    features, weights = random_tensors()
    classes = [2, 0, 1, 1]
    rows = []
    for one, own in zip(features, classes, strict=True):
        row = []
        for number, weight in enumerate(weights):
            dot = sum(float(f) * float(w) for f, w in zip(one, weight, strict=True))
            cosine = dot / float(one.norm()) / float(weight.norm())
            row.append(scale * (cos(min(pi, acos(cosine) + margin)) if number == own else cosine))
        rows.append(row)
    loss = arc_loss(features, weights, torch.tensor(classes), margin, scale)
    assert float(loss) == pytest.approx(cross_entropy(rows, classes), rel=1e-4)


def test_arc_loss_has_a_gradient_where_a_feature_is_its_class() -> None:
    weights = torch.eye(3)
    features = (2 * weights).requires_grad_()
    arc_loss(features, weights, torch.arange(3), 0.5, 64.0).backward()
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()


def test_centre_loss_and_its_centres_by_hand() -> None:
    centres = torch.tensor([[0.0, 0.0], [1.0, 1.0], [5.0, 5.0]])
    features = torch.tensor([[3.0, 4.0], [1.0, 3.0], [1.0, 2.0]], requires_grad=True)
    classes = torch.tensor([0, 1, 1])
    loss = centre_loss(features, centres, classes)
    loss.backward()
    assert float(loss.detach()) == pytest.approx((25 + 4 + 1) / 2 / 3)
    torch.testing.assert_close(features.grad, torch.tensor([[3.0, 4.0], [0.0, 2.0], [0.0, 1.0]]) / 3)
    move_centres(centres, features.detach(), classes, 0.5)
    # Class 0: half of (3, 4) by 1 + 1 crops; class 1: half of (0, 2) + (0, 1) by 1 + 2; nobody is of class 2.
    torch.testing.assert_close(centres, torch.tensor([[0.75, 1.0], [1.0, 1.5], [5.0, 5.0]]))
