"""read and search of AuditEvents: those made of the access log, and then those that programs have posted.

The log's own come first, newest first, for who may read the log; ``_source=urn:vaka:access-log`` asks for these alone,
``_source=urn:vaka:record`` for the others alone. A person with the right reads what was done by the own provider's people or
with the own provider's information (L3: rights of its own). https://hl7.org/fhir/R4/auditevent.html#search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import orjson

from vaka import config
from vaka.access.filter import AccessFilter, system_filter
from vaka.access.session import Right
from vaka.accesslog import read as logged
from vaka.accesslog.read import Asked, Event, Place
from vaka.accesslog.record import person_key
from vaka.accesslog.runs import when
from vaka.api.audit_event import ACTIONS, ID_PREFIX, SOURCE, Names, audit_event
from vaka.api.bundles import bundle, entry, links
from vaka.api.http import Request, Response, link_query, require_json_answer
from vaka.api.interactions import read as record_read
from vaka.api.interactions import search as record_search
from vaka.api.server import Server
from vaka.errors import Forbidden, Invalid
from vaka.fhir.dates import parse as parse_date
from vaka.fhir.keys import resource_key
from vaka.journal import names

RECORD: Final = "urn:vaka:record"
_KNOWN: Final = frozenset({"patient", "entity", "agent", "agent:identifier", "date", "action", "subtype", "outcome"})
_FORM: Final = frozenset({"_count", "_source", "_format", "_pretty", "_page"})
_SYSTEM: Final = system_filter("log")
_SCOPE: Final = "AuditEvent of the log"
NO_RIGHT: Final = "this needs the right to the access log"
OF_ANOTHER: Final = "this event is of another provider"


def may_read(access: AccessFilter) -> bool:
    """Whether ``access`` has the right to the log."""
    return access.session.may(Right.LOG) if access.session is not None else access.full


async def visible(server: Server, access: AccessFilter, asked: Asked) -> Asked:
    """``asked``, narrowed to what ``access`` may read of the log. Forbidden if nothing."""
    if not may_read(access):
        raise Forbidden(NO_RIGHT, why="L3: no right to the log")
    access.trail.patient = asked.patient
    if access.session is None:
        return asked
    provider = access.session.assignment.provider
    return replace(asked, provider=provider, owners=await names.owners_of(server.journal, provider, access=_SYSTEM))


async def read(server: Server, request: Request, id_: str) -> Response:
    """One AuditEvent."""
    if not id_.startswith(ID_PREFIX):
        return await record_read.read(server, request, "AuditEvent", id_)
    require_json_answer(request)
    asked = await visible(server, request.access, Asked())
    await server.log.shipper.ship(everything=True)
    async with server.journal.reading.connection() as connection:
        event = await logged.event(connection, id_.removeprefix(ID_PREFIX))
    if not asked.fits(event.record):
        raise Forbidden(OF_ANOTHER, why="L3: neither by nor about the own provider")
    request.access.trail.patient = event.record.patients[0] if len(event.record.patients) == 1 else None
    found = audit_event(event, await names_of(server, [event]))
    return Response(200, orjson.dumps(found, option=orjson.OPT_INDENT_2 if request.option("_pretty") == "true" else 0))


async def search(server: Server, request: Request) -> Response:
    """A searchset of the log's events; a search of the record where it is that, or nothing that the log can answer."""
    if request.method == "POST":
        request.raw_body = await request.body(config.QUERY_MAX_BYTES)  # it may be asked of the record, too
        given = await record_search.posted_parameters(request)
    else:
        given = list(request.query)
    at: Place | None = None
    sealed = request.option("_page")
    if sealed is not None:
        content = server.pages.open(sealed, access=request.access)
        if content["scope"] != _SCOPE:
            return await record_search.search(server, request, "AuditEvent")
        given, at = [(str(n), str(v)) for n, v in content["parameters"]], Place(*content["at"])
    source = next((value for name, value in given if name == "_source"), None)
    own = {name for name, _ in given} - _FORM
    if source == RECORD or (source is None and (not own <= _KNOWN or not may_read(request.access))):
        request.method, request.raw_body = "GET", b""
        request.query = [pair for pair in given if pair != ("_source", RECORD)]
        return await record_search.search(server, request, "AuditEvent")
    require_json_answer(request)
    if source not in (None, SOURCE):
        raise Invalid(f"_source is {SOURCE} or {RECORD}", path="_source")
    if not own <= _KNOWN:
        raise Invalid(
            f"the log cannot be asked for {sorted(own - _KNOWN)[0][:60]}", help=f"use {', '.join(sorted(_KNOWN))}"
        )
    asked = await visible(server, request.access, asked_of(given))
    count = _count(next((value for name, value in given if name == "_count"), None))
    await server.log.shipper.ship(everything=True)
    async with server.journal.reading.connection() as connection:
        found = await logged.page(connection, asked, count + 1, at=at)
    base = f"{request.base_url}/AuditEvent"
    used = [(name, value) for name, value in given if name not in ("_format", "_pretty", "_page")]
    relations = [("self", base + ("?" + link_query(used) if used else ""))]
    if len(found) > count:
        found = found[:count]
        last = Place.after(found[-1])
        content = {
            "parameters": [list(pair) for pair in used], "scope": _SCOPE,
            "at": [last.began_us, last.stream, last.first, last.block, last.place],
        }  # fmt: skip
        relations.append(("next", f"{base}?_page={server.pages.seal(content, access=request.access)}"))
    elif source is None:  # what programs have posted comes after
        relations.append(("next", f"{base}?{link_query([*used, ('_source', RECORD)])}"))
    named = await names_of(server, found)
    entries = [
        entry(
            {"fullUrl": f"{base}/{ID_PREFIX}{event.id}", "search": {"mode": "match"}},
            orjson.dumps(audit_event(event, named)),
        )
        for event in found
    ]
    return Response(200, bundle({"type": "searchset", "link": links(relations)}, entries))


async def names_of(server: Server, found: Sequence[Event]) -> Names:
    """What the numbers of these events are called."""
    records = [event.record for event in found]
    return Names(
        await names.resources(server.journal, {key for one in records for key in one.patients}, access=_SYSTEM),
        await names.versions(server.journal, {seq for one in records for seq in one.seqs}, access=_SYSTEM),
        await names.owners(server.journal, {owner for one in records for owner in one.owners}, access=_SYSTEM),
    )


def asked_of(given: Sequence[tuple[str, str]]) -> Asked:
    """What search parameters ask of the log. Invalid for values that they cannot have."""
    asked = Asked()
    for name, value in given:
        match name:
            case "patient" | "entity":
                type_, _, id_ = value.rpartition("/")
                if type_ not in ("", "Patient") or (name == "entity" and not type_):
                    raise Invalid(f"{name}={value[:60]} is no Patient", path=name, help="write Patient/ID")
                asked = _once(asked, "patient", name, resource_key("Patient", id_))
            case "agent" | "agent:identifier":
                asked = _once(asked, "person", name, person_key(value.rpartition("|")[2]))
            case "date":
                since, until = _span(value)
                asked = replace(
                    asked,
                    since=max((t for t in (asked.since, since) if t), default=None),
                    until=min((t for t in (asked.until, until) if t), default=None),
                )
            case "action":
                wanted = set(value.split(","))
                if not wanted <= set("CRUDE"):
                    raise Invalid("action is C, R, U, D or E", path="action")
                if "R" in wanted:  # whatever is nothing else
                    asked = replace(
                        asked, without=asked.without | {a for a, is_ in ACTIONS.items() if is_ not in wanted}
                    )
                else:
                    asked = _activities(asked, {a for a, is_ in ACTIONS.items() if is_ in wanted})
            case "subtype":
                codes = {part.rpartition("|")[2] for part in value.split(",")}
                asked = _activities(
                    asked, {"search" if code == "search-type" else code.removesuffix("-instance") for code in codes}
                )
            case "outcome":
                if not set(value.split(",")) <= {"0", "4", "8", "12"}:
                    raise Invalid("outcome is 0, 4, 8 or 12", path="outcome")
                asked = replace(asked, outcomes=frozenset(value.split(",")))
    return asked


def _once(asked: Asked, member: str, name: str, key: int) -> Asked:
    if getattr(asked, member) not in (None, key):
        raise Invalid(f"{name} is asked for twice", path=name)
    return replace(asked, **{member: key})  # type: ignore[arg-type]


def _activities(asked: Asked, wanted: set[str]) -> Asked:
    both = wanted & asked.activities if asked.activities else wanted
    return replace(asked, activities=frozenset(both or {"none"}))


def _span(value: str) -> tuple[datetime | None, datetime | None]:
    prefix, text = (value[:2], value[2:]) if value[:2].isalpha() else ("eq", value)
    span = parse_date(text)
    if span is None or prefix not in ("eq", "ge", "gt", "le", "lt", "sa", "eb"):
        raise Invalid(f"{value[:40]} is no date that the log can be asked for", path="date")
    low, high = (when(min(max(at, 0), 253_000_000_000_000_000)) for at in span)
    return {"eq": (low, high), "ge": (low, None), "gt": (high, None), "sa": (high, None), "le": (None, high),
            "lt": (None, low), "eb": (None, low)}[prefix]  # fmt: skip


def _count(text: str | None) -> int:
    if text is None:
        return config.PAGE_DEFAULT_COUNT
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Invalid(f"_count={text[:20]} is not a number", path="_count")
    return min(max(int(text), 1), config.LOG_PAGE_MAX)
