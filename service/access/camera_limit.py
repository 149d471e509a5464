"""Which cameras an API key is limited to: their detections alone may be ingested, read and found with it."""

from dataclasses import dataclass

from service.errors import Forbidden

_NAMED_AT_MOST = 10


@dataclass(frozen=True, slots=True)
class CameraLimit:
    """The cameras of a key.

    Attributes:
        camera_ids: at least one; None: all cameras.
        key_id: whose limit it is, for messages.
    """

    camera_ids: frozenset[str] | None = None
    key_id: str | None = None

    def admits(self, camera_id: str) -> bool:
        """Whether a camera is one of them."""
        return self.camera_ids is None or camera_id in self.camera_ids

    def require(self, *camera_ids: str) -> None:
        """Passes where all these cameras are among them.

        Raises:
            Forbidden: names those that are not.
        """
        outside = sorted(camera_id for camera_id in camera_ids if not self.admits(camera_id))
        if outside:
            raise Forbidden(f"{self.description}; the request names {_list(outside)}")

    def narrow(self, camera_ids: frozenset[str]) -> frozenset[str]:
        """The cameras that a request means: those it names, or all of the key's where it names none.

        Returns:
            Cameras; none of them means all there are.

        Raises:
            Forbidden: it names others than the key's.
        """
        self.require(*camera_ids)
        return camera_ids or self.camera_ids or frozenset()

    @property
    def description(self) -> str:
        """The limit in words, for messages."""
        return f"the API key {self.key_id} is for {_list(sorted(self.camera_ids or ()))} alone"


EVERY_CAMERA = CameraLimit()


def _list(camera_ids: list[str]) -> str:
    more = len(camera_ids) - _NAMED_AT_MOST
    names = ", ".join(camera_ids[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
    return f"camera {names}" if len(camera_ids) == 1 else f"the cameras {names}"
