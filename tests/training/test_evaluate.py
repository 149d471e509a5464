from math import exp

import pytest
import torch

from model.checkpoint import create_checkpoint
from model.config import ModelConfig
from model.retrieval_metrics import CropLabels
from model.temporal_lifting import LiftingParameters
from training.evaluate import Observations, evaluate, extract_maps, lift_query, score_all_pairs
from training.synthetic.network import SyntheticNetwork
from training.synthetic.walks import Traffic

CONFIG = ModelConfig(input_height=64, input_width=32, backbone="resnet18", final_layer="layer2", channels=16)


def test_all_pairs_are_scored_as_the_matcher_does() -> None:
    torch.manual_seed(0)
    model = create_checkpoint("random", CONFIG)
    maps = extract_maps(model, torch.randint(0, 256, (5, 3, 64, 32), dtype=torch.uint8))
    with torch.no_grad():
        expected = model.matcher(maps, maps)
    # A CPU stores float16 and multiplies in float32: each element of two unit vectors is off by at most 2**-11 of
    # itself, so each cosine by 2**-10; a logit adds 64 maxima of weight 1/32.
    torch.testing.assert_close(score_all_pairs(model, maps), expected, atol=2**-9, rtol=0)


def test_lifting_of_one_query_worked_out_by_hand() -> None:
    # Query 0 and its companion 1 in camera 0; in camera 1 crop 2 is near the pivot in time, crop 3 is not.
    labels = CropLabels(persons=torch.tensor([0, 1, 1, 0]), cameras=torch.tensor([0, 0, 1, 1]))
    observed = Observations(labels, torch.tensor([0.0, 5.0, 60.0, 260.0], dtype=torch.float64))
    logits = torch.tensor([[9, -9, 0, 0], [-9, 9, 4, -4], [0, 4, 9, 0], [0, -4, 0, 9]]).float()
    gallery = torch.tensor([False, False, True, True])
    scores = lift_query(0, gallery, logits, observed, LiftingParameters(num_pivots=1))
    assert scores[:2].tolist() == [float("-inf")] * 2
    # The best of |R| x |G| pairs in camera 1 is crop 2, retrieved by crop 1.
    assert float(scores[2]) == pytest.approx((1 + 0.1) * 0.5)
    assert float(scores[3]) == pytest.approx((exp(-4) + 0.1) * 0.5)


def test_people_of_another_time_are_not_nearby() -> None:
    labels = CropLabels(persons=torch.tensor([0, 1, 1, 0]), cameras=torch.tensor([0, 0, 1, 1]))
    observed = Observations(labels, torch.tensor([0.0, 150.0, 60.0, 260.0], dtype=torch.float64))
    logits = torch.tensor([[9, -9, 0, 1], [-9, 9, 4, -4], [0, 4, 9, 0], [1, -4, 0, 9]]).float()
    gallery = torch.tensor([False, False, True, True])
    scores = lift_query(0, gallery, logits, observed, LiftingParameters(num_pivots=1))
    # The query alone retrieves crop 3, which is its own pivot.
    assert float(scores[2]) == pytest.approx((exp(-4) + 0.1) * 0.5)


def test_an_untrained_model_gets_a_report_with_shares() -> None:
    torch.manual_seed(0)
    network = SyntheticNetwork(seed=1, num_people=5, num_cameras=3, traffic=Traffic(60.0, 2, 2))
    told: list[tuple[str, int, int]] = []
    model = create_checkpoint("random", CONFIG)
    report = evaluate(model, network, LiftingParameters(), lambda *progress: told.append(progress))
    stages = dict.fromkeys(stage for stage, _, _ in told)
    assert len(stages) == 5
    for stage in stages:
        total = next(total for name, _, total in told if name == stage)
        assert [done for name, done, _ in told if name == stage] == list(range(1, total + 1))
    assert report.num_crops == len(network)
    assert report.all_cameras.appearance.num_queries == len({crop.track_id for crop in network})
    for figures in (report.all_cameras, report.other_cameras):
        for metrics in (figures.color_histogram, figures.appearance, figures.lifted):
            assert 0 <= metrics.rank1 <= metrics.rank5 <= metrics.rank10 <= 1
    # Fewer wrong crops can only help.
    assert report.other_cameras.appearance.rank1 >= report.all_cameras.appearance.rank1
    assert set(report.to_json_values()) == {"all_cameras", "other_cameras", "spread", "num_crops"}


@pytest.mark.parametrize(("what", "people", "cameras"), [("camera", 3, 1), ("person", 1, 3)])
def test_crops_of_one_camera_or_one_person_are_refused(what: str, people: int, cameras: int) -> None:
    network = SyntheticNetwork(seed=1, num_people=people, num_cameras=cameras, traffic=Traffic(60.0, 2, 2))
    with pytest.raises(ValueError, match=f"are of one {what}"):
        evaluate(create_checkpoint("random", CONFIG), network, LiftingParameters())
