"""The log extract for the patient in plain words (L4; PDL 8:5): when, which unit, who where care is public, what kind.

Invariants: what was done in an emergency is said as that; of a patient whose identity is protected neither place nor time of
a visit can be read from it (S24): no time, unit, provider or person stands there. Who it was is told only where the provider
is a public body (its organisation number says so).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
from vaka.accesslog.tables import when
from vaka.errors import NotFound
from vaka.fhir.dates import ZONE
from vaka.fhir.keys import resource_key
from vaka.fhir.query import parse_query
from vaka.journal import names
from vaka.journal.journal import Journal
from vaka.web.pages.log_extract import Line, LogExtractPage

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
    "read": "Läst", "vread": "Läst en tidigare version", "history": "Läst tidigare versioner",
    "search": "Sett i en sökning eller lista",
    "everything": "Hämtat hela journalen", "create": "Skrivit in", "update": "Ändrat", "patch": "Ändrat", "delete": "Tagit bort",
    "transaction": "Läst eller skrivit flera uppgifter", "validate": "Kontrollerat uppgifter", "sign": "Signerat",
    "acknowledge": "Vidimerat provsvar", "print": "Skrivit ut", "open": "Öppnat en annan enhets uppgifter",
    "incapacity": "Öppnat för en patient som inte kan samtycka",
    "emergency": "Öppnat i en nödsituation", "existence": "Sett att det finns uppgifter hos andra",
    "existence-blocked": "Sett att det finns spärrade uppgifter", "attest": "Intygat en vårdrelation",
    "lift": "Hävt en spärr", "cancel-lift": "Återställt en hävd spärr", "revoke": "Återkallat en spärr eller ett samtycke",
    "close": "Stängt det som öppnats", "log": "Läst loggen", "log-extract": "Tagit fram loggutdrag",
    "countersign": "Kontrasignerat", "correct": "Rättat en signerad uppgift", "lock": "Låst en uppgift",
    "annul": "Makulerat en uppgift", "misfiled": "Flyttat en felförd uppgift", "visibility": "Bestämt vad som visas på nätet",
    "unsigned": "Sett i listan över osignerat", "unacknowledged": "Sett i listan över ovidimerat",
    "merge": "Slagit ihop journaler", "unmerge": "Tagit isär journaler", "link": "Kopplat ihop två nummer",
    "redact": "Tagit bort innehåll efter myndighetsbeslut", "feed": "Hämtat ändringar", "load": "Läst in uppgifter",
}  # fmt: skip
_KINDS: Final[Mapping[str, str]] = {
    "alert": "uppmärksamhetssignaler", "contact": "vårdkontakter", "plan": "vårdplaner", "note": "journalanteckningar",
    "diagnosis": "diagnoser och åtgärder", "laboratory": "provsvar", "imaging": "bilddiagnostik", "referral": "remisser",
    "vaccination": "vaccinationer", "medication": "läkemedel", "observation": "mätvärden", "person": "personuppgifter",
    "consent": "samtycken och spärrar", "other": "övrigt", "directory": "",
}  # fmt: skip


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
            raise NotFound("several patients have this number", help="give the id of one of them")
        raise NotFound("nobody in this record has this number")
    return given


async def extract(journal: Journal, id_: str, asked: Asked, *, pdf: str = "") -> LogExtractPage:
    """The extract of one patient; ``asked`` says what of the log its reader may see. NotFound if there is no such patient."""
    patient = await journal.reader.read("Patient", id_, access=_SYSTEM)
    if patient is None or patient.body is None:
        raise NotFound(f"Patient/{id_} does not exist")
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
    made = [
        _line(record, kinds, organizations, protected=protected, emergency=_in_emergency(record, openings))
        for record in records
    ]
    since = min((record.time_us for record in records), default=None)
    return LogExtractPage(
        name_of(resource), _number(resource), protected,
        "" if since is None or protected else f"{when(since).astimezone(ZONE):%Y-%m-%d}",
        f"{now.astimezone(ZONE):%Y-%m-%d kl. %H:%M}", f"{now.astimezone(ZONE):%Y-%m-%d kl. %H:%M}", cut, _merged(made), pdf,
    )  # fmt: skip


def _line(
    record: Record,
    kinds: Mapping[int, str],
    organizations: Mapping[str, dict[str, Any]],
    *,
    protected: bool,
    emergency: bool,
) -> Line:
    actor = record.actor
    did = DID.get(record.activity, record.activity)
    told = sorted({text for owner in record.owners if (text := _KINDS.get(kinds.get(owner, ""), "övrigt"))})
    if protected:
        return Line("", "", actor.title, did, ", ".join(told), 1, emergency, "")
    provider, unit = organizations.get(actor.provider, {}), organizations.get(actor.unit, {})
    place = [str(one.get("name", "")) for one in (unit, provider)]
    if not actor.person:
        who = f"Datasystem: {actor.principal}"
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


def name_of(patient: Mapping[str, Any]) -> str:
    given = patient.get("name") or [{}]
    official = next((one for one in given if one.get("use") == "official"), given[0])
    parts = [*(official.get("given") or ()), official.get("family")]
    return " ".join(str(part) for part in parts if part) or str(official.get("text") or "Namn saknas")


def _number(patient: Mapping[str, Any]) -> str:
    for system in PERSONAL_NUMBERS:
        for one in patient.get("identifier") or ():
            if one.get("system") == system:
                value = str(one.get("value", ""))
                return f"{value[:8]}-{value[8:]}" if len(value) == 12 else value
    return f"id {patient.get('id')}"


def as_pdf(shown: LogExtractPage) -> bytes:
    """The extract on paper: tagged, two identifiers, time and page number on each page."""
    import typst

    template = (files("vaka.web") / "templates" / "log_extract.typ").read_bytes()
    values = {"page": orjson.dumps({**asdict(shown), "pdf": ""}).decode()}
    made = typst.compile(template, format="pdf", sys_inputs=values, ignore_system_fonts=True)
    assert isinstance(made, bytes)
    return made
