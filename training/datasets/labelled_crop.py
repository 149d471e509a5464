"""One labelled crop: what every dataset is a sequence of."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

# What Pillow raises while it decodes: a broken PNG is a SyntaxError.
_DAMAGED = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


@dataclass(frozen=True, slots=True)
class LabelledCrop:
    """A person crop with what is known of it. The image is read only when asked for.

    Attributes:
        person_id: who is seen; unique within the dataset.
        camera_id: which camera saw them.
        timestamp_seconds: when, in Unix seconds.
        track_id: the walk past one camera that the crop belongs to.
        read_image_bytes: returns the encoded image file (JPEG or PNG).
        source: what messages call the image: its file, where it has one.
    """

    person_id: str
    camera_id: str
    timestamp_seconds: float
    track_id: str
    read_image_bytes: Callable[[], bytes]
    source: str = "a drawn crop"

    def read_image(self) -> Image.Image:
        """Decode the crop as RGB.

        Raises:
            OSError: the file cannot be read.
            ValueError: what it holds is not an image, or a damaged one.
        """
        content = self.read_image_bytes()
        try:
            with Image.open(BytesIO(content)) as image:
                return image.convert("RGB")
        except UnidentifiedImageError as error:
            # Its own message names the buffer in memory.
            raise ValueError(f"{self.source} is not an image that can be read; expected a JPEG or PNG") from error
        except _DAMAGED as error:
            raise ValueError(f"{self.source} is a damaged image ({error}); replace it or leave its row out") from error


def file_crop(path: Path, *, person_id: str, camera_id: str, timestamp_seconds: float, track_id: str) -> LabelledCrop:
    """The crop that an image file holds; it is opened when the image is asked for."""
    return LabelledCrop(
        person_id=person_id,
        camera_id=camera_id,
        timestamp_seconds=timestamp_seconds,
        track_id=track_id,
        read_image_bytes=partial(Path.read_bytes, path),
        source=str(path),
    )
