"""search in a type, a compartment or the system, by GET and by POST _search. https://hl7.org/fhir/R4/http.html#search.

Pages: the first page's parameters and place travel in an encrypted address (``_page``), bound to who asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from vaka import config
from vaka.api.bundles import bundle, entry, links, search_entry
from vaka.api.http import (
    Request,
    Response,
    UnsupportedMedia,
    link_query,
    parse_query_string,
    preferences,
    require_json_answer,
)
from vaka.api.includes import Searching, included
from vaka.api.interactions.withheld import patient_asked, withheld
from vaka.api.server import Server, known_type
from vaka.errors import Invalid, Issue, NotFound
from vaka.fhir import exact
from vaka.fhir.compartments import members
from vaka.fhir.criteria import Query
from vaka.fhir.definitions import COMPARTMENTS, RESOURCE_TYPES
from vaka.fhir.elements import for_elements, summarise
from vaka.fhir.outcome import operation_outcome
from vaka.fhir.query import parse_query
from vaka.store.page import Page, Position
from vaka.store.version import Version

FORM = "application/x-www-form-urlencoded"


async def posted_parameters(request: Request) -> list[tuple[str, str]]:
    """The parameters of a POST _search: those of the body and those of the address."""
    media = (request.header("content-type") or FORM).split(";")[0].strip().lower()
    if media != FORM:
        raise UnsupportedMedia(f"Content-Type {media[:60]} is not taken here", help=f"send {FORM}")
    body = await request.body(config.QUERY_MAX_BYTES)
    try:
        return parse_query_string(body.decode("ascii", "strict")) + request.query
    except UnicodeDecodeError as error:
        raise Invalid("the form is not percent-encoded") from error


async def search(
    server: Server, request: Request, type_: str | None, compartment: tuple[str, str] | None = None
) -> Response:
    """A searchset Bundle. ``type_`` None: in all types (of the compartment)."""
    require_json_answer(request)
    parameters = await posted_parameters(request) if request.method == "POST" else request.query
    if type_ is not None:
        known_type(type_)
    sealed = next((value for name, value in parameters if name == "_page"), None)
    at: Position | None = None
    if sealed is not None:
        content = server.pages.open(sealed, access=request.access)
        parameters = [(str(name), str(value)) for name, value in content["parameters"]]
        if content["scope"] != _scope(type_, compartment):
            raise Invalid("this page address belongs to another search", path="_page", help="start the search again")
        at = Position(content["upper"], tuple(content["values"]), content["created"], content["rkey"])
    types = [type_] if type_ else list(members(compartment[0])) if compartment else list(RESOURCE_TYPES)
    query = parse_query(
        types, parameters, base_url=request.base_url, strict=preferences(request).strict, compartment=compartment,
        same=server.store.same,
    )  # fmt: skip
    page, extra = await run(server.store.searching(request.access), query, at=at)
    notes = await withheld(server, request, patient_asked(parameters, compartment)) if at is None else []
    scope = _scope(type_, compartment)
    return Response(200, searchset(server, request, query, page, extra, parameters, scope, at, notes))


async def run(searching: Searching, query: Query, *, at: Position | None = None) -> tuple[Page, list[Version]]:
    """One page and what it includes."""
    count = 0 if query.summary == "count" or query.count == 0 else query.count or config.PAGE_DEFAULT_COUNT
    if count == 0:
        query = replace(query, summary="count")
    page = await searching.search(query, count=min(count, config.PAGE_MAX_COUNT), at=at)
    extra = await included(searching, page.matches, query.includes) if query.includes else []
    return replace(page, aside=page.aside + searching.missed), extra


def searchset(
    server: Server,
    request: Request,
    query: Query,
    page: Page,
    extra: Sequence[Version],
    parameters: Sequence[tuple[str, str]],
    scope: str,
    at: Position | None,
    notes: Sequence[Issue] = (),
) -> bytes:
    """The Bundle of a page. ``notes``: what must be said beside it."""
    base = f"{request.base_url}/{scope}" if scope else request.base_url
    relations = [("self", base + ("?" + link_query(query.used) if query.used else ""))]
    if page.next is not None:
        content: dict[str, Any] = {
            "parameters": [[name, value] for name, value in parameters],
            "scope": scope,
            "upper": page.next.upper,
            "values": list(page.next.values),
            "created": page.next.created,
            "rkey": page.next.rkey,
        }
        if at is not None:
            relations.append(("first", relations[0][1]))
        relations.append(("next", f"{base}?_page={server.pages.seal(content, access=request.access)}"))
    head: dict[str, Any] = {"type": "searchset"}
    if page.total is not None:
        head["total"] = page.total
    head["link"] = links(relations)
    entries = [search_entry(version, request.base_url, "match", _shown(version, query)) for version in page.matches]
    entries += [search_entry(version, request.base_url, "include", _shown(version, query)) for version in extra]
    issues = list(notes)
    if page.aside:
        told = "1 item cannot be shown" if page.aside == 1 else f"{page.aside} items cannot be shown"
        issues.append(
            Issue("warning", "incomplete", f"{told}: this copy could not interpret what it was told; the journal can")
        )
    issues += [
        Issue(
            "warning",
            "incomplete",
            f"{version.type}/{version.id} is superseded by a version that cannot be shown: this copy could not interpret it;"
            " the journal can",
        )
        for version in (*page.matches, *extra)
        if version.superseded
    ]
    if len(extra) >= config.INCLUDE_MAX_RESOURCES:
        told = f"more than {config.INCLUDE_MAX_RESOURCES} resources are to be included; the others were left out"
        issues.append(Issue("warning", "too-costly", told))
    issues += [Issue("warning", "not-supported", f"{name}: {reason}", name) for name, reason in query.ignored]
    if issues:
        entries.append(entry({"search": {"mode": "outcome"}}, orjson.dumps(operation_outcome(issues))))
    return bundle(head, entries)


def _shown(version: Version, query: Query) -> bytes | None:
    if version.body is None or (query.summary == "false" and not query.elements):
        return version.body
    resource = exact.loads(version.body)
    if query.elements:
        return exact.dumps(for_elements(resource, query.elements))
    return exact.dumps(summarise(resource, query.summary))


def _scope(type_: str | None, compartment: tuple[str, str] | None) -> str:
    """The path below the base address that a search was asked at."""
    if compartment is not None:
        return f"{compartment[0]}/{compartment[1]}/{type_ or '*'}"
    return type_ or ""


async def search_compartment(server: Server, request: Request, name: str, id_: str, type_: str) -> Response:
    """``Patient/1/Observation?…``, ``Patient/1/*``. https://hl7.org/fhir/R4/http.html#vsearch."""
    if name not in COMPARTMENTS:
        raise NotFound(f"{name[:64]} is no compartment of FHIR R4")
    return await search(server, request, None if type_ == "*" else known_type(type_), (name, id_))
