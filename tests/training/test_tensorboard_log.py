from pathlib import Path

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from model.checkpoint import create_checkpoint
from model.retrieval_metrics import CropLabels, retrieval_metrics
from training.step_report import StepReport
from training.tensorboard_log import TensorBoardLog, draw_correspondences
from training_run import small_recipe


def test_scalars_and_pictures_are_there_to_be_read(tmp_path: Path) -> None:
    log = TensorBoardLog(tmp_path)
    for step, accuracy in ((1, 0.25), (2, None)):
        log.log_step(StepReport(0, 0, step, step, 2, 5.0 / step, (("hard triplet", 3.0),), accuracy, 0.01, 40.0))
    labels = CropLabels(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]))
    log.log_validation(retrieval_metrics(torch.eye(3), labels, labels), 2)
    model = create_checkpoint("small", small_recipe().model_config)
    log.log_correspondences(model, torch.randint(0, 256, (2, 2, 3, 48, 24), dtype=torch.uint8), 2)
    log.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert {event.step: event.value for event in events.Scalars("loss/total")} == {1: 5.0, 2: 2.5}
    assert {event.step: event.value for event in events.Scalars("accuracy/batch")} == {1: 0.25}
    assert set(events.Tags()["scalars"]) == {
        "loss/total", "loss/hard triplet", "accuracy/batch", "learning_rate", "throughput/crops_per_second",
        "validation/mean_average_precision", "validation/rank1",
    }  # fmt: skip
    assert events.Tags()["images"] == ["correspondences/0", "correspondences/1"]
    assert events.Images("correspondences/0")[0].step == 2


def test_equal_crops_agree_place_by_place() -> None:
    torch.manual_seed(0)
    model = create_checkpoint("small", small_recipe().model_config)
    crop = torch.randint(0, 256, (3, 48, 24), dtype=torch.uint8)
    model.extractor.train()
    running = model.extractor.backbone.bn1.running_mean.clone()
    picture = draw_correspondences(model, torch.stack((crop, crop)))
    assert model.extractor.training
    assert torch.equal(model.extractor.backbone.bn1.running_mean, running)
    assert picture.size == (2 * 2 * 24, 2 * 48)
    drawn = {(x, y) for x in range(96) for y in range(96) if picture.getpixel((x, y)) == (253, 231, 37)}
    # Level lines in the middle of cells of 16 pixels, from one crop to the other.
    assert drawn
    assert {y for _, y in drawn} <= {8, 24, 40, 56, 72, 88}
    assert {x // 48 for x, _ in drawn} == {0, 1}
