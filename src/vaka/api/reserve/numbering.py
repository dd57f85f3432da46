"""Reserve numbers of a copy over HTTP (S18): of a visit by itself when somebody arrives, of a person when somebody asks.

``POST /fhir/Patient/$reserve-number`` with Parameters of what is known: ``name``, ``born``, ``number``, ``described``, or
``unknown`` (true). Asked without ``shown`` it tells who it might be, and gives no number; asked again with the ids of those who
were shown, one ``shown`` each (none: ``nobody-shown`` true), it gives one.
Invariant: nobody gets a number before the candidates were looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from vaka import config, log
from vaka.access.session import Right
from vaka.api.asked import require_right
from vaka.api.http import Request, Response, require_json_answer, require_json_body
from vaka.copy.reserve import giving, numbers
from vaka.copy.reserve.entry import Part
from vaka.copy.reserve.giving import Ground
from vaka.copy.reserve.store import ReserveStore
from vaka.copy.store import CopyStore
from vaka.errors import Conflict, Invalid, Unavailable, Unprocessable
from vaka.fhir.parse import parse_resource
from vaka.fhir.query import parse_query

if TYPE_CHECKING:
    from vaka.api.server import Server
    from vaka.store.version import Version

_KINDS: Final = ("name", "born", "number", "described")


def numbered(store: ReserveStore, parts: Sequence[Part], by: str) -> tuple[tuple[Part, ...], dict[str, str]]:
    """``parts`` with a number for each visit that begins here and has none; the numbers by ``Type/id``. A copy without numbers
    takes the visit all the same: the unit has a series on paper. Unprocessable for a number that was misread."""
    made, given = [], {}
    for part in parts:
        resource = orjson.loads(part.body) if part.body is not None else {}
        for wrong in numbers.misread(resource):
            raise Unprocessable(
                f"{wrong[:20]} is no reserve number: its check digit is wrong", path=f"{part.type}.identifier",
                help="read it again from the wristband or the label",
            )  # fmt: skip
        if part.base is None and part.body is not None and numbers.needs_number(resource):
            try:
                number = giving.encounter(store, by=by, patient=part.patient or "")
            except (Unavailable, Invalid) as error:
                log.warning("a visit without a reserve number", why=error.message)
            else:
                given[part.name] = number
                part = replace(part, body=numbers.with_number(part.body, number))
        made.append(part)
    return tuple(made), given


async def reserve_number(server: Server, request: Request) -> Response:
    """Parameters: the candidates; with ``shown`` the number, as a Patient has it."""
    if server.door is None or server.door.reserve is None:
        raise Conflict("reserve numbers are given by a read copy", help="ask at a copy's address")
    require_json_answer(request)
    require_json_body(request)
    require_right(request, Right.WRITE)
    asked = _asked(parse_resource(await request.body(), "Parameters").resource)
    given = [(kind, str(value)) for kind in _KINDS for value in asked.get(kind, ())]
    ground = Ground(given, unknown=asked.get("unknown") == [True])
    giving.require_ground(ground)
    store = server.door.reserve.store
    found = [one.id for one in await candidates(server, request, dict(given))]
    of = server.store.units if isinstance(server.store, CopyStore) else ()
    request.access.trail.activity = "reserve-number"
    shown = [str(one).removeprefix("Patient/") for one in asked.get("shown", ())]
    if not shown and asked.get("nobody-shown") != [True]:
        return _answer(found, None, of)
    require_shown(found, shown)
    number = await asyncio.to_thread(
        giving.personal, store, replace(ground, shown=shown), by=request.access.principal,
        key=request.header("idempotency-key"),
    )  # fmt: skip
    return _answer(found, number, of)


def require_shown(candidates: Sequence[str], shown: Sequence[str]) -> None:
    """Unprocessable where somebody who it might be (ids) was not shown."""
    if missing := [one for one in candidates if one not in shown]:
        raise Unprocessable(
            f"{len(missing)} who it might be were not shown", help="ask without shown, and look at each of them first"
        )


async def candidates(server: Server, request: Request, known: Mapping[str, str]) -> list[Version]:
    """The Patients whom the caller may see, and who have one of these: of those whom this copy holds."""
    searches = server.store.searching(request.access)
    found: dict[str, Version] = {}
    asked = [[("identifier", known["number"])]] if known.get("number") else []
    person = [(name, value) for name, value in (("name", known.get("name")), ("birthdate", known.get("born"))) if value]
    asked += [person] if person else []
    for parameters in asked:
        query = parse_query(["Patient"], parameters, base_url=request.base_url, strict=True, same=server.store.same)
        page = await searches.search(replace(query, partial=True), count=config.RESERVE_CANDIDATES_MAX)
        found |= {version.id: version for version in page.matches}
    return list(found.values())


def _asked(resource: dict[str, Any]) -> dict[str, list[Any]]:
    asked: dict[str, list[Any]] = {}
    for part in resource.get("parameter", ()):
        value = next((value for name, value in part.items() if name.startswith("value")), None)
        name = part.get("name")
        if name not in (*_KINDS, "unknown", "shown", "nobody-shown"):
            raise Invalid(f"$reserve-number does not know {str(name)[:40]}", path="Parameters.parameter")
        asked.setdefault(str(name), []).append(value.get("reference") if isinstance(value, dict) else value)
    return asked


def _answer(candidates: Sequence[str], number: str | None, of: Sequence[str]) -> Response:
    """``of``: the units among whose patients alone was looked; empty: all were."""
    made: list[dict[str, Any]] = [
        {"name": "candidate", "valueReference": {"reference": f"Patient/{one}"}} for one in candidates
    ]
    made += [{"name": "candidates-of", "valueString": unit} for unit in of]
    if number is not None:
        made.append({"name": "number", "valueIdentifier": {"use": "temp", "system": numbers.PERSONAL, "value": number}})
    return Response(200, orjson.dumps({"resourceType": "Parameters", "parameter": made}))
