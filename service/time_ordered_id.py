"""IDs of the service's own making, whose order is that of time."""

import os
from uuid import UUID


def create_time_ordered_id(now_us: int) -> str:
    """A UUID of version 7 (RFC 9562, Section 5.7): 48 bits of Unix milliseconds, then random bits."""
    random_bits = int.from_bytes(os.urandom(10))
    value = (now_us // 1000) << 80 | random_bits
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0b11 << 62) | 0b10 << 62
    return str(UUID(int=value))
