"""What clients send to search: the form, and the query of the inner layers that it means."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from model.temporal_lifting import LiftingParameters
from service.access.camera_limit import CameraLimit
from service.api.detection_requests import require_later
from service.api.fields import Identifier, ImageFile, Moment, Number, WholeNumber
from service.api.forms import Form
from service.api.validation import invalid_fields
from service.errors import FieldError
from service.records import CandidateFilter
from service.search.rerank_candidates import RERANKED_CANDIDATES
from service.search.search_records import SearchQuery

# Longer than any two times of the service are apart would change nothing, and exceed what Redis keeps exactly.
_MAX_SECONDS = 1e9


class SearchForm(Form):
    """A query: exactly one of `image` and `detection_id`, and how to search."""

    image: ImageFile | None = Field(default=None, description="The query: one person's crop, JPEG, PNG or WebP.")
    detection_id: Identifier | None = Field(default=None, description="Or a stored detection as the query.")
    camera_id: Identifier | None = Field(default=None, description="Where the query was seen.")
    timestamp: Moment | None = Field(default=None, description="When the query was seen.")
    limit: WholeNumber = Field(default=10, ge=1, le=1000, description="Matches at most.")
    group_by: Literal["detection", "track", "person"] = Field(
        default="detection",
        description="The best detection of each group stands for it; one without the label is its own group.",
    )
    camera_ids: list[Identifier] = Field(default=[], description="Only these cameras' detections are candidates.")
    exclude_camera_ids: list[Identifier] = Field(default=[], description="These cameras' detections are no candidates.")
    time_from: Moment | None = Field(default=None, description="The earliest timestamp of a candidate.")
    time_to: Moment | None = Field(default=None, description="The first timestamp that is no longer a candidate's.")
    min_score: Number | None = Field(
        default=None, allow_inf_nan=False, description="Matches with a lower final score are left out."
    )
    temporal_lifting: Literal["auto", "on", "off", "bootstrap"] = Field(
        default="auto",
        description="`on` needs camera and time; `bootstrap` takes what is missing from the candidate that looks most "
        "like the query, of that camera or about that time where one of them is known.",
    )
    tau_seconds: Number = Field(default=100, gt=0, le=_MAX_SECONDS, allow_inf_nan=False, description="τ of the paper.")
    sigma_seconds: Number = Field(
        default=100, gt=0, le=_MAX_SECONDS, allow_inf_nan=False, description="σ of the paper."
    )
    num_pivots: WholeNumber = Field(default=100, ge=1, le=10_000, description="K of the paper.")
    alpha: Number = Field(default=0.1, ge=0, le=1000, allow_inf_nan=False, description="α of the paper.")
    rerank: bool = Field(
        default=False,
        description=f"Whether the best {RERANKED_CANDIDATES} candidates are re-ranked, before lifting; they alone are "
        "matches then, and groups are made of them alone.",
    )
    num_correspondences: WholeNumber = Field(
        default=20, ge=0, le=1000, description="Correspondences of each match at most."
    )
    min_similarity: Number = Field(
        default=0.5, ge=-1, le=1, allow_inf_nan=False, description="Lowest cosine similarity of a correspondence."
    )
    include_pivots: bool = Field(default=False, description="Whether the pivots of temporal lifting are listed.")

    @field_validator("time_to")
    @classmethod
    def _check_order(cls, time_to: int | None, info: ValidationInfo) -> int | None:
        return require_later(time_to, info)

    def to_query(self, cameras: CameraLimit) -> SearchQuery:
        """The query of the inner layers, of a caller who may see these cameras' detections alone.

        Raises:
            Forbidden: it names another camera.
            InvalidField: not exactly one of image and detection_id; lifting demanded without camera or time.
        """
        self._check_query()
        if self.camera_id is not None:
            cameras.require(self.camera_id)  # whose detections are looked at, too: the nearby persons
        candidates = CandidateFilter(
            cameras.narrow(frozenset(self.camera_ids)), frozenset(self.exclude_camera_ids), self.time_from, self.time_to
        )
        return SearchQuery(
            image=None if self.image is None else self.image.content,
            detection_id=self.detection_id,
            camera_id=self.camera_id,
            timestamp_us=self.timestamp,
            limit=self.limit,
            group_by=self.group_by,
            candidates=candidates,
            min_score=self.min_score,
            temporal_lifting=self.temporal_lifting,
            lifting=LiftingParameters(self.tau_seconds, self.sigma_seconds, self.num_pivots, self.alpha),
            rerank=self.rerank,
            num_correspondences=self.num_correspondences,
            min_similarity=self.min_similarity,
            include_pivots=self.include_pivots,
            cameras=cameras,
        )

    def _check_query(self) -> None:
        if (self.image is None) == (self.detection_id is None):
            message = "send exactly one of image and detection_id; " + ("both came" if self.image else "neither came")
            raise invalid_fields(FieldError("image", message), FieldError("detection_id", message))
        if self.temporal_lifting == "on" and self.image is not None:
            missing = [name for name in ("camera_id", "timestamp") if getattr(self, name) is None]
            if missing:
                message = "is missing; temporal_lifting=on needs it"
                raise invalid_fields(*(FieldError(name, message) for name in missing))
