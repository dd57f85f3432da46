"""history of a resource, a type or the system. https://hl7.org/fhir/R4/http.html#history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vaka import config
from vaka.api.bundles import bundle, history_entry, links
from vaka.api.http import Request, Response, link_query, require_json_answer
from vaka.api.server import Server, known_type
from vaka.errors import Invalid, NotFound
from vaka.fhir.dates import parse as parse_date
from vaka.store.page import HistoryPage

_NEWEST = 2**62
_KNOWN = frozenset({"_count", "_since", "_at", "_format", "_pretty", "_page"})


async def history(server: Server, request: Request, type_: str | None, id_: str | None) -> Response:
    """A history Bundle, newest first. NotFound for a resource that never was."""
    require_json_answer(request)
    if type_ is not None:
        known_type(type_)
    scope = "/".join(part for part in (type_, id_, "_history") if part)
    given = list(request.query)
    before = _NEWEST
    if (sealed := request.option("_page")) is not None:
        content = server.pages.open(sealed, access=request.access)
        if content["scope"] != scope:
            raise Invalid("this page address belongs to another history", path="_page", help="start again")
        given, before = [(str(n), str(v)) for n, v in content["parameters"]], int(content["before"])
    options = _options(given)
    since_us, until_us, at_us = _times(options)
    count = _count(options.get("_count"))
    page = HistoryPage(type_, id_, before, since_us, until_us, at_us, count + 1)
    versions = await server.journal.reader.history(page, access=request.access)
    if id_ is not None and not versions and sealed is None:
        known = await server.store.read(type_ or "", id_, access=request.access)
        if known is None:
            raise NotFound(f"{type_}/{id_} does not exist")
    base = f"{request.base_url}/{scope}"
    used = [(name, value) for name, value in given if name not in ("_page", "_format", "_pretty")]
    relations = [("self", base + ("?" + link_query(used) if used else ""))]
    if len(versions) > count:
        versions = versions[:count]
        content = {"parameters": [list(pair) for pair in used], "scope": scope, "before": versions[-1].seq}
        relations.append(("next", f"{base}?_page={server.pages.seal(content, access=request.access)}"))
    head: dict[str, Any] = {"type": "history", "link": links(relations)}
    if before == _NEWEST and len(relations) == 1:
        head["total"] = len(versions)
    return Response(200, bundle(head, [history_entry(version, request.base_url) for version in versions]))


def _options(given: Sequence[tuple[str, str]]) -> dict[str, str]:
    """A history has no entry that could name what was not applied, so that is an error."""
    options: dict[str, str] = {}
    for name, value in given:
        if name not in _KNOWN:
            raise Invalid(
                f"a history does not know the parameter {name[:60]}", path=name[:60], help="use _count, _since, _at"
            )
        if name in options:
            raise Invalid(f"{name} is given more than once", path=name)
        options[name] = value
    return options


def _times(options: dict[str, str]) -> tuple[int, int, int | None]:
    """(since, until, at) of a HistoryPage. _since: made then or later; _at: current at some moment of that time."""
    spans = {}
    for name in ("_since", "_at"):
        if name in options:
            span = parse_date(options[name])
            if span is None:
                raise Invalid(f"{options[name][:60]} is not a date or time", path=name)
            spans[name] = span
    since_us = spans["_since"][0] if "_since" in spans else 0
    return (since_us, spans["_at"][1], spans["_at"][0]) if "_at" in spans else (since_us, _NEWEST, None)


def _count(text: str | None) -> int:
    if text is None:
        return config.PAGE_DEFAULT_COUNT
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Invalid(f"_count={text[:20]} is not a number", path="_count")
    return min(max(int(text), 1), config.PAGE_MAX_COUNT)
