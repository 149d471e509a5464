"""What the service answers, as far as the commands read it. Members that they do not know are left alone."""

from pydantic import BaseModel, ConfigDict


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class ImageSize(_Answer):
    """Pixels of an upright image."""

    width: int
    height: int


class FieldProblem(_Answer):
    """One field that was wrong."""

    field: str
    message: str


class Problem(_Answer):
    """A problem document (RFC 9457)."""

    title: str
    status: int
    detail: str = ""
    request_id: str | None = None
    errors: tuple[FieldProblem, ...] = ()

    def lines(self) -> list[str]:
        """The problem for a person: what, why, and which fields, where the reason does not say that itself."""
        first = f"{self.title} ({self.status})" + (f": {self.detail}" if self.detail else "")
        more = [f"  {error.field}: {error.message}" for error in self.errors if error.message not in self.detail]
        return [first, *more]


class DetectionAnswer(_Answer):
    """What is known of a stored detection."""

    detection_id: str
    camera_id: str
    timestamp: str
    track_id: str | None
    person_id: str | None
    image: ImageSize
    model_fingerprint: str
    created_at: str

    def members(self) -> list[tuple[str, str]]:
        """Name and value of each member, for a person; without those that it does not have."""
        size = f"{self.image.width}×{self.image.height} pixels"
        values = {**self.model_dump(), "image": size}
        return [(name, str(value)) for name, value in values.items() if value is not None]


class DetectionPage(_Answer):
    """A page of a listing."""

    detections: tuple[DetectionAnswer, ...]
    next_cursor: str | None


class EraseAnswer(_Answer):
    """How many detections were erased, and the receipt."""

    erased: int
    receipt_id: str


class ErasureAnswer(_Answer):
    """The receipt: `complete` when no byte is left."""

    state: str


class AnswerWarning(_Answer):
    """Something that is probably not meant."""

    detail: str


class ClockAnswer(_Answer):
    """The service's clock; `doubt` says why it is not believed."""

    time: str
    doubt: str | None


class BatchItem(_Answer):
    """What became of one item of a batch: 201 new, 200 replaced, else with a problem."""

    status: int
    problem: Problem | None = None


class BatchAnswer(_Answer):
    """The items in the manifest's order."""

    results: tuple[BatchItem, ...]


class Cell(_Answer):
    """A place in a crop: its cell in the feature map, and the pixels of that cell's centre."""

    row: int
    column: int
    x: float
    y: float


class Correspondence(_Answer):
    """A place of the query and the place of the match that it agrees with."""

    direction: str
    similarity: float
    query: Cell
    gallery: Cell


class CompareAnswer(_Answer):
    """How alike two crops are, and where."""

    logit: float
    appearance_score: float
    correspondences: tuple[Correspondence, ...]


class Match(_Answer):
    """One ranked detection."""

    rank: int
    detection_id: str
    camera_id: str
    timestamp: str
    track_id: str | None
    person_id: str | None
    score: float
    appearance_score: float
    reranked_score: float | None = None
    temporal_score: float | None
    correspondences: tuple[Correspondence, ...] = ()


class GalleryCount(_Answer):
    """How many detections there are, and how many of them the search looked at."""

    size: int
    candidates: int


class Lifting(_Answer):
    """Whether temporal lifting was applied, and if not, why."""

    applied: bool
    reason: str | None
    stand_in: str | None = None
    nearby: tuple[str, ...] = ()


class Timing(_Answer):
    """How long the search took, in milliseconds."""

    total: float


class SearchAnswer(_Answer):
    """A ranked answer."""

    gallery: GalleryCount
    temporal_lifting: Lifting
    matches: tuple[Match, ...]
    warnings: tuple[AnswerWarning, ...] = ()
    timing_ms: Timing
