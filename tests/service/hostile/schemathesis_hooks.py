"""What schemathesis needs to know beyond the OpenAPI document, so that most of what it sends gets past the door.

Loaded by schemathesis itself (SCHEMATHESIS_HOOKS). Where the document says a file, a real crop is sent: noise is what
the fuzzer of the decoder sends. Rules between fields, which JSON schema cannot say, are kept in two requests of three.
"""

import json
from datetime import UTC, datetime
from itertools import count

import schemathesis
from hypothesis import strategies

from tests.service.drawn_crops import crop_file, draw_crop, encode

_CROPS = [crop_file(seed) for seed in range(4)] + [encode(draw_crop(5), "PNG"), encode(draw_crop(6), "WEBP")]
_TIMES = strategies.datetimes(datetime(1970, 1, 2), datetime(2199, 12, 30))
_turns = count()

# What schemathesis drew: an object, unless it tries something else.
Body = dict[str, object] | None

schemathesis.openapi.format("binary", strategies.sampled_from(_CROPS))
schemathesis.openapi.format("date-time", _TIMES.map(lambda time: time.replace(tzinfo=UTC).isoformat()))


@schemathesis.hook.apply_to(operation_id="post_batch")
def map_body(_: schemathesis.HookContext, body: Body) -> Body:
    """A manifest that is JSON, and one file that it names."""
    if not isinstance(body, dict) or next(_turns) % 3 == 0:
        return body
    item = {"file": "images.jpg", "camera_id": "c", "timestamp": next(_turns), "detection_id": body.get("manifest")}
    return {"manifest": json.dumps([item]), "images": [_CROPS[0]]}


@schemathesis.hook("map_body").apply_to(operation_id="post_search")
def keep_the_rules_of_a_search(_: schemathesis.HookContext, body: Body) -> Body:
    """One query, a window that has an end after its beginning, and lifting that needs neither camera nor time."""
    if not isinstance(body, dict) or next(_turns) % 3 == 0:
        return body
    kept = {name: value for name, value in _in_order(body).items() if value is not None}
    kept.pop("detection_id" if "image" in kept else "image", None)
    return {**kept, "temporal_lifting": "bootstrap" if kept.get("temporal_lifting") == "bootstrap" else "auto"}


@schemathesis.hook("map_body").apply_to(operation_id="post_erase")
def keep_the_rules_of_an_erasure(_: schemathesis.HookContext, body: Body) -> Body:
    """A window that has an end after its beginning."""
    return _in_order(body) if isinstance(body, dict) else body


@schemathesis.hook("map_query").apply_to(operation_id="get_detections")
def keep_the_rules_of_a_listing(_: schemathesis.HookContext, query: Body) -> Body:
    """Likewise; a cursor is one of an earlier page, which the stateful phase has."""
    return _in_order({name: value for name, value in query.items() if name != "cursor"}) if query else query


def _in_order(fields: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if name != "time_to"}
