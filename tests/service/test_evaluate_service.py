"""What a running service ranks is what the offline evaluation ranks. Here, where services are started."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import torch
from pydantic import BaseModel
from typer.testing import CliRunner

from model.checkpoint import Checkpoint, create_checkpoint, save_checkpoint
from model.config import ModelConfig
from model.temporal_lifting import LiftingParameters
from reference.trained_head import train_head
from service.access.scope import Scope
from tests.service.made_keys import add_key
from tests.service.running_service import RunningService
from tests.training.evaluation.made_searches import crop
from training import evaluate_service as evaluate_service_module
from training.datasets.crop_folder import write_crop_folder
from training.datasets.dataset import DISTRACTOR, JUNK, Dataset
from training.evaluate import EvaluationReport, EvaluationSettings, evaluate
from training.evaluate_service import ServiceEvaluationError, ServiceReport, evaluate_service, open_service
from training.evaluation import crop_features
from training.main import app
from training.synthetic.network import SyntheticNetwork
from training.synthetic.walks import Traffic

TINY = ModelConfig(64, 32, backbone="resnet18", final_layer="layer2", channels=16)
LIFTING = LiftingParameters(tau_seconds=60, sigma_seconds=90, num_pivots=5, alpha=0.2)
# Four people, each seen by two cameras.
FEW = [crop(f"p{place // 2}", f"c{place % 2}", 10 * place, seed=place) for place in range(8)]
OFFLINE = EvaluationSettings(reranking=None)


@pytest.fixture(scope="module")
def model() -> Checkpoint:
    """Random weights, and a head whose logits differ by far more than the rounding of float16."""
    torch.manual_seed(1)
    checkpoint = create_checkpoint("tiny", TINY)
    train_head(checkpoint.matcher.head, seed=2)
    return checkpoint


@pytest.fixture(scope="module")
def api_key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The service's key file, and a key in it that may do everything."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    return path, add_key(path, Scope.INGEST, Scope.SEARCH, Scope.READ, Scope.ADMIN)


@pytest.fixture(scope="module")
def service(
    model: Checkpoint, api_key: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("service")
    save_checkpoint(model, folder / "tiny.safetensors")
    settings = {"api_keys_file": api_key[0], "extraction_batch": 1}
    running = RunningService.start(folder / "data", folder / "tiny.safetensors", **settings)
    yield running
    assert running.stop() == 0, running.log


@pytest.fixture
def client(service: RunningService, api_key: tuple[Path, str]) -> Iterator[httpx.Client]:
    with open_service(service.url, api_key[1]) as opened:
        yield opened


@pytest.fixture(autouse=True)
def one_crop_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of other sizes round differently, and near-equal scores change places: here and there none has."""
    monkeypatch.setattr(crop_features, "_CROPS_PER_BATCH", 1)


@pytest.fixture(scope="module")
def network() -> SyntheticNetwork:
    """Its clock begins before 1970."""
    return SyntheticNetwork(seed=4, num_people=6, num_cameras=3, start_time=-50.0, traffic=Traffic(30.0, 2, 3))


def gallery_size(client: httpx.Client) -> int:
    size: int = client.get("/v1/gallery").json()["size"]
    return size


def erase_everything(client: httpx.Client) -> None:
    for camera in client.get("/v1/gallery").json()["cameras"]:
        client.post("/v1/detections:erase", json={"camera_id": camera["camera_id"]}).raise_for_status()


def check_equal(found: ServiceReport, expected: EvaluationReport) -> None:
    for one, other in (
        (found.all_cameras, expected.all_cameras),
        (found.other_cameras, expected.other_cameras),
    ):
        assert one.appearance == other.appearance
        assert one.lifted == other.lifted


def test_figures_equal_the_offline_ones_and_nothing_is_left(
    client: httpx.Client, model: Checkpoint, network: SyntheticNetwork
) -> None:
    told: list[str] = []
    found = evaluate_service(client, network, LIFTING, on_progress=lambda stage, done, total: told.append(stage))
    check_equal(found, evaluate(model, network, LIFTING, settings=OFFLINE))
    assert found.all_cameras.lifted != found.all_cameras.appearance
    assert found.model == model.fingerprint
    assert found.num_crops == len(network)
    assert not found.is_cut
    assert len(set(told)) == 5
    assert gallery_size(client) == 0


@pytest.mark.parametrize("has_times", [True, False])
def test_figures_of_a_benchmark_equal_the_offline_ones(
    client: httpx.Client, model: Checkpoint, network: SyntheticNetwork, has_times: bool
) -> None:
    queries = list({crop.track_id: crop for crop in reversed(network)}.values())
    gallery = [crop for crop in network if crop not in queries]
    strangers = SyntheticNetwork(seed=9, num_people=2, num_cameras=3, traffic=Traffic(30.0, 2, 2))
    gallery += [replace(crop, person_id=JUNK if place % 2 else DISTRACTOR) for place, crop in enumerate(strangers)]
    benchmark = Dataset("made up", [], queries, gallery, has_times)
    found = evaluate_service(client, benchmark, LIFTING)
    check_equal(found, evaluate(model, benchmark, LIFTING, settings=OFFLINE))
    assert (found.dataset, found.all_cameras.lifted is not None) == ("made up", has_times)


def test_the_command_measures_a_service_and_keeps_what_it_is_told_to(
    client: httpx.Client, service: RunningService, api_key: tuple[Path, str], tmp_path: Path
) -> None:
    write_crop_folder(tmp_path / "crops", SyntheticNetwork(4, 4, 2, traffic=Traffic(30.0, 2, 2)))
    (tmp_path / "key").write_text(api_key[1] + "\n")
    arguments = ["evaluate", "--folder", str(tmp_path / "crops"), "--url", service.url, "--keep"]
    arguments += ["--api-key-file", str(tmp_path / "key"), "--output", str(tmp_path / "figures.json")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "measured through the service" in result.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert 0 <= figures["other_cameras"]["lifted"]["rank1"] <= 1
    assert gallery_size(client) == figures["num_crops"]
    erase_everything(client)


def test_what_the_service_refuses_is_told(service: RunningService, network: SyntheticNetwork) -> None:
    with pytest.raises(ServiceEvaluationError, match="401"), open_service(service.url, None) as stranger:
        evaluate_service(stranger, network, LIFTING)


def test_a_key_that_may_not_erase_is_refused_before_anything_is_ingested(
    service: RunningService, client: httpx.Client, api_key: tuple[Path, str]
) -> None:
    key = add_key(api_key[0], Scope.INGEST, Scope.SEARCH, name="ingester")
    deadline = time.monotonic() + 30
    with open_service(service.url, key) as ingester:
        # The service reads a changed key file within a second.
        while ingester.post("/v1/search").status_code == 401 and time.monotonic() < deadline:
            time.sleep(0.1)
        with pytest.raises(ServiceEvaluationError, match="answered 403"):
            evaluate_service(ingester, FEW, None)
    assert gallery_size(client) == 0


def test_what_is_left_when_the_service_goes_is_told(client: httpx.Client) -> None:
    methods: set[str] = set()

    def fail_to_erase_what_is_there(request: httpx.Request) -> None:
        if request.url.path.endswith(":erase") and "PUT" in methods:
            raise httpx.ConnectError("the service is gone", request=request)
        methods.add(request.method)

    client.event_hooks["request"].append(fail_to_erase_what_is_there)
    told = "still there, under cameras that begin with evaluation-"
    with pytest.raises(ServiceEvaluationError, match=told):
        evaluate_service(client, FEW, None)
    client.event_hooks["request"].clear()
    assert gallery_size(client) == len(FEW)
    erase_everything(client)


def test_candidates_that_the_protocol_does_not_have_are_told(client: httpx.Client) -> None:
    def intrude(stage: str, done: int, total: int) -> None:
        if stage == "ingesting" and done == total:
            camera = client.get("/v1/gallery").json()["cameras"][0]["camera_id"]
            fields, image = {"camera_id": camera, "timestamp": "5"}, FEW[0].read_image_bytes()
            client.put("/v1/detections/intruder", data=fields, files={"image": image}).raise_for_status()

    with pytest.raises(ServiceEvaluationError, match="candidates, the protocol has"):
        evaluate_service(client, FEW, None, on_progress=intrude)
    assert gallery_size(client) == 0


def test_a_match_that_this_run_did_not_ingest_is_told(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    read = evaluate_service_module._read

    def read_of_another(response: httpx.Response) -> BaseModel:
        answer = read(response)
        answer.matches[0].detection_id = "another"
        return answer

    monkeypatch.setattr(evaluate_service_module, "_read", read_of_another)
    with pytest.raises(ServiceEvaluationError, match="a search found 'another', which this run did not ingest"):
        evaluate_service(client, FEW, None)
    assert gallery_size(client) == 0


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "nothing", "http://127.0.0.1:9"])
def test_where_no_service_is_is_told(url: str) -> None:
    told = r"looks like http://|no service answers at"
    with pytest.raises(ServiceEvaluationError, match=told), open_service(url, None) as nowhere:
        evaluate_service(nowhere, FEW, LIFTING)


def test_beyond_a_thousand_candidates_crops_rank_in_gallery_order(
    client: httpx.Client, network: SyntheticNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.evaluate_service._MOST_MATCHES", 5)
    found = evaluate_service(client, network, None)
    assert found.is_cut
    assert found.all_cameras.appearance.rank5 > 0
