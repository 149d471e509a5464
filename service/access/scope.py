"""What an API key may do."""

from enum import StrEnum


class Scope(StrEnum):
    """One right. None of them implies another: a key that erases and reads has both `admin` and `read`."""

    INGEST = "ingest"
    SEARCH = "search"
    READ = "read"
    ADMIN = "admin"
