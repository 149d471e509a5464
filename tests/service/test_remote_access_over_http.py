"""Clients and pages that are not of this machine, asked of real services in processes of their own."""

import json
from pathlib import Path

import httpx
import pytest

from service.access.key_file import edit_key_file
from service.access.scope import Scope
from service.main import main
from tests.service.conftest import StartService
from tests.service.drawn_crops import crop_file
from tests.service.made_keys import add_key, bearer
from tests.service.running_service import RunningService


def test_without_keys_a_foreign_page_can_do_nothing(running_service: RunningService) -> None:
    url = running_service.url
    form = {"data": {"camera_id": "foreign", "timestamp": "1"}, "files": {"image": crop_file(1)}}
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert httpx.post(f"{url}/v1/detections", headers=foreign, **form).status_code == 403
    rebound = httpx.get(f"{url}/v1/detections", headers={"Host": "evil.example"})
    assert rebound.status_code == 403
    assert httpx.get(f"{url}/v1/detections", params={"camera_id": "foreign"}).json()["detections"] == []
    preflight = {"Access-Control-Request-Method": "PUT", **foreign}
    refused = httpx.options(f"{url}/v1/detections/x", headers=preflight)
    assert refused.status_code == 403
    assert not [name for name in refused.headers if name.startswith("access-control")]
    own = {"Origin": url, "Sec-Fetch-Site": "same-origin"}
    assert httpx.get(f"{url}/v1/gallery", headers=own).status_code == 200


def test_an_allowed_page_may_call_with_a_key(start_service: StartService, tmp_path: Path) -> None:
    console = "https://console.example"
    key_file = tmp_path / "keys.json"
    key = add_key(key_file, Scope.READ)
    service = start_service(api_keys_file=key_file, cors_origins=f'["{console}"]')
    headers = {"Origin": console, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}
    preflight = httpx.options(f"{service.url}/v1/detections/x", headers=headers | asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == console
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in preflight.headers
    answers = {
        200: httpx.get(f"{service.url}/v1/model", headers=headers | bearer(key)),
        401: httpx.get(f"{service.url}/v1/model", headers=headers),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == console
        assert "X-Request-Id" in answer.headers["access-control-expose-headers"]
    other = httpx.get(f"{service.url}/v1/model", headers={"Origin": "https://evil.example"} | bearer(key))
    assert other.status_code == 403
    assert "access-control-allow-origin" not in other.headers


def test_beyond_loopback_a_key_is_needed_to_start(
    start_service: StartService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key_file = tmp_path / "keys.json"
    serve = ["serve", "--host", "0.0.0.0", "--port", "0", "--data-dir", str(tmp_path / "data")]

    def refusal(*flags: str) -> str:
        with pytest.raises(SystemExit) as caught:
            main([*serve, *flags])
        assert caught.value.code in (1, 2)
        return capsys.readouterr().err

    without = refusal()
    assert "--api-keys-file" in without
    assert "--allow-remote-without-keys" in without
    assert "is not there" in refusal("--api-keys-file", str(key_file))
    with edit_key_file(key_file, may_be_new=True):
        pass
    assert "has no key in it" in refusal("--api-keys-file", str(key_file))
    add_key(key_file, Scope.READ)
    service = start_service(api_keys_file=key_file, host="0.0.0.0")
    assert httpx.get(f"{service.url}/v1/model").status_code == 401


def test_a_client_does_not_choose_the_address_that_is_on_record(start_service: StartService, tmp_path: Path) -> None:
    forged = {"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=203.0.113.7", "X-Real-IP": "203.0.113.7"}
    for proxies, address in (("[]", "127.0.0.1"), ('["127.0.0.1"]', "203.0.113.7")):
        service = start_service(trusted_proxies=proxies)
        httpx.post(f"{service.url}/v1/search", data={"detection_id": "nobody"}, headers=forged)
        (segment,) = (tmp_path / "service" / "audit").glob("*.jsonl")
        searches = [json.loads(line) for line in segment.read_text().splitlines() if '"event":"search"' in line]
        assert searches[-1]["source"]["address"] == address
        service.stop()


def test_a_service_beyond_loopback_without_keys_may_be_told_its_names(start_service: StartService) -> None:
    service = start_service(host="0.0.0.0", allow_remote_without_keys=True, allowed_hosts='["qaconv"]')
    url = service.url.replace("0.0.0.0", "127.0.0.1")
    for host, status in (("qaconv:8000", 200), ("localhost:8000", 200), ("led-here.example:8000", 403)):
        assert httpx.get(f"{url}/v1/gallery", headers={"Host": host}).status_code == status
