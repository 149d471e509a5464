"""Everything that can be wrong with a request, as the contract names it.

    ServiceError
    ├── UnusableFeatureMap     500   the model makes no numbers of a crop: another checkpoint is needed
    ├── MalformedRequest       400   not HTTP/1.1, or of no certain length
    ├── UnreadableImage        400   not an image, or truncated
    ├── MalformedManifest      400   a batch manifest that is no JSON
    ├── MalformedBody          400   a body that is not what its Content-Type says
    ├── Unauthenticated        401   no API key, or none of this service
    ├── Forbidden              403   a key without the scope, or a web page of a foreign origin
    ├── DetectionNotFound      404
    ├── ReceiptNotFound        404   no such receipt of an erasure, or forgotten
    ├── OtherModel             409   the stored feature map is of another model
    ├── OtherTime              409   the service's clock says another time than the request
    ├── LimitExceeded          413   body, pixels or batch over a limit
    ├── UnsupportedImage       415   another kind of image
    ├── UnsupportedBody        415   another kind of body
    ├── InvalidField           422   missing, unknown or out of range
    ├── QueueFull              429   retry later
    ├── RateLimited            429   too many requests of this key: retry later
    ├── HeaderTooLong          431
    ├── UnknownTransferCoding  501   a Transfer-Encoding other than chunked
    ├── Unavailable            503   starting, Redis is away, shutting down: retry later
    │   └── RequestTimeout     503   accepted, but not finished in time
    └── StorageFull            507   the gallery or the disk is at its capacity

A message gives the value, the limit and what to do. The HTTP layer turns these into problem documents; nothing
else in the service knows HTTP, but the status is the contract's own name for the kind of error and lives here.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that was wrong: its name as the client sent it, and why."""

    field: str
    message: str


class ServiceError(Exception):
    """A request that cannot be answered, for a reason that its client can act on."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal error"
    retry_after_seconds: int | None = None

    def __init__(self, detail: str, field_errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field_errors = field_errors


class UnusableFeatureMap(ServiceError):
    """The model makes no numbers of a crop: whoever serves it has to act, not the client."""


class MalformedRequest(ServiceError):
    status, slug, title = 400, "malformed-request", "The request cannot be read"


class UnreadableImage(ServiceError):
    status, slug, title = 400, "unreadable-image", "The image cannot be read"


class MalformedManifest(ServiceError):
    status, slug, title = 400, "malformed-manifest", "The manifest cannot be read"


class MalformedBody(ServiceError):
    status, slug, title = 400, "malformed-body", "The body cannot be read"


class Unauthenticated(ServiceError):
    status, slug, title = 401, "unauthenticated", "No valid API key"


class Forbidden(ServiceError):
    status, slug, title = 403, "forbidden", "This is not allowed"


class DetectionNotFound(ServiceError):
    status, slug, title = 404, "detection-not-found", "No such detection"


class ReceiptNotFound(ServiceError):
    status, slug, title = 404, "receipt-not-found", "No such receipt"


class OtherModel(ServiceError):
    status, slug, title = 409, "other-model", "The stored feature map is of another model"


class OtherTime(ServiceError):
    status, slug, title = 409, "other-time", "The service's clock says another time"


class LimitExceeded(ServiceError):
    status, slug, title = 413, "limit-exceeded", "A limit is exceeded"


class UnsupportedImage(ServiceError):
    status, slug, title = 415, "unsupported-image", "This kind of image is not supported"


class UnsupportedBody(ServiceError):
    status, slug, title = 415, "unsupported-body", "This Content-Type is not supported"


class InvalidField(ServiceError):
    status, slug, title = 422, "invalid-field", "A field is missing, unknown or out of range"


class QueueFull(ServiceError):
    status, slug, title = 429, "queue-full", "Too many requests are waiting"
    retry_after_seconds = 1


class RateLimited(ServiceError):
    status, slug, title = 429, "rate-limited", "Too many requests of this key"
    retry_after_seconds = 1

    def __init__(self, detail: str, retry_after_seconds: int) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class HeaderTooLong(ServiceError):
    status, slug, title = 431, "header-too-long", "The request's header is too long"


class UnknownTransferCoding(ServiceError):
    status, slug, title = 501, "unknown-transfer-coding", "This Transfer-Encoding is not supported"


class Unavailable(ServiceError):
    status, slug, title = 503, "unavailable", "The service cannot answer now"
    retry_after_seconds = 2


class RequestTimeout(Unavailable):
    slug, title = "timeout", "The request was not finished in time"


class StorageFull(ServiceError):
    status, slug, title = 507, "storage-full", "The gallery or its disk is full"
