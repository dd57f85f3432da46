"""The log extract for the patient in plain words (L4; PDL 8:5): when, which unit, who where care is public, what kind.

Invariants: what was done in an emergency is said as that; of a patient whose identity is protected neither place nor time of
a visit can be read from it (S24): no time, unit, provider or person stands there. Who it was is told only where the provider
is a public body (its organisation number says so).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Final

import orjson

from vaka import config
from vaka.access.filter import system_filter
from vaka.accesslog import read
from vaka.accesslog.read import Asked
from vaka.accesslog.record import Record
from vaka.accesslog.runs import when
from vaka.errors import NotFound
from vaka.fhir.dates import ZONE
from vaka.fhir.keys import resource_key
from vaka.fhir.query import parse_query
from vaka.journal import names
from vaka.journal.journal import Journal
from vaka.web.pages.log_extract import Line, LogExtractPage
from vaka.web.texts import N_, texts

_SYSTEM: Final = system_filter("log-extract")
PERSONAL_NUMBERS: Final = (
    "http://electronichealth.se/identifier/personnummer",
    "http://electronichealth.se/identifier/samordningsnummer",
    "urn:oid:1.2.752.97.3.1.3",
)
_ORGANISATION_NUMBER: Final = "urn:oid:2.5.4.97"
_PUBLIC: Final = "2"
"""What the organisation number of state, region and municipality begins with."""
DID: Final[Mapping[str, str]] = {
    "read": N_("Read"), "vread": N_("Read an earlier version"), "history": N_("Read earlier versions"),
    "search": N_("Seen in a search or list"), "everything": N_("Fetched the whole record"), "create": N_("Written"),
    "update": N_("Changed"), "patch": N_("Changed"), "delete": N_("Deleted"),
    "transaction": N_("Read or written several entries"), "validate": N_("Checked entries"), "sign": N_("Signed"),
    "acknowledge": N_("Acknowledged a result"), "print": N_("Printed"),
    "open": N_("Opened another unit's information"), "emergency": N_("Opened in an emergency"),
    "incapacity": N_("Opened for a patient who cannot consent"),
    "existence": N_("Seen that others have information"),
    "existence-blocked": N_("Seen that there is blocked information"), "attest": N_("Attested a care relation"),
    "lift": N_("Lifted a block"), "cancel-lift": N_("Put a lifted block back"),
    "revoke": N_("Revoked a block or a consent"), "close": N_("Closed what was opened"), "log": N_("Read the log"),
    "log-extract": N_("Made an extract of the log"), "countersign": N_("Countersigned"),
    "correct": N_("Corrected a signed entry"), "lock": N_("Locked an entry"), "annul": N_("Annulled an entry"),
    "misfiled": N_("Moved a misfiled entry"), "visibility": N_("Decided what is shown online"),
    "unsigned": N_("Seen in the list of the unsigned"),
    "unacknowledged": N_("Seen in the list of the unacknowledged"), "merge": N_("Merged records"),
    "unmerge": N_("Took records apart"), "link": N_("Linked two numbers"),
    "redact": N_("Removed content as an authority ordered"), "feed": N_("Fetched changes"),
    "load": N_("Loaded entries"), "sheet": N_("Seen on the sheet"), "worklists": N_("Seen on a unit's lists"),
    "notes": N_("Searched in notes"), "snapshot": N_("Copied into a unit's snapshot for stops"),
    "print-begun": N_("Began to print a unit's snapshot"),
}  # fmt: skip
_KINDS: Final[Mapping[str, str]] = {
    "alert": N_("alerts"), "contact": N_("care contacts"), "plan": N_("care plans"), "note": N_("notes"),
    "diagnosis": N_("diagnoses and procedures"), "laboratory": N_("results"), "imaging": N_("imaging"),
    "referral": N_("referrals"), "vaccination": N_("vaccinations"), "medication": N_("medication"),
    "observation": N_("measurements"), "person": N_("personal details"), "consent": N_("consents and blocks"),
    "other": N_("other"), "directory": "",
}  # fmt: skip


PAPER: Final[Mapping[str, str]] = {
    "extract": N_("Log extract"), "title": N_("Log extract: who has had access to your record"),
    "about": N_("This tells who has read or changed information about %(name)s (%(number)s), until %(at)s."),
    "about-since": N_("This tells who has read or changed information about %(name)s (%(number)s), from %(since)s until %(at)s."),
    "protected": N_("Your identity is protected."),
    "protected-why": N_(
        "So neither time, place nor name stands here: they could show where you have been. "
        "The care provider can answer questions."
    ),
    "names": N_("Who has read is told by name for public care providers. For private ones the profession is told."),
    "cut": N_("This extract is not complete: the newest accesses stand here. Ask for another one for earlier times."),
    "none": N_("Nobody has had access to the information in this time."), "emergency": N_("Emergency opening."),
    "times": N_("times"), "reason": N_("Reason:"), "profession": N_("Profession"), "what": N_("What"), "when": N_("When"),
    "unit": N_("Unit"), "who": N_("Who"), "printed": N_("Printed %(at)s. Information until %(at)s."),
    "sheet": N_("Page"), "of": N_("of"),
    "questions": N_(
        "If you have questions, or think that somebody has read without the right to: ask the care provider. "
        "You can also complain to the Swedish Authority for Privacy Protection (IMY)."
    ),
}  # fmt: skip
"""What stands on the paper."""


async def patient_of(journal: Journal, given: str) -> str:
    """The id of the patient whom ``given`` names: a personal number, or the id itself. NotFound."""
    digits = given.replace("-", "").replace("+", "").replace(" ", "")
    if digits.isdigit() and len(digits) == 12:
        value = ",".join(f"{system}|{digits}" for system in PERSONAL_NUMBERS)
        query = parse_query(["Patient"], [("identifier", value)], base_url="", strict=True)
        found = await journal.searching(_SYSTEM).search(query, count=2)
        if len(found.matches) == 1:
            return found.matches[0].id
        if found.matches:
            raise NotFound(N_("several patients have this number"), help=N_("give the id of one of them"))
        raise NotFound(N_("nobody in this record has this number"))
    return given


async def extract(journal: Journal, id_: str, asked: Asked, *, language: str = "sv", pdf: str = "") -> LogExtractPage:
    """The extract of one patient, in ``language``; ``asked`` says what of the log its reader may see. NotFound if there is no
    such patient."""
    patient = await journal.reader.read("Patient", id_, access=_SYSTEM)
    if patient is None or patient.body is None:
        raise NotFound(N_("there is no such patient"))
    resource = orjson.loads(patient.body)
    key = resource_key("Patient", id_)
    now = datetime.now(UTC)
    async with journal.reading.connection() as connection:
        found = await read.page(connection, asked, config.LOG_EXTRACT_MAX + 1)
    cut, found = len(found) > config.LOG_EXTRACT_MAX, found[: config.LOG_EXTRACT_MAX]
    records = [event.record for event in found if not event.record.refused]
    owners = await names.owners(journal, {owner for one in records for owner in one.owners}, access=_SYSTEM)
    wanted = {id_ for one in records for id_ in (one.actor.unit, one.actor.provider) if id_}
    read_ = await journal.searching(_SYSTEM).read_many([("Organization", one) for one in wanted])
    organizations = {version.id: orjson.loads(version.body) for version in read_ if version.body is not None}
    protected = await names.is_protected(journal, key, access=_SYSTEM)
    openings = await names.emergencies(journal, key, access=_SYSTEM)
    kinds = {number: owner.kind for number, owner in owners.items()}
    told = texts(language).gettext

    def lines() -> tuple[Line, ...]:
        return _merged(
            _line(told, record, kinds, organizations, protected=protected, emergency=_in_emergency(record, openings))
            for record in records
        )

    made = await asyncio.to_thread(lines)  # off the event loop: there may be 20,000
    at = told(N_("%(day)s at %(clock)s")) % {
        "day": f"{now.astimezone(ZONE):%Y-%m-%d}",
        "clock": f"{now.astimezone(ZONE):%H:%M}",
    }
    since = min((record.time_us for record in records), default=None)
    return LogExtractPage(
        name_of(told, resource), _number(resource), protected,
        "" if since is None or protected else f"{when(since).astimezone(ZONE):%Y-%m-%d}",
        at, at, cut, made, pdf,
    )  # fmt: skip


def _line(
    spoken: Callable[[str], str],
    record: Record,
    kinds: Mapping[int, str],
    organizations: Mapping[str, dict[str, Any]],
    *,
    protected: bool,
    emergency: bool,
) -> Line:
    actor = record.actor
    did = spoken(DID.get(record.activity, record.activity))
    told = sorted(
        {spoken(text) for owner in record.owners if (text := _KINDS.get(kinds.get(owner, ""), _KINDS["other"]))}
    )
    if protected:
        return Line("", "", actor.title, did, ", ".join(told), 1, emergency, "")
    provider, unit = organizations.get(actor.provider, {}), organizations.get(actor.unit, {})
    place = [str(one.get("name", "")) for one in (unit, provider)]
    if not actor.person:
        who = spoken(N_("Computer system: %(name)s")) % {"name": actor.principal}
    elif is_public(provider):
        who = f"{actor.name}, {actor.title}" if actor.title else actor.name
    else:
        who = actor.title
    at = when(record.time_us).astimezone(ZONE)
    return Line(
        f"{at:%Y-%m-%d %H:%M}", ", ".join(dict.fromkeys(part for part in place if part)), who, did, ", ".join(told), 1,
        emergency, record.reason if emergency else "",
    )  # fmt: skip


def _in_emergency(record: Record, openings: Iterable[names.Emergency]) -> bool:
    """The opening itself, and all that was read while it lasted."""
    return record.activity == "emergency" or any(
        one.person == record.actor.person
        and one.unit == record.actor.unit
        and one.from_us <= record.time_us < one.until_us
        for one in openings
    )


def is_public(provider: Mapping[str, Any]) -> bool:
    """Whether a care provider is a public body, where who read is told by name."""
    identifiers = provider.get("identifier")
    return any(
        one.get("system") == _ORGANISATION_NUMBER and str(one.get("value", "")).startswith(_PUBLIC)
        for one in (identifiers if isinstance(identifiers, list) else ())
        if isinstance(one, dict)
    )


def _merged(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Equal lines as one, with their number and all their kinds."""
    found: dict[tuple[Any, ...], Line] = {}
    for line in lines:
        key = (line.when, line.place, line.who, line.what, line.emergency, line.reason)
        before = found.get(key)
        if before is None:
            found[key] = line
            continue
        kinds = sorted({kind for one in (before.kinds, line.kinds) for kind in one.split(", ") if kind})
        found[key] = Line(*key[:4], ", ".join(kinds), before.times + 1, line.emergency, line.reason)
    return tuple(sorted(found.values(), key=lambda line: (line.when, line.emergency), reverse=True))


def name_of(told: Callable[[str], str], patient: Mapping[str, Any]) -> str:
    given = patient.get("name") or [{}]
    official = next((one for one in given if one.get("use") == "official"), given[0])
    parts = [*(official.get("given") or ()), official.get("family")]
    return " ".join(str(part) for part in parts if part) or str(official.get("text") or told(N_("name not recorded")))


def _number(patient: Mapping[str, Any]) -> str:
    for system in PERSONAL_NUMBERS:
        for one in patient.get("identifier") or ():
            if one.get("system") == system:
                value = str(one.get("value", ""))
                return f"{value[:8]}-{value[8:]}" if len(value) == 12 else value
    return f"id {patient.get('id')}"


def as_pdf(shown: LogExtractPage, language: str) -> bytes:
    """The extract on paper: tagged, two identifiers, time and page number on each page."""
    import typst

    told = texts(language).gettext
    values = {"name": shown.name, "number": shown.number, "at": shown.printed, "since": shown.since}
    words = {name: told(text) % values if "%(" in text else told(text) for name, text in PAPER.items()}
    template = (files("vaka.web") / "templates" / "log_extract.typ").read_bytes()
    content = {**asdict(shown), "pdf": "", "language": language, "words": words}
    made = typst.compile(
        template, format="pdf", sys_inputs={"page": orjson.dumps(content).decode()}, ignore_system_fonts=True
    )
    assert isinstance(made, bytes)
    return made
