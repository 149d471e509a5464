"""What is wrong with a URL is said by the name of its setting, and nothing of it is quoted."""

import pytest

from service.storage.ingest_stream import IngestStream
from service.storage.metadata.metadata_index import MetadataIndex
from service.storage.redis_url import require_redis_url

SECRET = "hunter2"


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1",
        "redis://127.0.0.1:6379/0",
        "redis://[::1]:6379/15",
        "rediss://user:hunter%232@redis.example:6380/0?ssl_ca_certs=/etc/ca.pem&ssl_cert_reqs=required",
        "redis://:p%40ss@redis:6379/0?socket_timeout=2",
        "unix:///run/redis.sock",
        "unix://user:hunter2@/run/redis%20server.sock?db=3",
    ],
)
def test_urls_that_are_taken(url: str) -> None:
    require_redis_url(url, "QACONV_REDIS_URL")


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("", "begins with none of"),
        ("127.0.0.1:6379", "begins with none of"),
        (f"http://:{SECRET}@redis:6379", "begins with none of"),
        (f"redis:/:{SECRET}@redis", "begins with none of"),
        (f"redis+sentinel://:{SECRET}@redis:26379/primary", "names a Sentinel"),
        (f"redis://:{SECRET}@", "names no host"),
        (f"redis://:{SECRET}@:6379/0", "names no host"),
        (f"redis://:{SECRET}@redis:many/0", "has no port that is a number"),
        (f"redis://:{SECRET}@redis:70000/0", "has no port that is a number"),
        (f"redis://:{SECRET}@[::1/0", "a bracket that is not closed"),
        (f"redis://:{SECRET}#x@redis:6379/0", "has no port that is a number|has a # in it"),
        (f"redis://user:x#{SECRET}@redis:6379/0", "has no port that is a number|has a # in it"),
        (f"redis://user#{SECRET}@redis:6379/0", "has a # in it"),
        (f"redis://:{SECRET}/x@redis:6379/0", "has no port that is a number"),
        (f"redis://user/{SECRET}@redis:6379/0", "has a / or a [?] before its @"),
        (f"redis://user:123?{SECRET}@redis:6379/0", "has a / or a [?] before its @"),
        (f"redis://user:1/2?{SECRET}@redis", "has a / or a [?] before its @"),
        (f"redis://redis?{SECRET}", "has an option behind the [?]"),
        (f"redis://redis?host={SECRET}", "says behind the [?] where Redis is"),
        (f"redis://redis?password={SECRET}", "says behind the [?] where Redis is"),
        (f"redis://:{SECRET}@x@redis:6379/0", "has more than one @"),
        (f"redis://:100%{SECRET}@redis:6379/0", "has a % that begins no special character"),
        (f"redis://:{SECRET} @redis:6379/0", "has a space"),
        (f"redis://:{SECRET}@redis:6379/0\n", "a line's end"),
        (f"redis://:{SECRET}@redis:6379/primary", "something else than the number of a database"),
        (f"redis://:{SECRET}@redis:6379/0?pasword={SECRET}", "has an option behind the [?]"),
        (f"redis://:{SECRET}@redis:6379/0?socket_timeout={SECRET}", "has an option behind the [?]"),
        (f"redis://redis/0?ssl_ca_certs={SECRET}", "has an option behind the [?]"),
        (f"unix://:{SECRET}@", "names no socket"),
    ],
)
def test_urls_that_are_refused(url: str, fault: str) -> None:
    for setting, connect in (
        ("QACONV_REDIS_URL", lambda: MetadataIndex.connect(url, "qaconv:")),
        ("QACONV_STREAM_REDIS_URL", lambda: IngestStream.connect(url, "stream", "group", 30)),
    ):
        with pytest.raises(ValueError, match=f"^{setting} .*({fault})") as caught:
            connect()
        assert SECRET not in str(caught.value)
        assert caught.value.__cause__ is None
