"""How often each API key may ask: a bucket of tokens for each key."""

from dataclasses import dataclass

_SECONDS_PER_MINUTE = 60.0
# What rounding may leave missing of a token after exactly the time that was waited for.
_ROUNDING = 1e-6


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at_seconds: float


class RateLimiter:
    """A full bucket holds the requests of one minute and fills evenly; each request takes one of them.

    In the long run a key gets exactly its rate; after a pause it may ask a minute's worth at once.
    """

    def __init__(self) -> None:
        # Only keys of the service come here, so there are no more buckets than there were keys.
        self._buckets: dict[str, _Bucket] = {}

    def take(self, key_id: str, requests_per_minute: int, now_seconds: float) -> float:
        """Take a token for a request.

        Args:
            key_id: of a key of this service.
            requests_per_minute: at least 1.
            now_seconds: of a clock that never goes back.

        Returns:
            0 where the request may be answered; else the seconds after which there is a token again.
        """
        bucket = self._buckets.setdefault(key_id, _Bucket(requests_per_minute, now_seconds))
        refilled = (now_seconds - bucket.filled_at_seconds) * requests_per_minute / _SECONDS_PER_MINUTE
        bucket.tokens = min(requests_per_minute, bucket.tokens + refilled)
        bucket.filled_at_seconds = now_seconds
        if bucket.tokens < 1 - _ROUNDING:
            return (1 - bucket.tokens) * _SECONDS_PER_MINUTE / requests_per_minute
        bucket.tokens -= 1
        return 0.0
