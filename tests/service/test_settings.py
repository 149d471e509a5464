"""What an operator may set, and what is refused with a reason."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from service.settings import Settings, is_loopback, is_origin


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"QACONV_{name.upper()}", raising=False)


def test_without_anything_it_is_a_private_service_on_loopback() -> None:
    settings = Settings()
    assert is_loopback(settings.host)
    assert (settings.redis_url, settings.checkpoint, settings.gallery_capacity) == (None, None, None)
    assert settings.max_nearby == 64


def test_variables_are_read_and_arguments_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QACONV_REDIS_URL", "redis://redis:6379/0")
    monkeypatch.setenv("QACONV_DATA_DIR", "/data")
    monkeypatch.setenv("QACONV_GALLERY_CAPACITY", "500")
    settings = Settings(gallery_capacity=7)
    assert settings.redis_url == "redis://redis:6379/0"
    assert settings.data_dir == Path("/data")
    assert settings.gallery_capacity == 7


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", 65536),
        ("port", -1),
        ("device", "tpu"),
        ("device", "cuda:"),
        ("device", "cuda:0x"),
        ("precision", "float8"),
        ("exact_maps", "tape"),
        ("gallery_capacity", 0),
        ("max_image_pixels", 0),
        ("request_timeout_seconds", 0),
        ("decoding_threads", 0),
        ("max_waiting", 0),
        ("max_requests", 0),
        ("disk_capacity_bytes", 1000),
        ("unheard_of", 1),
    ],
)
def test_what_is_out_of_range_or_unknown_is_named(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings(**{name: value})


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:3"])
def test_devices(device: str) -> None:
    assert Settings(device=device).device == device


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_an_open_door_is_refused_unless_it_is_meant(host: str) -> None:
    with pytest.raises(ValidationError, match="allow-remote-without-keys"):
        Settings(host=host)
    with pytest.raises(ValidationError, match="--api-keys-file"):
        Settings(host=host)
    assert Settings(host=host, allow_remote_without_keys=True).host == host
    assert Settings(host=host, api_keys_file=Path("keys.json")).host == host


def test_a_certificate_needs_its_key_and_the_other_way_round() -> None:
    with pytest.raises(ValidationError, match="--tls-key"):
        Settings(tls_certificate=Path("certificate.pem"))
    with pytest.raises(ValidationError, match="--tls-certificate"):
        Settings(tls_key=Path("key.pem"))
    both = Settings(tls_certificate=Path("certificate.pem"), tls_key=Path("key.pem"))
    assert both.tls_key == Path("key.pem")


@pytest.mark.parametrize(
    "origin",
    ["https://console.example", "http://127.0.0.1:3000", "http://localhost:8080", "https://[::1]:3000", "http://a:443"],
)
def test_origins(origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_origin(origin)
    monkeypatch.setenv("QACONV_CORS_ORIGINS", f'["{origin}"]')
    assert Settings().cors_origins == (origin,)


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "",
        "console.example",
        "https://",
        "https://console.example/",
        "https://console.example/path",
        "https://console.example?q",
        "https://*.example",
        "https://user@console.example",
        "HTTPS://console.example",
        "https://Console.example",
        "https://console.example:443",
        "http://console.example:80",
        "https://console.example:",
        "https://console.example:port",
        "ftp://console.example",
        " https://console.example",
    ],
)
def test_what_no_browser_sends_as_an_origin(origin: str) -> None:
    assert not is_origin(origin)
    with pytest.raises(ValidationError, match="is not the origin of a web page"):
        Settings(cors_origins=(origin,))


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("", False)],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_settings_do_not_change() -> None:
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1


def test_proxies_are_addresses_or_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QACONV_TRUSTED_PROXIES", '["10.0.0.2", "fd00::/8", "192.0.2.0/24"]')
    assert Settings().trusted_proxies == ("10.0.0.2", "fd00::/8", "192.0.2.0/24")
    for wrong in ("*", "proxy.example", "10.0.0.1/24", ""):
        with pytest.raises(ValidationError, match="give an address"):
            Settings(trusted_proxies=(wrong,))
