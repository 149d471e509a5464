"""One labelled crop: what every dataset is a sequence of."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

from PIL import Image


@dataclass(frozen=True, slots=True)
class LabelledCrop:
    """A person crop with what is known of it. The image is read only when asked for.

    Attributes:
        person_id: who is seen; unique within the dataset.
        camera_id: which camera saw them.
        timestamp_seconds: when, in Unix seconds.
        track_id: the walk past one camera that the crop belongs to.
        read_image_bytes: returns the encoded image file (JPEG or PNG).
    """

    person_id: str
    camera_id: str
    timestamp_seconds: float
    track_id: str
    read_image_bytes: Callable[[], bytes]

    def read_image(self) -> Image.Image:
        """Decode the crop as RGB."""
        with Image.open(BytesIO(self.read_image_bytes())) as image:
            return image.convert("RGB")
