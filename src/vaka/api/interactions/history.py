"""history of a resource, a type or the system. https://hl7.org/fhir/R4/http.html#history."""

from __future__ import annotations

from typing import Any

from vaka import config
from vaka.api.bundles import bundle, history_entry, links
from vaka.api.http import Request, Response, link_query, require_json_answer
from vaka.api.server import Server, known_type
from vaka.errors import Invalid, NotFound
from vaka.fhir.dates import parse as parse_date
from vaka.journal.read import HistoryPage

_NEWEST = 2**62
_KNOWN = frozenset({"_count", "_since", "_at", "_format", "_pretty", "_page"})


async def history(server: Server, request: Request, type_: str | None, id_: str | None) -> Response:
    """A history Bundle, newest first. NotFound for a resource that never was."""
    require_json_answer(request)
    if type_ is not None:
        known_type(type_)
    scope = "/".join(part for part in (type_, id_, "_history") if part)
    given = [(name, value) for name, value in request.query if name in _KNOWN]
    before = _NEWEST
    if (sealed := request.option("_page")) is not None:
        content = server.pages.open(sealed, access=request.access)
        if content["scope"] != scope:
            raise Invalid("this page address belongs to another history", path="_page", help="start again")
        given, before = [(str(n), str(v)) for n, v in content["parameters"]], int(content["before"])
    options = dict(given)
    since_us, until_us = _times(options)
    count = _count(options.get("_count"))
    page = HistoryPage(type_, id_, before, since_us, until_us, count + 1)
    versions = await server.journal.reader.history(page, access=request.access)
    if id_ is not None and not versions and sealed is None:
        known = await server.journal.reader.read(type_ or "", id_, access=request.access)
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


def _times(options: dict[str, str]) -> tuple[int, int]:
    """(since, until) in µs, both inclusive: _since is a bound, _at a period in which versions were current or made."""
    since_us, until_us = 0, _NEWEST
    for name in ("_since", "_at"):
        if (text := options.get(name)) is not None:
            span = parse_date(text)
            if span is None:
                raise Invalid(f"{text[:60]} is not a date or time", path=name)
            since_us = max(since_us, span[0])
            if name == "_at":
                until_us = span[1]
    return since_us, until_us


def _count(text: str | None) -> int:
    if text is None:
        return config.PAGE_DEFAULT_COUNT
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Invalid(f"_count={text[:20]} is not a number", path="_count")
    return min(max(int(text), 1), config.PAGE_MAX_COUNT)
