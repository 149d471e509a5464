"""docker-compose.yml: valid by the compose specification, and true to what the project says of it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"
SECONDS = {"s": 1, "m": 60}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    return compose["services"]


def running(services: dict[str, Any], profile: str) -> set[str]:
    """The services that `docker compose --profile PROFILE up` starts: one without profiles runs in all of them."""
    return {name for name, service in services.items() if profile in service.get("profiles", [profile])}


def test_is_valid_by_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE_FILE)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_each_profile_runs_one_service_and_redis(services: dict[str, Any]) -> None:
    assert running(services, "cpu") == {"qaconv", "redis"}
    assert running(services, "gpu") == {"qaconv-gpu", "redis"}


def test_the_profile_without_a_flag_is_the_cpu() -> None:
    assert "COMPOSE_PROFILES=cpu" in (ROOT / ".env").read_text(encoding="utf-8").splitlines()


def test_only_the_gpu_profile_reserves_a_gpu(services: dict[str, Any]) -> None:
    (device,) = services["qaconv-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia"
    assert device["capabilities"] == ["gpu"]
    assert [name for name, service in services.items() if "deploy" in service] == ["qaconv-gpu"]


def test_nothing_is_published_beyond_loopback(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:8000:8000"] * 2


def test_redis_is_reached_from_inside_alone_and_keeps_no_file(
    compose: dict[str, Any], services: dict[str, Any]
) -> None:
    redis = services["redis"]
    assert "ports" not in redis
    assert redis["networks"] == ["storage"]
    assert compose["networks"]["storage"]["internal"] is True
    assert redis["command"][redis["command"].index("--appendonly") + 1] == "no"
    assert redis["command"][redis["command"].index("--save") + 1] == ""
    assert "volumes" not in redis


@pytest.mark.parametrize("name", ["qaconv", "qaconv-gpu"])
def test_the_service_waits_for_a_redis_whose_health_is_checked(services: dict[str, Any], name: str) -> None:
    assert services[name]["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert services["redis"]["healthcheck"]["test"][0] == "CMD"
    assert "storage" in services[name]["networks"]


@pytest.mark.parametrize(("name", "device"), [("qaconv", "cpu"), ("qaconv-gpu", "cuda")])
def test_the_environment_is_accepted_by_the_settings(
    services: dict[str, Any], name: str, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = services[name]["environment"]
    assert {variable.removeprefix("QACONV_").lower() for variable in environment} <= set(Settings.model_fields)
    for variable, value in environment.items():
        if value is not None:
            monkeypatch.setenv(variable, value)
    settings = Settings()
    assert settings.device == device
    assert settings.redis_url == "redis://redis:6379/0"


def test_every_service_is_confined(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["restart"] == "unless-stopped", name


def test_stopping_takes_longer_than_the_service_needs(services: dict[str, Any]) -> None:
    grace = services["qaconv"]["stop_grace_period"]
    shutdown_timeout_seconds = Settings.model_fields["shutdown_timeout_seconds"].default
    assert int(grace[:-1]) * SECONDS[grace[-1]] >= 2 * shutdown_timeout_seconds


def test_every_volume_is_declared_or_a_read_only_folder(compose: dict[str, Any], services: dict[str, Any]) -> None:
    for service in services.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or volume in {"./checkpoints:/checkpoints:ro", "./keys:/keys:ro"}
