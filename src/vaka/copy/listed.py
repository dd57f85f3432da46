"""Worklists in record.db: kept with each change, read by the reader's own gate.

Invariants: a place on a list and the change that makes it stand in one commit; what a reader may not see is left out before
anything is counted or cut; acts on older versions take nothing from a list (S17); of who is protected neither name nor place
stands there (S24).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final, NamedTuple

import apsw
import orjson

from vaka import config
from vaka.access.filter import AccessFilter
from vaka.access.law import Act
from vaka.access.marks import actor_of, is_mark, mark_of
from vaka.access.masking import masked
from vaka.access.trail import Touched
from vaka.copy.gate import gate
from vaka.copy.reader import Reader, Row
from vaka.copy.reserve.entry import is_pending
from vaka.copy.sheet.aside import TYPE_NUMBERS
from vaka.copy.sheet.elements import Line, one, reference_id
from vaka.copy.sheet.entry import Entry
from vaka.copy.sheet.identity import Identity, identity
from vaka.copy.sheet.kept import name_of
from vaka.copy.statements import statements
from vaka.copy.worklists import TYPES, Listed, line_of, settled, works
from vaka.fhir.dates import DAY_US, ZONE
from vaka.fhir.definitions import type_name, type_number
from vaka.fhir.keys import key, parameter_mask, reference_key, resource_key
from vaka.fhir.laboratory import identifiers, superseded
from vaka.store.gate import Gate
from vaka.store.sheet import Worklists
from vaka.store.through import now_us
from vaka.store.version import parse_version_id

NAMES: Final[Mapping[Listed, str]] = {
    Listed.HERE: "here", Listed.COMING: "coming", Listed.UNSIGNED: "unsigned", Listed.ANSWERS: "answers",
    Listed.ORDERS: "orders", Listed.TASKS: "tasks", Listed.PAPER: "paper",
}  # fmt: skip
_FINAL: Final = frozenset({"final", "amended", "corrected", "appended"})
_BASED_ON: Final = parameter_mask("DiagnosticReport.based-on")
_ANSWERS: Final = orjson.dumps([key("DiagnosticReport.status", "c", each) for each in sorted(_FINAL)]).decode()
_TYPES: Final = orjson.dumps(sorted(TYPES)).decode()
_LOOKS_MAX: Final = 10
"""How many times as much as a list shows is looked at, where most of it is past or settled."""
_POINTING_MAX: Final = 50
_ORGANIZATION: Final = type_number("Organization")


class Owner(NamedTuple):
    """Whose a resource is: ``unit`` (None: not known), the ``source`` that it came from, its ``author``."""

    unit: str | None = None
    source: str = ""
    author: str | None = None


def owner(connection: apsw.Connection, number: int) -> Owner:
    """The owner of this number."""
    row = connection.execute(statements("sheet")["owner_named"], {"owner": number}).fetchone()
    return Owner(*row) if row is not None else Owner()


def drop(connection: apsw.Connection, rkey: int) -> None:
    """A resource is another now, or gone: it stands on no list."""
    connection.execute(statements("sheet")["drop_works"], {"rkey": rkey})


def put(connection: apsw.Connection, rkey: int, resource: Mapping[str, Any], whose: Owner, patient: int | None) -> None:
    """Where a resource stands that stands on no list. Called by the applier within its transaction, once its row stands. A mark
    that waits in a reserve, where the journal may still refuse it, takes nothing from a list for good (S17)."""
    if is_mark(resource):
        if not is_pending(resource):
            _settle(connection, resource)
        return
    ordered = _ordered_by(connection, resource)
    for work in works(resource, ordered or whose.unit, whose.source, whose.author):
        connection.execute(
            statements("sheet")["put_work"],
            {"unit": work.unit, "list": int(work.list), "from_us": work.from_us, "until_us": work.until_us, "rkey": rkey,
             "patient": patient, "person": work.person},
        )  # fmt: skip


def _ordered_by(connection: apsw.Connection, resource: Mapping[str, Any]) -> str | None:
    """The unit whose order a result answers: it stands on that unit's list."""
    if resource.get("resourceType") not in ("DiagnosticReport", "Observation"):
        return None
    reference = reference_id(one(resource.get("basedOn")))
    if not reference.startswith("ServiceRequest/"):
        return None
    rkey = resource_key("ServiceRequest", reference.partition("/")[2])
    row = connection.execute(statements("sheet")["owner_of"], {"rkey": rkey}).fetchone()
    return row[0] if row is not None else None


def _settle(connection: apsw.Connection, resource: Mapping[str, Any]) -> None:
    try:
        mark = mark_of(resource)
    except (AttributeError, TypeError, ValueError, IndexError):
        return
    listed = settled(mark.act) if mark is not None else None
    number = parse_version_id(mark.version_id) if mark is not None and mark.version_id else None
    if mark is None or listed is None or number is None:
        return
    values = {"rkey": resource_key(mark.type, mark.id), "list": int(listed), "version": number[0], "epoch": number[1]}
    connection.execute(statements("sheet")["settle_work"], values)


def unit_of(reader: Reader, named: str) -> str | None:
    """The Organization id of an HSA-id, or of an Organization id."""
    values = {"key": key("Organization.identifier", "c", named), "type": _ORGANIZATION}
    rows = reader.rows(statements("sheet")["unit_named"], values)
    if rows:
        return str(rows[0][0])
    there = reader.rows(statements("sheet")["named"], {"rkey": resource_key("Organization", named)})
    return named if there else None


def worklists(
    reader: Reader, unit: str, access: AccessFilter, *, aged: bool = False, limit: int = config.WORKLIST_MAX
) -> Worklists:
    """The lists of ``unit`` as ``access`` may see them, each of at most ``limit`` lines. Forbidden for who may
    not read at all."""
    now = now_us()
    through = gate(access, aged=aged)
    text = through.into(statements("sheet")["works"])
    before = {Listed.COMING: after_tomorrow(now)}
    since = {
        Listed.COMING: today(now) + DAY_US - 1
    }  # shown until a day after its end: here what ended yesterday is over
    lists, more, broken = [], set(), 0
    people = _People(reader, access, through)
    for listed in Listed:
        values = {
            "unit": unit, "list": int(listed), "before": before.get(listed, 2**62), "now": since.get(listed, now),
            "after_us": -(2**63), "after": -(2**63), "based_on": _BASED_ON if listed is Listed.ORDERS else 0, "final": _ANSWERS,
            "limit": limit + 1, **dict(through.values),
        }  # fmt: skip
        lines: list[Line] = []
        for look in range(_LOOKS_MAX):
            rows = reader.rows(text, values)
            for row in rows[: limit + 1]:
                try:
                    line = _line(reader, listed, row, people, unit, access)
                except Exception:  # one entry that cannot be read must not take the list along (S4)
                    broken += 1
                    continue
                if line is None:
                    continue
                if len(lines) == limit:
                    more.add(NAMES[listed])
                    break
                lines.append(line)
                access.trail.touched.append(Touched(type_name(row[1]), row[5], row[6], row[11], row[7]))
                access.trail.rules |= row[12]
            if len(rows) <= limit or NAMES[listed] in more:
                break
            if look == _LOOKS_MAX - 1:
                more.add(NAMES[listed])
            values |= {"after_us": rows[-1][13], "after": rows[-1][5]}
        lists.append((NAMES[listed], lines))
    values = {"unit": unit, "types": TYPE_NUMBERS, "listed": _TYPES, **dict(through.values)}
    broken += int(reader.rows(through.into(statements("sheet")["works_aside"]), values)[0][0])
    name = name_of(reader.connection, reader.codec, f"Organization/{unit}") or unit
    return Worklists(unit, name, lists, frozenset(more), broken)


class _People:
    """The patients of one answer, each looked up once. A program whose scopes do not cover who they are is not told."""

    def __init__(self, reader: Reader, access: AccessFilter, through: Gate) -> None:
        self._reader, self._access, self._values = reader, access, dict(through.values)
        self._sql = through.into(statements("sheet")["patients"])
        self._known: dict[int, Identity] = {}

    def of(self, rkey: int | None) -> Identity:
        if rkey is None:
            return Identity("", "")
        if rkey not in self._known:
            rows = self._reader.rows(self._sql, {"rkey": rkey, **self._values})
            self._known[rkey] = self._read(rows[0]) if rows else Identity("", "?", broken=True)
        return self._known[rkey]

    def _read(self, row: Row) -> Identity:
        rkey, id_, dictionary, packed, seq, owner, protected, permitted, rule = row
        if not permitted:
            return Identity(str(id_), "?", protected=bool(protected))
        body = self._reader.codec.decompress(dictionary, packed) if packed is not None else None
        if not protected:  # else nothing of it is shown
            self._access.trail.touched.append(Touched("Patient", rkey, seq, rkey, owner))
            self._access.trail.rules |= rule
        who = identity(str(id_), masked(body) if protected and body is not None else body)
        return who if bool(protected) == who.protected else Identity(who.id, "?", protected=True)


def _line(reader: Reader, listed: Listed, row: Row, people: _People, unit: str, access: AccessFilter) -> Line | None:
    type_, id_, dictionary, packed, rkey, seq, owner, pending, version, epoch, patient = row[1:12]
    name = type_name(type_)
    body = reader.codec.decompress(dictionary, packed)
    resource = orjson.loads(body)
    at = (version, epoch)
    if listed in (Listed.UNSIGNED, Listed.ANSWERS) and _is_settled(reader, listed, f"{name}/{id_}", at, access):
        return None
    if listed is Listed.ANSWERS and _is_past(reader, resource, row, unit):
        return None
    entry = Entry(name, id_, body, rkey, seq, owner, bool(pending), superseded=bool(row[14]))
    return line_of(listed, entry, resource, people.of(patient), _names(reader))


def _names(reader: Reader) -> Callable[[str], str]:
    return lambda reference: name_of(reader.connection, reader.codec, reference)


def _is_settled(reader: Reader, listed: Listed, name: str, at: tuple[int, int], access: AccessFilter) -> bool:
    """Whether a mark on the current version stands, ``at`` (number, epoch): one that came here before the version it is on,
    too. One that waits in a reserve counts for who made it alone: it clears nobody else's list (S17)."""
    type_, _, id_ = name.partition("/")
    for resource in _pointing(reader, "Provenance.target", type_, id_):
        mark = mark_of(resource) if is_mark(resource) else None
        if mark is None or f"{mark.type}/{mark.id}" != name or mark.version_id is None:
            continue
        if is_pending(resource) and mark.actor != actor_of(access).key:
            continue
        if parse_version_id(mark.version_id) == at and settled(Act(mark.act)) is listed:
            return True
    return False


def _is_past(reader: Reader, resource: Mapping[str, Any], row: Row, unit: str) -> bool:
    """Whether a later version of the same result has come to this list, from the same owner: that one is read (S16)."""
    type_, rkey, owner, patient = row[1], row[5], row[7], row[11]
    numbers = {
        key(f"{type_name(type_)}.identifier", "sc", *number)
        for number in identifiers(resource)[:_POINTING_MAX]
    }  # fmt: skip
    found: dict[str, Mapping[str, Any]] = {}
    mine = ""
    for number in numbers:
        values = {"key": number, "type": type_, "patient": patient, "owner": owner, "limit": config.RESULTS_ALIKE_MAX}
        for other, created, dictionary, packed, place in reader.rows(statements("sheet")["alike"], values):
            name = f"{created:020d} {other}"
            if other == rkey:
                mine = name
            each = orjson.loads(reader.codec.decompress(dictionary, packed))
            if other == rkey or (_ordered_by(reader.connection, each) or place) == unit:
                found[name] = each
    return mine in superseded(found.items())


def _pointing(reader: Reader, parameter: str, type_: str, id_: str) -> list[Mapping[str, Any]]:
    values = {"key": reference_key(parameter, type_, id_), "limit": _POINTING_MAX}
    rows: Sequence[Row] = reader.rows(statements("sheet")["pointing"], values)
    return [orjson.loads(reader.codec.decompress(row[1], row[2])) for row in rows]


def today(now: int, days: int = 0) -> int:
    """When today has begun in Sweden, or the day so many ``days`` later."""
    day = datetime.fromtimestamp(now / 1_000_000, UTC).astimezone(ZONE).date() + timedelta(days=days)
    return int(datetime.combine(day, time(), ZONE).timestamp()) * 1_000_000


def after_tomorrow(now: int) -> int:
    """The end of tomorrow in Sweden."""
    return today(now, 2)
