"""$unsigned and $unacknowledged: what waits for somebody, by unit or person, longest waiting first (J3).

An entry is a record from its first save; that it is unsigned is told by its place on the list and by a tag in the copy that
the list gives (the stored entry has none). Pages travel as those of a search do.
"""

from __future__ import annotations

from typing import Any, Final

from vaka import config
from vaka.access.law import Owes
from vaka.api.asked import told
from vaka.api.bundles import bundle, links, search_entry
from vaka.api.http import Request, Response, link_query, require_json_answer
from vaka.api.server import Server, check_id
from vaka.errors import Invalid
from vaka.fhir import exact
from vaka.fhir.results import count as parse_count
from vaka.journal.owed import Owed
from vaka.journal.owed import owed as find

TAG: Final = "urn:x-vaka:owes"
_KNOWN: Final = frozenset({"unit", "person", "step", "_count", "_page", "_format", "_pretty"})
_LACKING: Final = {
    "received": (Owes.RECEIPT,),
    "read": (Owes.RECEIPT, Owes.READING),
    "acted-on": (Owes.RECEIPT, Owes.READING, Owes.ACTION),
}


async def unsigned(server: Server, request: Request) -> Response:
    """A searchset Bundle of entries whose current version nobody has signed."""
    return await _owed(server, request, "$unsigned")


async def unacknowledged(server: Server, request: Request) -> Response:
    """A searchset Bundle of results that lack a ``step`` (default: nobody has read them)."""
    return await _owed(server, request, "$unacknowledged")


async def _owed(server: Server, request: Request, scope: str) -> Response:
    require_json_answer(request)
    told(request, scope[1:])
    given, after = request.query, 0
    if (sealed := request.option("_page")) is not None:
        content = server.pages.open(sealed, access=request.access)
        if content["scope"] != scope:
            raise Invalid(
                "this page address belongs to another list", path="_page", help="start again", why="other page"
            )
        given, after = [(str(name), str(value)) for name, value in content["parameters"]], int(content["after"])
    if unknown := [name for name, _ in given if name not in _KNOWN]:
        raise Invalid(f"{scope} does not know {unknown[0][:60]}", path=unknown[0][:60], help="use unit, person, _count")
    options = dict(given)
    unit, person = _id(options, "unit", "Organization"), _id(options, "person", "Practitioner")
    if unit is None and person is None:
        if request.access.session is None:
            raise Invalid(f"{scope} needs unit or person", help="unit=[Organization id] or person=[Practitioner id]")
        unit = request.access.session.assignment.unit
    owes: tuple[Owes, ...] = (Owes.SIGNATURE,)
    if scope == "$unacknowledged":
        step = options.get("step", "read")
        if step not in _LACKING:
            raise Invalid(f"step={step[:40]} is not one of {', '.join(_LACKING)}", path="step")
        owes = _LACKING[step]
    elif "step" in options:
        raise Invalid("$unsigned does not know step", path="step")
    count = parse_count(options["_count"]) if "_count" in options else config.PAGE_DEFAULT_COUNT
    count = min(max(count, 1), config.PAGE_MAX_COUNT)
    found = await find(
        server.journal, owes, unit=unit, person=person, after=after, limit=count + 1, access=request.access
    )
    kept = [(name, value) for name, value in given if name not in ("_page", "_format", "_pretty")]
    base = f"{request.base_url}/{scope}"
    relations = [("self", base + ("?" + link_query(kept) if kept else ""))]
    if len(found) > count:
        found = found[:count]
        following = {"scope": scope, "parameters": [list(pair) for pair in kept], "after": found[-1].since}
        relations.append(("next", f"{base}?_page={server.pages.seal(following, access=request.access)}"))
    entries = [search_entry(one.version, request.base_url, "match", _marked(one)) for one in found]
    return Response(200, bundle({"type": "searchset", "link": links(relations)}, entries))


def _id(options: dict[str, str], name: str, type_: str) -> str | None:
    text = options.get(name)
    if text is None:
        return None
    text = text.removeprefix(f"{type_}/")
    check_id(text)
    return text


def _marked(one: Owed) -> bytes:
    """The entry with a tag that says what it waits for."""
    resource: dict[str, Any] = exact.loads(one.version.body or b"{}")
    meta = resource.get("meta") or {}
    tag = {"system": TAG, "code": one.owes.name.lower()}
    resource["meta"] = {**meta, "tag": [*(meta.get("tag") or ()), tag]}
    return exact.dumps(resource)
