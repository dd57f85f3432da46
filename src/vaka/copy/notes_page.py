"""What a search in notes has found, as a page and as JSON: of each note the lines that hold what was asked for. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson

from vaka import config
from vaka.copy.reserve.entry import is_pending
from vaka.copy.sheet import clock
from vaka.copy.sheet.elements import at_us, cut, person, text, when, words
from vaka.copy.sheet.entry import Entry, Found
from vaka.copy.sheet.identity import Identity
from vaka.copy.sheet.notes import note_text
from vaka.copy.sheet.page import Reader
from vaka.copy.sheet.render import environment
from vaka.fhir.text import lexemes
from vaka.store.version import Version

_EXCERPT_MAX_CHARS: Final = 500
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+|\n+")


@dataclass(frozen=True, slots=True)
class Hit:
    """``text``: the sentences that hold one of the words asked for. ``pending``: it shows a reserve entry; ``superseded``: a
    newer version was set aside; ``broken``: it cannot be shown."""

    id: str
    what: str
    at: str
    at_us: int
    by: str
    text: str
    unsigned: bool = False
    pending: bool = False
    superseded: bool = False
    broken: bool = False


def hit_of(version: Version, asked: Sequence[str]) -> Hit:
    """A note that was found. Never raises (S4)."""
    named = f"{version.type}/{version.id}"
    try:
        resource = orjson.loads(version.body or b"{}")
        found = Found(Entry(version.type, version.id, version.body or b""), resource)
        at = when(resource, "date", "effectiveDateTime", "effectivePeriod")
        return Hit(
            named,
            words(resource.get("type")) or words(resource.get("code")) or text(resource.get("title")) or "?",
            at,
            at_us(at),
            person(resource.get("author"), resource.get("assessor"), resource.get("authenticator")),
            excerpt(note_text(found.resource, 64 * 1024), asked),
            unsigned="preliminary" in (resource.get("docStatus"), resource.get("status")),
            pending=is_pending(resource),
            superseded=version.superseded,
        )
    except Exception:  # one hostile note must not take the others along
        return Hit(named, "?", "", -(2**62), "", "", broken=True)


def excerpt(whole: str, asked: Sequence[str]) -> str:
    """The sentences of ``whole`` that hold one of ``asked`` (lexemes); its beginning where none does."""
    wanted = set(asked)
    sentences = [each.strip() for each in _SENTENCE.split(whole) if each.strip()]
    kept = [each for each in sentences if not wanted.isdisjoint(lexemes(each))]
    return cut(" … ".join(kept) if kept else whole, _EXCERPT_MAX_CHARS)


def html_of(who: Identity, asked: str, found: Sequence[Hit], reader: Reader, *, more: bool, aside: int = 0) -> bytes:
    """``aside``: how many more cannot be shown, as they could not be interpreted."""
    language = reader.language
    values = {
        "who": who, "asked": cut(asked, 200), "found": [each for each in found if not each.broken], "reader": reader,
        "broken": sum(each.broken for each in found) + aside, "more": more, "limit": config.NOTES_FOUND_MAX,
        "age": who.age(clock.local(reader.now_us).date(), language), "as_of": clock.in_words(reader.as_of_us, language),
        "old": clock.ago(reader.age_s, language), "shown": clock.in_words(reader.now_us, language),
    }  # fmt: skip
    return environment(language).get_template("notes.html").render(values).encode("utf-8", "replace")


def json_of(
    who: Identity, asked: str, found: Sequence[Hit], reader: Reader, *, more: bool, aside: int = 0
) -> dict[str, Any]:
    shown = [
        {k: v for k, v in asdict(each).items() if k not in ("at_us", "broken") and v}
        for each in found
        if not each.broken
    ]
    return {
        "patient": {"id": who.id, "name": who.name, "number": who.number}, **reader.moment(),
        "q": asked, "notes": shown, "more": more,
        "cannotBeShown": sum(each.broken for each in found) + aside,
    }  # fmt: skip
