from model.checkpoint import load_checkpoint, shipped_checkpoint_path
from service.api.status import describe_model


def test_a_model_tells_what_its_training_measured() -> None:
    checkpoint = load_checkpoint(shipped_checkpoint_path())
    answer = describe_model(checkpoint, checkpoint.fingerprint)
    measured = checkpoint.provenance["validation"]
    assert 0.1 < measured["other_cameras"]["appearance"]["rank1"] <= 1
    assert answer.accuracy == measured
    assert answer.training == {name: value for name, value in checkpoint.provenance.items() if name != "validation"}
    assert answer.training["recipe"]["name"] == "synthetic_resnet18"
