"""Patient/[id]/$everything: all that belongs to one patient. https://hl7.org/fhir/R4/patient-operation-everything.html."""

from __future__ import annotations

from vaka.api.http import Request, Response, require_json_answer
from vaka.api.interactions.search import run, searchset
from vaka.api.server import Server, known_type, living
from vaka.errors import Invalid
from vaka.fhir.compartments import everything as belongs_to
from vaka.fhir.compartments import members
from vaka.fhir.criteria import Query
from vaka.fhir.dates import parse as parse_date
from vaka.fhir.results import count as parse_count
from vaka.journal.paging import Position

_KNOWN = frozenset({"_since", "_type", "_count", "_page", "_format", "_pretty"})


async def everything(server: Server, request: Request, id_: str) -> Response:
    """A searchset Bundle of the patient's compartment, in pages. ``start``/``end`` are not supported."""
    require_json_answer(request)
    scope = f"Patient/{id_}/$everything"
    given, at = request.query, None
    if (sealed := request.option("_page")) is not None:
        content = server.pages.open(sealed, access=request.access)
        if content["scope"] != scope:
            raise Invalid("this page address belongs to another search", path="_page", help="start again")
        given = [(str(name), str(value)) for name, value in content["parameters"]]
        at = Position(content["upper"], tuple(content["values"]), content["created"], content["rkey"])
    else:
        living(await server.journal.reader.read("Patient", id_, access=request.access), "Patient", id_)
    if unknown := [name for name, _ in given if name not in _KNOWN]:
        raise Invalid(
            f"$everything does not know {unknown[0][:60]}", path=unknown[0][:60], help="use _since, _type, _count"
        )
    options = dict(given)
    types = tuple(known_type(name) for name in options.get("_type", "").split(",") if name) or members("Patient")
    span = parse_date(options["_since"]) if "_since" in options else None
    if "_since" in options and span is None:
        raise Invalid(f"{options['_since'][:60]} is not a date or time", path="_since")
    query = Query(
        types=types,
        where=belongs_to(id_, types=types, since_us=span[0] if span else None, same=server.journal.same),
        count=parse_count(options["_count"]) if "_count" in options else 1_000,
        used=tuple((name, value) for name, value in given if name in ("_since", "_type", "_count")),
    )
    page, extra = await run(server.journal.searching(request.access), query, at=at)
    return Response(200, searchset(server, request, query, page, extra, list(query.used), scope, at))
