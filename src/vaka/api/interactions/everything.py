"""Patient/[id]/$everything: all that belongs to one patient. https://hl7.org/fhir/R4/patient-operation-everything.html.

The matches are the patient's compartment; each page brings along what its matches refer to and no patient's compartment holds:
staff, units, medications. A resource of another patient's never comes along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from vaka import config
from vaka.api.http import Request, Response, require_json_answer, require_json_body
from vaka.api.includes import Searching
from vaka.api.interactions.search import run, searchset
from vaka.api.interactions.withheld import withheld
from vaka.api.operations import BY_NAME
from vaka.api.server import Server, known_type, living
from vaka.errors import Invalid
from vaka.fhir.compartments import everything as belongs_to
from vaka.fhir.compartments import members
from vaka.fhir.criteria import Query
from vaka.fhir.dates import parse as parse_date
from vaka.fhir.definitions import RESOURCE_TYPES
from vaka.fhir.extract import local_references
from vaka.fhir.parse import parse_resource
from vaka.fhir.results import count as parse_count
from vaka.store.page import Position
from vaka.store.version import Version

_ASKS = BY_NAME["everything"].asks
_PASSED_BY = frozenset({"_page", "_format", "_pretty"})
_SUPPORTING = frozenset(RESOURCE_TYPES) - frozenset(members("Patient"))


async def everything(server: Server, request: Request, id_: str) -> Response:
    """A searchset Bundle of the patient's compartment, in pages. ``start``, ``end``: the days of care; what has no date of
    care is within them."""
    require_json_answer(request)
    scope = f"Patient/{id_}/$everything"
    at = patient = None
    if (sealed := request.option("_page")) is not None:
        content = server.pages.open(sealed, access=request.access)
        if content["scope"] != scope:
            raise Invalid("this page address belongs to another search", path="_page", help="start again")
        given = [(str(name), str(value)) for name, value in content["parameters"]]
        at = Position(content["upper"], tuple(content["values"]), content["created"], content["rkey"])
    else:
        given = await _given(request)
        patient = await server.store.read("Patient", id_, access=request.access)
        living(patient, "Patient", id_)
    options = _options(given)
    asked = [known_type(name) for text in options["_type"] for name in text.split(",") if name]
    spans = {name: _span(name, options[name]) for name in ("_since", "start", "end")}
    since, start, end = spans["_since"], spans["start"], spans["end"]
    types = tuple(dict.fromkeys(type_ for type_ in asked or members("Patient") if type_ not in _SUPPORTING))
    if not types:
        raise Invalid(f"{asked[0]} is not part of the Patient compartment", path="_type")
    query = Query(
        types=types,
        where=belongs_to(
            id_, types=types, since_us=since[0] if since else None, same=server.store.same,
            start_us=start[0] if start else None, end_us=end[1] if end else None,
        ),
        count=parse_count(options["_count"][0]) if options["_count"] else config.PAGE_MAX_COUNT,
        used=tuple((name, value) for name, value in given if name in _ASKS), within=frozenset({id_}),
    )  # fmt: skip
    searching = server.store.searching(request.access)
    page, _ = await run(searching, query, at=at)
    extra = await _supporting(searching, page.matches, _SUPPORTING.intersection(asked) if asked else _SUPPORTING)
    page = replace(page, aside=page.aside + searching.missed)
    if since:
        extra = [version for version in extra if version.updated_us >= since[0]]
    notes = await withheld(server, request, id_, patient) if at is None else []
    return Response(200, searchset(server, request, query, page, extra, list(query.used), scope, at, notes))


async def _given(request: Request) -> list[tuple[str, str]]:
    """The parameters of the address, and those of a Parameters resource in the body."""
    if request.method != "POST":
        return request.query
    require_json_body(request)
    body = await request.body()
    if not body.strip():
        return request.query
    parts = parse_resource(body, "Parameters").resource.get("parameter", [])
    found = []
    for part in parts if isinstance(parts, list) else ():
        held: dict[str, Any] = part if isinstance(part, dict) else {}
        values = [value for member, value in held.items() if member.startswith("value")]
        if len(values) != 1 or isinstance(values[0], dict | list | bool):
            raise Invalid(f"the parameter {str(held.get('name'))[:60]} has no value", path="Parameters.parameter")
        found.append((str(held.get("name")), str(values[0])))
    return request.query + found


def _options(given: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Values by name. Only ``_type`` may be given several times."""
    options: dict[str, list[str]] = {name: [] for name in _ASKS}
    for name, value in given:
        if name in _PASSED_BY:
            continue
        if name not in options:
            raise Invalid(f"$everything does not know {name[:60]}", path=name[:60], help=f"use {', '.join(_ASKS)}")
        if options[name] and name != "_type":
            raise Invalid(f"{name} is given more than once", path=name)
        options[name].append(value)
    return options


def _span(name: str, values: Sequence[str]) -> tuple[int, int] | None:
    if not values:
        return None
    span = parse_date(values[0])
    if span is None:
        raise Invalid(f"{values[0][:60]} is not a date or time", path=name)
    return span


async def _supporting(searching: Searching, matches: Sequence[Version], types: frozenset[str]) -> list[Version]:
    """What ``matches`` refer to among resources of ``types``, as far as the caller may see it."""
    wanted = dict.fromkeys(
        (type_, id_)
        for version in matches
        for _, type_, id_ in local_references(orjson.loads(version.body or b"{}"))
        if type_ in types
    )
    return await searching.read_many(list(wanted)[: config.INCLUDE_MAX_RESOURCES])
