"""What an operator can set, by flag or by a `QACONV_*` environment variable. Read once, validated, and passed in."""

from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Precision = Literal["auto", "float32", "bfloat16", "float16", "int8"]
ExactMaps = Literal["auto", "device", "disk"]
LogFormat = Literal["json", "text"]


class Settings(BaseSettings):
    """The service's settings. Each field is also the environment variable `QACONV_` + its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="QACONV_", extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 lets the system choose one.")
    allow_remote_without_keys: bool = Field(
        False, description="Listen on an address other than loopback although there are no API keys."
    )
    api_keys_file: Path | None = Field(
        None, description="File of API keys, as `qaconv-service keys` writes it; without it there are none."
    )
    tls_certificate: Path | None = Field(None, description="Certificate chain (PEM) to serve HTTPS with.")
    tls_key: Path | None = Field(None, description="Private key (PEM) of the certificate.")
    cors_origins: tuple[str, ...] = Field(
        (), description='Origins whose web pages may call, as JSON: ["https://console.example"].'
    )
    allowed_hosts: tuple[str, ...] = Field(
        (),
        description="Names, without port, that a service without API keys beyond loopback may be called by, besides "
        'localhost and addresses, as JSON: ["qaconv"]; without them any, so that a web page may lead a browser here.',
    )
    trusted_proxies: tuple[str, ...] = Field(
        (),
        description="Addresses or networks of proxies whose X-Forwarded-For says where a request comes from, as JSON: "
        '["10.0.0.2"]; without them it is never believed.',
    )
    root_path: str = Field(
        "",
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        description="What paths begin with for clients of a proxy that serves this under a part of its own, such as "
        "/reid; the proxy may pass it on or take it off.",
    )
    data_dir: Path = Field(Path("qaconv-data"), description="Directory of the records; made if it is not there.")
    redis_url: str | None = Field(None, description="Redis to use; without it the service runs a private one.")
    redis_key_prefix: str = Field("qaconv:", description="What every key in Redis begins with.")
    checkpoint: Path | None = Field(None, description="Checkpoint to serve; without it the shipped one.")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="cpu, cuda, cuda:N, or auto.")
    precision: Precision = Field(
        "auto",
        description="Number format of the feature maps on the device. With int8 a first pass finds who may be best, "
        "which then get exact scores: the answer is that of float16. auto is int8 where the processor multiplies it.",
    )
    exact_maps: ExactMaps = Field(
        "auto",
        description="With int8, where the float16 maps are that exact scores are computed from: device, which takes "
        "three times the memory, or disk. auto is device, but where QACONV_GALLERY_CAPACITY takes over half of it.",
    )
    gallery_capacity: int | None = Field(
        None, ge=1, description="Detections held at most; without it 100,000 or what fits in half the free memory."
    )
    disk_capacity_bytes: int = Field(2**40, ge=2**20, description="Largest size that the record file may grow to.")
    store_crops: bool = Field(True, description="Keep the crops themselves, not only their feature maps.")
    retention_seconds: int | None = Field(
        None, ge=1, description="Age at which a detection is erased, counted from its timestamp; without it never."
    )
    camera_retention_seconds: dict[str, Annotated[int, Field(ge=1)]] = Field(
        {}, description='The same for single cameras, as JSON: {"entrance": 86400}; it goes before the other.'
    )
    longest_standstill_seconds: int = Field(
        86_400,
        ge=0,
        description="How long the service may stand still; if its clock says at a start that it was longer, nothing is "
        "erased for its age until an operator confirms the clock.",
    )
    audit_retention_days: int = Field(365, ge=1, description="Days for which entries of the audit record are kept.")
    max_nearby: int = Field(64, ge=1, description="Nearby persons used by temporal lifting, the closest in time.")
    remembered_rows_bytes: int = Field(
        256 * 2**20,
        ge=0,
        description="Device memory for scores of recent nearby persons, which the next search near the same place and "
        "time need not compute again; 0 for none.",
    )

    max_requests: int = Field(256, ge=1, description="Requests in flight at most; further ones answer 429.")
    max_body_bytes: int = Field(64 * 2**20, ge=1024, description="Largest request body.")
    max_image_pixels: int = Field(16_000_000, ge=1, description="Largest image, width times height.")
    min_image_side: int = Field(8, ge=1, description="Smallest image width or height in pixels.")
    max_batch_items: int = Field(256, ge=1, description="Most detections in one batch request.")

    decoding_threads: int = Field(2, ge=1, description="Threads that decode images.")
    extraction_batch: int = Field(32, ge=1, description="Most crops in one call of the feature extractor.")
    scoring_batch: int = Field(256, ge=1, description="Most queries and different nearby persons in one scoring call.")
    max_waiting: int = Field(512, ge=1, description="Jobs that may wait for the device; further ones answer 429.")
    request_timeout_seconds: float = Field(60.0, gt=0, description="Time after which a request is given up.")
    header_timeout_seconds: float = Field(
        10.0, gt=0, description="Time in which a connection must have sent a request's header."
    )
    keep_alive_seconds: float = Field(
        75.0,
        ge=1,
        description="Time that a connection may be idle between two requests; clients are told. Above that of a proxy "
        "in front, which would otherwise use connections that are closed meanwhile.",
    )
    max_connections: int = Field(
        512, ge=1, description="Connections at most; where all are busy, further ones are answered 503 and closed."
    )
    shutdown_timeout_seconds: int = Field(10, ge=1, description="Time that requests in flight get at shutdown.")

    stream_redis_url: str | None = Field(
        None, description="Redis of the stream that camera workers append detections to; without it none is read."
    )
    stream_key: str = Field("qaconv:ingest", min_length=1, description="Key of that stream.")
    stream_group: str = Field("qaconv", min_length=1, description="Consumer group that reads it.")
    stream_claim_seconds: float = Field(
        30.0, ge=0.1, description="Time after which entries of a consumer that shows no sign of life go to another."
    )

    log_format: LogFormat = Field("json", description="How log lines are written: json or text.")

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not is_origin(origin):
                raise ValueError(
                    f"{origin!r} is not the origin of a web page: it is written as a browser sends it, such as "
                    "https://console.example or http://127.0.0.1:3000, in small letters, with neither path nor wildcard"
                )
        return origins

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                ip_network(proxy)
            except ValueError as error:
                raise ValueError(f"{error}: give an address, such as 10.0.0.2, or a network, 10.0.0.0/24") from None
        return proxies

    @model_validator(mode="after")
    def _refuse_an_open_door(self) -> Self:
        if self.api_keys_file is None and not is_loopback(self.host) and not self.allow_remote_without_keys:
            raise ValueError(
                f"host {self.host} can be reached from other machines and there are no API keys: use 127.0.0.1, or "
                "make keys with `qaconv-service keys create` and give their file with --api-keys-file, or "
                "say --allow-remote-without-keys if something in front of the service decides who may ask"
            )
        return self

    @model_validator(mode="after")
    def _refuse_half_of_tls(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            given, missing = ("certificate", "key") if self.tls_key is None else ("key", "certificate")
            raise ValueError(f"there is a TLS {given} and no TLS {missing}: give --tls-{missing} too, or neither")
        return self


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_origin(text: str) -> bool:
    """Whether this is a web page's origin, exactly as a browser writes it."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not parts.hostname or "*" in text or "@" in text:
        return False
    is_default_port = port == {"http": 80, "https": 443}[parts.scheme]
    return not is_default_port and text == f"{parts.scheme}://{parts.netloc}".lower() and not text.endswith(":")
