"""What clients send about detections: the form of one, the form and the manifest of a batch, and filters."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError

from service.api.fields import Identifier, ImageFile, Moment, UploadedFile, WholeNumber
from service.api.forms import Form
from service.records import DetectionFilter

_IMAGE = "One person's crop: JPEG, PNG or WebP."


class DetectionForm(Form):
    """One detection."""

    image: ImageFile = Field(description=_IMAGE)
    camera_id: Identifier
    timestamp: Moment
    track_id: Identifier | None = None
    person_id: Identifier | None = None


class BatchForm(Form):
    """Many detections: what is known of them, and their crops."""

    manifest: Annotated[
        str | UploadedFile, WithJsonSchema({"type": "string", "contentMediaType": "application/json"})
    ] = Field(
        description="A JSON array of objects {file, detection_id?, camera_id, timestamp, track_id?, person_id?}, as "
        "text or as a file; `file` is the file name of one of `images`."
    )
    images: list[ImageFile] = Field(default=[], description="A part for each crop, with its file name.")


class ManifestItem(BaseModel):
    """One detection of a batch."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Annotated[str, Field(min_length=1, strict=True)]
    detection_id: Identifier | None = None
    camera_id: Identifier
    timestamp: Moment
    track_id: Identifier | None = None
    person_id: Identifier | None = None


class DetectionFilterFields(BaseModel):
    """Which detections are meant: those for which everything given holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    camera_id: Identifier | None = None
    track_id: Identifier | None = None
    person_id: Identifier | None = None
    time_from: Moment | None = Field(default=None, description="The earliest timestamp.")
    time_to: Moment | None = Field(default=None, description="The first timestamp that is no longer meant.")

    @field_validator("time_to")
    @classmethod
    def _check_order(cls, time_to: int | None, info: ValidationInfo) -> int | None:
        return require_later(time_to, info)

    def to_filter(self) -> DetectionFilter:
        """The filter of the inner layers."""
        return DetectionFilter(self.camera_id, self.track_id, self.person_id, self.time_from, self.time_to)


class DetectionListQuery(DetectionFilterFields):
    """A filter, and which page of what matches it."""

    limit: WholeNumber = Field(default=100, ge=1, le=1000, description="Detections on a page at most.")
    cursor: str | None = Field(default=None, max_length=1024, description="The `next_cursor` of the page before.")


def require_later(time_to: int | None, info: ValidationInfo) -> int | None:
    """Refuses a `time_to` that is not after its model's `time_from`: such a window has nothing in it.

    Raises:
        PydanticCustomError: it is not.
    """
    time_from = info.data.get("time_from")
    if time_from is not None and time_to is not None and time_to <= time_from:
        raise PydanticCustomError("rule", "time_to must be after time_from; the window ends just before time_to")
    return time_to
