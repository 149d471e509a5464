"""Hostile HTTP requests with forms, as bytes, from a seed: boundaries, headers, parts and lengths that are broken."""

from random import Random

from tests.service.hostile.mutated_files import mutate, seed_files

_BOUNDARY = b"----trial"
_SEEDS = seed_files()
_TRICKS = (
    b'name="image"; filename="../../etc/passwd"',
    b'name="image"; filename=""',
    b'name="image"',
    b'name=""',
    b"name=image; filename=x",
    b'filename="x"',
    b"name=\"image\"; filename*=utf-8''%00",
    b'name="' + b"a" * 9000 + b'"',
    b'name="camera_id"; name="timestamp"',
    b"\x00\xff",
)


def hostile_request(random: Random, detection_id: str) -> bytes:
    """A whole request; what follows its body, if anything, is no request."""
    body = bytearray(_body(random))
    if random.random() < 0.5:
        body = bytearray(mutate(random, [bytes(body)]))
    length = _length(random, len(body))
    head = [
        random.choice(
            (b"PUT /v1/detections/" + detection_id.encode(), b"POST /v1/search", b"POST /v1/detections:batch")
        )
        + b" HTTP/1.1",
        b"Host: 127.0.0.1",
        b"Connection: close",
        b"Content-Type: " + _content_type(random),
        *length,
    ]
    return b"\r\n".join(head) + b"\r\n\r\n" + bytes(body)


def _body(random: Random) -> bytes:
    fields = [(b'name="camera_id"', b"c1"), (b'name="timestamp"', b"1790000000")]
    fields.append((b'name="image"; filename="crop.jpg"', random.choice(_SEEDS)))
    for _ in range(random.choice((0, 0, 1, 3))):
        place = random.randrange(len(fields))
        header, content = fields[place]
        fields[place] = (
            random.choice((random.choice(_TRICKS), header)),
            random.choice((content, b"", b"\xff" * 70_000)),
        )
    if random.random() < 0.1:
        fields *= random.choice((2, 40, 600))
    random.shuffle(fields)
    parts = [
        b"--" + _BOUNDARY + b"\r\nContent-Disposition: form-data; " + h + b"\r\n\r\n" + c + b"\r\n" for h, c in fields
    ]
    end = random.choice((b"--" + _BOUNDARY + b"--\r\n", b"--" + _BOUNDARY, b"", b"--" + _BOUNDARY + b"--garbage"))
    return b"".join(parts) + end


def _content_type(random: Random) -> bytes:
    kinds = (
        b"multipart/form-data; boundary=" + _BOUNDARY,
        b"multipart/form-data; boundary=" + _BOUNDARY,
        b"multipart/form-data; boundary=" + _BOUNDARY,
        b"multipart/form-data",
        b"multipart/form-data; boundary=",
        b"multipart/form-data; boundary=" + b"x" * 5000,
        b'multipart/form-data; boundary="' + _BOUNDARY,
        b"application/x-www-form-urlencoded",
        b"multipart/mixed; boundary=" + _BOUNDARY,
        b"\xff\xfe",
    )
    return random.choice(kinds)


def _length(random: Random, length: int) -> list[bytes]:
    good = b"Content-Length: %d" % length
    return random.choice(
        (
            [good],
            [good],
            [good],
            [good],
            [b"Content-Length: %d" % max(0, length - 10)],
            [b"Content-Length: 99999999999999999999"],
            [b"Content-Length: -1"],
            [good, b"Transfer-Encoding: chunked"],
            [b"Transfer-Encoding: chunked"],
        )
    )
