"""Item 12, as far as a first page has it: vaccinations. The whole history is one link away."""

from __future__ import annotations

from typing import Final

from vaka import config
from vaka.copy.sheet.elements import Line, at_us, when, words
from vaka.copy.sheet.entry import Found, Gathered

SECTION: Final = "vaccinations"


def vaccinations(gathered: Gathered) -> list[Line]:
    """The newest of each vaccine."""
    lines = gathered.lines(SECTION, ("Immunization",), _line)
    lines.sort(key=lambda line: (-at_us(line.get("at", "")), line["id"]))
    newest: dict[str, Line] = {}
    for each in lines:
        newest.setdefault(each["what"], each)
    return list(newest.values())[: 2 * config.SHEET_RECENT_MAX]


def _line(found: Found) -> Line | None:
    resource = found.resource
    if resource.get("status") != "completed":
        return None
    return found.line(what=words(resource.get("vaccineCode")) or "?", at=when(resource, "occurrenceDateTime"))
