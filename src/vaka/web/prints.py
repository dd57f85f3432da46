"""Printing a ward snapshot in one action: the unit's list, all sheets, medication lists to sign on, and blank forms (S7, S24).

Invariants: each page has two identifiers of its patient, page n of m of that patient's own, when it was printed by whom, as of
when it is, and how long it is valid; of a protected identity neither place nor visits nor contacts; what is printed was
decided for the person who prints, by the same door as what is shown; a sheet that cannot be made is said on its page, and the
rest goes on (S4).
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import orjson

from vaka import config, log
from vaka.access.filter import AccessFilter
from vaka.access.trail import Trail
from vaka.api.http import Request
from vaka.api.interactions.sheet import reader_of, sheets_of
from vaka.api.server import Server, living
from vaka.api.snapshots.prints import Part, Print
from vaka.copy.sheet import clock, page
from vaka.copy.sheet.identity import Identity, identity
from vaka.copy.sheet.stream import merged
from vaka.copy.unit_page import html_of
from vaka.errors import Fault, VakaError
from vaka.store.sheet import Worklists
from vaka.web.paper import Block, blocks, text_of
from vaka.web.texts import N_, texts

_WHEREABOUTS: Final = frozenset({"place", "coming", "contacts"})
_PLACE: Final = frozenset({"place"})
"""The class of what names a place or a unit (``sheet.css`` leaves it out of a browser's paper)."""
_HOURS: Final = 12
WORDS: Final[Mapping[str, str]] = {
    "title": N_("Ward snapshot"), "sheet": N_("Page"), "of": N_("of"), "list": N_("The unit's lists"),
    "as-of": N_("As of %(as_of)s, %(old)s"), "printed": N_("printed %(printed)s by %(by)s"),
    "valid": N_(
        "From a ward snapshot: what happened later is not here. Not to be relied on after %(until)s; then it is destroyed."
    ),
    "chart": N_("Medication list to sign on"), "drug": N_("Drug"), "dose": N_("Dose"), "last": N_("Last given"),
    "allergies": N_("Hypersensitivity"),
    "chart-how": N_(
        "Sign in the hour when a dose is given, with the clock time; write why where it is not. What was given after the time"
        " above is not printed here: ask before you give. New orders go on the empty lines, signed by who orders."
    ),
    "entries": N_("Entries on paper"),
    "entries-how": N_(
        "Each line with date, clock time, name and signature. It is entered afterwards by the unit, with these times."
    ),
    "at": N_("Date and time"), "note": N_("What happened, was decided, was ordered"), "sign": N_("Name and signature"),
    "newcomer": N_("New patient"),
    "newcomer-how": N_(
        "For who came after this was printed. Two identifiers, or unknown. Ask for hypersensitivity before anything is given."
    ),
}  # fmt: skip
NEWCOMER: Final = (
    N_("Name"), N_("Personal number, or reserve number"), N_("Came, date and time"), N_("From"), N_("Cause"),
    N_("Hypersensitivity (none known is said by whom)"), N_("Alerts: infection, treatment, limits"), N_("Own medication"),
    N_("Next of kin, telephone"), N_("Responsible"),
)  # fmt: skip
MEASURES: Final = (
    N_("Pulse"), N_("Blood pressure"), N_("Breaths"), N_("Saturation"), N_("Temperature"), N_("Awareness"), N_("Pain"),
)  # fmt: skip
BROKEN: Final = N_("This sheet cannot be shown. Ask for it by telephone.")


@dataclass(frozen=True, slots=True)
class Asker:
    """Who prints, and what the reader of the pages is told. ``language``: of the pages."""

    server: Server
    request: Request
    access: AccessFilter
    reader: page.Reader
    language: str


def of_list(found: Worklists) -> list[str]:
    """The patients of the unit's two first lists, each once, in their order."""
    lists = dict(found.lists)
    lines = [*lists.get("here", ()), *lists.get("coming", ())]
    return list(dict.fromkeys(str(line["patient"]) for line in lines if line.get("patient")))


def asker_of(server: Server, request: Request, language: str) -> Asker:
    """For a request that is to be printed for."""
    return Asker(server, request, request.access.anew(), reader_of(server, request), language)


async def make(
    asker: Asker, found: Worklists, patients: Sequence[str], made: Print, kept: Callable[[Print], bool]
) -> None:
    """Makes the parts of a print, one after another, for as long as it is ``kept``. Whatever goes wrong is told by the print."""
    try:
        for first in range(0, max(1, len(patients)), config.PRINT_PATIENTS):
            asker.access.trail = Trail()
            sheets = []
            for patient in patients[first : first + config.PRINT_PATIENTS]:
                if not kept(made):
                    return
                sheets.append(await _sheet(asker, patient))
                made.done += 1
            whole = first + config.PRINT_PATIENTS >= len(patients)
            content = _content(asker, found if not first else None, sheets, newcomers=2 if whole else 0)
            pdf = await asyncio.to_thread(_set, content)
            made.parts.append(Part(pdf, len(sheets), tuple(asker.access.trail.touched)))
        made.ready = True
    except Exception as error:  # told on the page of the print, which asks again and again
        log.error("print failed", exception=error)
        made.failed = type(error).__name__


async def _sheet(asker: Asker, patient: str) -> dict[str, Any]:
    """One patient's part. A sheet that cannot be made is a page that says so."""
    store = sheets_of(asker.server)
    who = Identity(patient, patient)
    try:
        version = living(await asker.server.store.read("Patient", patient, access=asker.access), "Patient", patient)
        who = identity(patient, version.body)
        body, aside, _ = await store.sheet(patient, asker.language, access=asker.access)
        parts = page.html(body, who, asker.reader, aside=aside)
        html = zlib.decompressobj(-zlib.MAX_WBITS).decompress(merged(parts).packed).decode()
        read = await asyncio.to_thread(blocks, html, _PLACE if who.protected else frozenset())
    except (VakaError, ValueError, KeyError, TypeError) as error:
        log.error("a sheet cannot be printed", exception=error)
        broken = Block("p", [["s", _told(asker)(BROKEN)]], warn=True)
        return {
            **_named(asker, who), "blocks": [broken.told()], "drugs": [], "allergies": [broken.text], "warnings": [broken.text],
        }  # fmt: skip
    if who.protected:
        read = [one for one in read if one.section not in _WHEREABOUTS]
    return {
        **_named(asker, who), "blocks": [one.told() for one in read], "drugs": _drugs(read),
        "allergies": [one.text for one in read if one.section == "allergies" and one.kind in ("p", "li")],
        "warnings": [one.text for one in read if one.section == "medication" and one.kind == "p"],
    }  # fmt: skip


def _named(asker: Asker, who: Identity) -> dict[str, str]:
    """Whose page it is. Beside who is protected no unit is named, the printing one neither (S24)."""
    unit = "" if who.protected else asker.reader.unit
    return {"name": who.name or who.id, "number": who.number or f"id {who.id}", "unit": unit}


def _drugs(read: Sequence[Block]) -> list[dict[str, str]]:
    """The medication list's lines: drug, dose, last given."""
    return [
        dict(zip(("what", "dose", "last"), map(text_of, row[:3]), strict=True))
        for one in read if one.kind == "table" and one.section == "medication"
        for row in one.rows[one.head :] if len(row) >= 3
    ]  # fmt: skip


def _told(asker: Asker) -> Callable[[str], str]:
    return texts(asker.language).gettext


def _content(
    asker: Asker, found: Worklists | None, sheets: Sequence[Mapping[str, Any]], *, newcomers: int
) -> dict[str, Any]:
    told, reader, language = _told(asker), asker.reader, asker.language
    prints = asker.server.prints
    if prints is None:
        raise Fault("only a ward snapshot is printed in one action")
    values = {
        "as_of": clock.in_words(reader.as_of_us, language), "old": clock.ago(reader.age_s, language),
        "printed": clock.in_words(reader.now_us, language), "by": reader.name,
        "until": clock.in_words(prints.about().expires_us, language),
    }  # fmt: skip
    words: dict[str, Any] = {name: told(text) % values if "%(" in text else told(text) for name, text in WORDS.items()}
    words |= {
        "unit": reader.unit, "measures": [told(one) for one in MEASURES], "newcomer-lines": [told(one) for one in NEWCOMER],
        "hours": [f"{hour:02}" for hour in _hours(reader.now_us)],
    }  # fmt: skip
    listed = blocks(html_of(found, reader).decode()) if found is not None else []
    return {
        "language": language, "words": words, "list": [one.told() for one in listed], "patients": list(sheets),
        "newcomers": newcomers,
    }  # fmt: skip


def _hours(now_us: int) -> list[int]:
    """Every second hour of the next 24, from this one on."""
    first = clock.local(now_us).hour // 2 * 2
    return [(first + 2 * n) % 24 for n in range(_HOURS)]


def _set(content: Mapping[str, Any]) -> bytes:
    import typst

    template = (files("vaka.web") / "templates" / "ward.typ").read_bytes()
    made = typst.compile(
        template, format="pdf", sys_inputs={"page": orjson.dumps(content).decode()}, ignore_system_fonts=True
    )
    assert isinstance(made, bytes)
    return made
