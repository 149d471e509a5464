"""Which entries of the audit record are printed, and as what line for people."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from service.audit.audit_events import Compared, Erased, EraseRequested, Listed, Replaced, Searched
from service.storage.audit.audit_entry import AuditEntry

_NOT_GIVEN = "–"
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class AuditSelection:
    """Which entries are meant: those for which everything given holds. Times are RFC 3339 as entries write them."""

    events: frozenset[str] = frozenset()
    time_from: str | None = None
    time_to: str | None = None
    key_id: str | None = None
    detection_id: str | None = None

    def may_mean(self, entry: AuditEntry) -> bool:
        """Whether an entry may be meant, as far as that can be told without reading its JSON."""
        return (
            (not self.events or entry.event in self.events)
            and (self.time_from is None or entry.time >= self.time_from)
            and (self.time_to is None or entry.time < self.time_to)
            and (self.detection_id is None or b'"%s"' % self.detection_id.encode() in entry.line)
        )

    def means(self, fields: Mapping[str, Any]) -> bool:
        """Whether an entry that may be meant is."""
        return self.key_id is None or (fields.get("source") or {}).get("key_id") == self.key_id


def describe_entry(fields: Mapping[str, Any]) -> str:
    """An entry in one line: number, time, event, who, and what."""
    describe = _DESCRIBED.get(fields["event"], _describe_members)
    who = _describe_source(fields.get("source"))
    return f"{fields['sequence']}  {fields['time']}  {fields['event']}  {who}  {describe(fields)}"


def _describe_source(source: Mapping[str, Any] | None) -> str:
    if source is None:
        return _NOT_GIVEN
    who = " ".join(source[name] for name in ("key_id", "key_name", "address") if source[name])
    return who or _NOT_GIVEN


def _describe_search(fields: Mapping[str, Any]) -> str:
    query, answer = fields["query"], fields["answer"]
    sought = query["detection_id"] or f"picture {query['image']['sha256'][:12]}…"
    seen = "".join(f" {word} {query[name]}" for word, name in (("at", "camera_id"), ("on", "timestamp")) if query[name])
    if answer is None:
        return f"{sought}{seen}: nothing returned ({fields['problem']})"
    if stand_in := answer.get("stand_in"):  # entries from before there were any lack it
        seen += f" (those of {stand_in})"
    found = _list([f"{match['detection_id']} {match['score']:.4f}" for match in answer["matches"]])
    return f"{sought}{seen} among {answer['candidates']} of {answer['gallery_size']}: {found}"


def _describe_comparison(fields: Mapping[str, Any]) -> str:
    pictures = " and ".join(f"picture {fields[name]['sha256'][:12]}…" for name in ("query", "gallery"))
    score = fields["appearance_score"]
    return f"{pictures}: {fields['problem'] if score is None else f'{score:.4f}'}"


def _describe_listing(fields: Mapping[str, Any]) -> str:
    page = "a further page" if fields["is_continued"] else "the first page"
    return f"{_describe_filter(fields['filter']) or 'all'}: {fields['count']} detections on {page}"


def _describe_replacement(fields: Mapping[str, Any]) -> str:
    before, after = (
        f"camera {place['camera_id']} timestamp {place['timestamp']} picture {(place['image_sha256'] or '?')[:12]}…"
        for place in (fields["before"], fields["after"])
    )
    return f"{fields['detection_id']}: {before} by {after}"


def _describe_request(fields: Mapping[str, Any]) -> str:
    return _describe_filter(fields["meant"])


def _describe_filter(meant: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in meant.items() if value is not None)


def _describe_erasure(fields: Mapping[str, Any]) -> str:
    part = f", part {fields['part']} of {fields['parts']}" if fields["parts"] > 1 else ""
    broken_off = "" if fields["is_complete"] else f", not to its end ({fields['problem']})"
    return f"{fields['count']} erased{part}{broken_off}: {_list(fields['detection_ids'])}"


def _describe_members(fields: Mapping[str, Any]) -> str:
    known = ("sequence", "previous", "time", "event", "hash", "source")
    return ", ".join(f"{name} {value}" for name, value in fields.items() if name not in known)


def _list(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return (", ".join(names[:_SHOWN]) or "nothing") + (f" and {more} more" if more > 0 else "")


_DESCRIBED: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    Searched.event: _describe_search,
    Compared.event: _describe_comparison,
    Listed.event: _describe_listing,
    Replaced.event: _describe_replacement,
    EraseRequested.event: _describe_request,
    Erased.event: _describe_erasure,
}
