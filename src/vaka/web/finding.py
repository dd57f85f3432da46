"""Finding a patient in an opened ward snapshot: by a number, exactly, or by a name, tolerantly (S5).

Invariants: nobody is opened by a search, however few are found; who is protected is found by the whole number alone, and shows no
place (S24); the log has who was found, not who was looked through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, Final

from vaka import config
from vaka.access.filter import AccessFilter
from vaka.api.server import Server
from vaka.fhir.text import fold
from vaka.fhir.times import in_words
from vaka.store.sheet import Worklists
from vaka.web.pages.ward import Hit
from vaka.web.who import escaped, numbered, searched, who_of

ASKED_MAX_CHARS: Final = 100
_WORDS_MAX: Final = 5
_ALIKE: Final = 0.75
"""How much of two words is the same where one is the other misspelt: Karlson and Carlsson, 0.8."""
_CENTURIES: Final = ("20", "19", "18")


def numbers_of(asked: str) -> tuple[str, ...]:
    """The numbers that are meant by what was typed: as it stands, and a personal number with all its digits and without its
    hyphen. Empty for what is no number."""
    if not any(c.isdigit() for c in asked):
        return ()
    bare = re.sub(r"[\s+-]", "", asked)
    whole = tuple(f"{century}{bare}" for century in _CENTURIES) if bare.isdigit() and len(bare) == 10 else ()
    return tuple(dict.fromkeys((asked, bare, *whole)))


def alike(asked: str, lines: Iterable[Mapping[str, Any]]) -> list[str]:
    """The patients on a list whose names have a word like each that was asked for."""
    wanted = fold(asked).split()[:_WORDS_MAX]
    found: dict[str, None] = {}
    for line in lines:
        names = fold(str(line.get("name", ""))).replace("-", " ").split()
        if line.get("patient") and names and wanted and all(any(_like(a, b) for b in names) for a in wanted):
            found[str(line["patient"])] = None
    return list(found)


def _like(one: str, other: str) -> bool:
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= _ALIKE


async def find(
    server: Server, access: AccessFilter, asked: str, listed: Worklists, language: str
) -> tuple[tuple[Hit, ...], bool]:
    """Who is meant by ``asked``, and whether there are more than are given. ``listed``: the unit's lists."""
    asked = " ".join("".join(c if c.isprintable() else " " for c in asked).split())
    numbers = numbers_of(asked)
    if numbers:
        ids = [one.id for one in await numbered(server, access, *numbers)]
    else:
        words = [("name:contains", escaped(word)) for word in asked.split()[:_WORDS_MAX]]
        ids = [one.id for one in await searched(server, access, words)] if words else []
        ids = ids or alike(asked, (line for _, lines in listed.lists[:2] for line in lines))
    limit = config.RESERVE_CANDIDATES_MAX
    hits = []
    for id_ in dict.fromkeys(server.store.resolve(one) for one in ids[:limit]):
        version = await server.store.read("Patient", id_, access=access)
        if version is not None and not version.deleted:
            hits.append(Hit(who_of(version, language), *_where(id_, listed)))
    hits.sort(key=lambda hit: (fold(hit.who.name), hit.who.number))
    return tuple(hits), len(ids) >= limit


def same_name(hits: Sequence[Hit]) -> bool:
    """Whether two of them have one name."""
    names = [fold(hit.who.name) for hit in hits if not hit.who.protected]
    return len(set(names)) < len(names)


def _where(id_: str, listed: Worklists) -> tuple[str, str, str]:
    """Of the unit's two first lists: which it is (empty: neither), the place, and the time, as they say."""
    for name, lines in listed.lists[:2]:
        for line in lines:
            if line.get("patient") == id_:
                at = str(line.get("at") or "")
                return name, str(line.get("place") or ""), in_words(at) if at else ""
    return "", "", ""
