"""Parts that the tests of remembered histories share: models, records, look-ups, and edits of a list."""

import datetime

from adapter import settings
from adapter.translate.signatures.history import History
from adapter.translate.signatures.prefix_digest import call_digest, call_spelling
from adapter.wire.beginnings import begins_with
from adapter.wire.signatures import Signature

ROWS = settings.catalogue(settings.Settings(), datetime.date(2026, 11, 30)).model
MODELS = ["gemini-3.5-flash", "gemini-2.5-flash", "gemma-3-27b-it"]

RECORDS = {
    f"id:{id_}": Signature(
        value="U0lH",
        id=f"g-{id_}",
        origin=origin,
        digest=call_digest("f", '{"a":1}') if id_ != "legacy" else "",
        spelling=call_spelling("f", '{"a":1}') if id_ != "legacy" else "",
    )
    for id_, origin in (("a", "studio"), ("b", "vertex"), ("legacy", ""))
}


def find_longest(prefixes, body, start):
    """Return the longest prefix with which the list at `start` begins; None if there is none."""
    fitting = [one for one in prefixes if begins_with(body, start, one.beginning)]
    return max(fitting, key=lambda one: one.beginning.count, default=None)


def look_up(request, carried, prefix, cut, records):
    """Return a request's history with the records of its ids, and with records for every second digest of words."""
    history = History(request, carried, prefix.answers if prefix else None, cut)
    history.take({key: records[key] for key in history.ids() if key in records})
    keys = [key for key in history.words() if records and int(key[-1], 16) % 2]
    history.take_words({key: Signature(value="V09S", origin="studio") for key in keys})
    return history


def apply_edit(items, edit):
    """Return the items after one edit."""
    kind, at, added = edit
    at = min(at, len(items))
    match kind:
        case "add":
            return [*items, *added]
        case "insert":
            return [*items[:at], *added, *items[at:]]
        case "replace":
            return [*items[:at], *added, *items[at + 1 :]]
        case "remove":
            return [*items[:at], *items[at + 1 :]]
    return items[:at]


def in_any_order(notes, reading):
    """The notes, and those on unknown fields, whose order no reader of a body promises."""
    unknown = [note for note in notes if note.path in reading.unknown]
    return [note for note in notes if note not in unknown], sorted(unknown, key=lambda note: note.path)
