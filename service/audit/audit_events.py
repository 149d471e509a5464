"""What the audit record tells of: one dataclass for each event. Its fields are the members of the entry's JSON.

Times are text (RFC 3339, UTC), so that the record can be read without this program. There is no field for pixels, a
feature map or an API key, and the encoder takes no bytes.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Something that is put on record; `event` is its name there."""

    event: ClassVar[str]


@dataclass(frozen=True, slots=True)
class Source:
    """Who asked: the public ID and name of the API key, the address, and the request's ID, as in the log."""

    key_id: str | None
    key_name: str | None
    address: str | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class AuditedImage:
    """A picture that was sent: which one it was, not what it shows. The size is None where it could not be read."""

    sha256: str
    width: int | None
    height: int | None


@dataclass(frozen=True, slots=True)
class AuditedQuery:
    """Whom a search was for: a stored detection or a picture that was sent, seen by which camera and when."""

    detection_id: str | None
    image: AuditedImage | None
    camera_id: str | None
    timestamp: str | None


@dataclass(frozen=True, slots=True)
class AuditedParameters:
    """How a search was made and among whom: every field of it but the query."""

    limit: int
    group_by: str
    camera_ids: tuple[str, ...]
    exclude_camera_ids: tuple[str, ...]
    time_from: str | None
    time_to: str | None
    min_score: float | None
    temporal_lifting: str
    tau_seconds: float
    sigma_seconds: float
    num_pivots: int
    alpha: float
    rerank: bool
    num_correspondences: int
    min_similarity: float
    include_pivots: bool


@dataclass(frozen=True, slots=True)
class AuditedMatch:
    """A detection that was returned."""

    detection_id: str
    score: float


@dataclass(frozen=True, slots=True)
class AuditedAnswer:
    """What a search returned, and over which gallery.

    Attributes:
        nearby: the detections that were named as near the query.
        stand_in: the detection whose camera and time were taken for the query's.
        pivots: how many pivots were listed; not which, for they can be as many as the gallery.
    """

    gallery_size: int
    candidates: int
    lifting_applied: bool
    nearby: tuple[str, ...]
    stand_in: str | None
    pivots: int
    matches: tuple[AuditedMatch, ...]


@dataclass(frozen=True, slots=True)
class Searched(AuditEvent):
    """A search. `answer` is None where it returned nothing, and `problem` says why (the slug of the error)."""

    event: ClassVar[str] = "search"

    source: Source
    query: AuditedQuery
    parameters: AuditedParameters
    model_fingerprint: str
    answer: AuditedAnswer | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class Compared(AuditEvent):
    """A comparison of two pictures that were sent; `appearance_score` is None where it returned nothing."""

    event: ClassVar[str] = "compare"

    source: Source
    query: AuditedImage
    gallery: AuditedImage
    model_fingerprint: str
    appearance_score: float | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class Fetched(AuditEvent):
    """What is stored of a person was handed out: the `part` is the metadata, the crop, or the feature map, which can be
    searched with elsewhere.
    """

    event: ClassVar[str] = "fetch"

    source: Source
    detection_id: str
    part: Literal["metadata", "image", "feature_map"]


@dataclass(frozen=True, slots=True)
class AuditedFilter:
    """Which detections an erasure or a listing meant: those for which everything that is not None holds."""

    detection_id: str | None = None
    camera_id: str | None = None
    track_id: str | None = None
    person_id: str | None = None
    time_from: str | None = None
    time_to: str | None = None


@dataclass(frozen=True, slots=True)
class Listed(AuditEvent):
    """A page of a listing was handed out: where a person was, with a label's filter.

    Attributes:
        cameras: those that the key is limited to; None: all.
        is_continued: the page goes on where another ended.
        count: detections on the page.
    """

    event: ClassVar[str] = "list"

    source: Source
    filter: AuditedFilter
    cameras: tuple[str, ...] | None
    limit: int
    is_continued: bool
    count: int


@dataclass(frozen=True, slots=True)
class AuditedPlace:
    """A detection's camera and time, and its picture: the SHA-256, None where no crop is kept or it is damaged."""

    camera_id: str
    timestamp: str
    image_sha256: str | None


@dataclass(frozen=True, slots=True)
class Replaced(AuditEvent):
    """A stored detection is about to be replaced by another picture, or as of another camera or time."""

    event: ClassVar[str] = "replace"

    source: Source
    detection_id: str
    before: AuditedPlace
    after: AuditedPlace


@dataclass(frozen=True, slots=True)
class EraseRequested(AuditEvent):
    """An erasure is about to begin."""

    event: ClassVar[str] = "erase_requested"

    source: Source
    meant: AuditedFilter


@dataclass(frozen=True, slots=True)
class Erased(AuditEvent):
    """What an erasure erased. Many detections take several entries: `part` 1 to `parts`.

    Attributes:
        requested: the sequence number of its `erase_requested`; None where that could not be written.
        count: detections erased, in all parts together.
        is_complete: False where the erasure ended before its end: of those meant, others may be erased too.
        problem: why it did (the slug of the error).
    """

    event: ClassVar[str] = "erased"

    source: Source
    requested: int | None
    count: int
    is_complete: bool
    problem: str | None
    part: int
    parts: int
    detection_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RetentionErased(AuditEvent):
    """Detections reached their age and were erased."""

    event: ClassVar[str] = "retention"

    count: int
    detection_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClockDoubted(AuditEvent):
    """The clock has jumped: from now on nothing is deleted for its age, and times of entries may be wrong."""

    event: ClassVar[str] = "clock_doubted"

    reason: str


@dataclass(frozen=True, slots=True)
class ClockConfirmed(AuditEvent):
    """Somebody vouched for the clock: `clock` is what it said, `doubt` why it was doubted (None: it was not)."""

    event: ClassVar[str] = "clock_confirmed"

    source: Source
    clock: str
    doubt: str | None


@dataclass(frozen=True, slots=True)
class AuditedKey:
    """An API key without its secret, and without the hash of it; the fingerprint tells when the secret is another."""

    key_id: str
    name: str
    scopes: tuple[str, ...]
    secret_fingerprint: str
    requests_per_minute: int | None = None
    expires_at: str | None = None
    camera_ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class KeysChanged(AuditEvent):
    """The API keys were changed. `before` is None where the record holds no earlier state.

    Attributes:
        while_down: found at start: they were changed while no service ran.
    """

    event: ClassVar[str] = "keys_changed"

    before: tuple[AuditedKey, ...] | None
    after: tuple[AuditedKey, ...]
    while_down: bool


@dataclass(frozen=True, slots=True)
class Started(AuditEvent):
    """The service began to serve, with these settings among others."""

    event: ClassVar[str] = "started"

    version: str
    model_name: str
    model_fingerprint: str
    detections: int
    host: str
    device: str
    precision: str
    has_api_keys: bool
    has_tls: bool
    max_nearby: int
    store_crops: bool
    retention_seconds: int | None
    camera_retention_seconds: dict[str, int]
    audit_retention_days: int


@dataclass(frozen=True, slots=True)
class Stopped(AuditEvent):
    """The service ended as it was told to."""

    event: ClassVar[str] = "stopped"

    detections: int


@dataclass(frozen=True, slots=True)
class AuditRecovered(AuditEvent):
    """The end of the record was no whole entry, as a crash leaves it, and was cut off. Nothing of it was answered."""

    event: ClassVar[str] = "audit_recovered"

    segment: str
    cut_bytes: int


@dataclass(frozen=True, slots=True)
class AuditBroken(AuditEvent):
    """The service found at its start that the record is not as it was written."""

    event: ClassVar[str] = "audit_broken"

    segment: str
    line: int
    broken_sequence: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class AuditResumed(AuditEvent):
    """The record can be written again. Meanwhile searches were refused; none was answered."""

    event: ClassVar[str] = "audit_resumed"

    failing_since: str
    reason: str
    refused: int


@dataclass(frozen=True, slots=True)
class AuditTrimmed(AuditEvent):
    """The oldest segment is about to be deleted, for its entries are older than they are kept.

    The record then begins with `first_kept_sequence`, whose `previous` is `last_removed_hash`.
    """

    event: ClassVar[str] = "audit_trimmed"

    segment: str
    first_kept_sequence: int
    last_removed_hash: str
