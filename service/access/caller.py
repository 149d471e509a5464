"""Who asks: the API key that a request came with, and from where."""

from dataclasses import dataclass

from service.access.camera_limit import EVERY_CAMERA, CameraLimit


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request comes from, for rights and for the audit record. Holds no secret.

    Attributes:
        key_id: the public ID of its API key; None where the service has no keys.
        key_name: what the operator called the key.
        scopes: what the key may do; None where the service has no keys and everything is allowed.
        address: where the request came from; None over a Unix socket.
        cameras: whose detections the key may ingest, read and find.
    """

    key_id: str | None = None
    key_name: str | None = None
    scopes: frozenset[str] | None = None
    address: str | None = None
    cameras: CameraLimit = EVERY_CAMERA
