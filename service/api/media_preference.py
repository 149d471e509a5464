"""Which of two answers a client would rather have: JSON, or a picture."""

from collections.abc import Iterable


def prefers_png(accept: Iterable[str]) -> bool:
    """Whether Accept headers (RFC 9110, Section 12.5.1) rank `image/png` above JSON. Without any, JSON it is."""
    ranges = _parse(",".join(accept))
    png = _quality(ranges, "image/png")
    return png > 0 and png > _quality(ranges, "application/json")


def _parse(accept: str) -> dict[str, float]:
    ranges: dict[str, float] = {}
    for part in accept.split(","):
        media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weights = [parameter[2:] for parameter in parameters if parameter.startswith("q=")]
        ranges[media_range] = _parse_weight(weights[0]) if weights else 1.0
    return ranges


def _parse_weight(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0


def _quality(ranges: dict[str, float], media_type: str) -> float:
    """The weight of the most specific range that takes in a media type."""
    for media_range in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        if media_range in ranges:
            return ranges[media_range]
    return 0.0
