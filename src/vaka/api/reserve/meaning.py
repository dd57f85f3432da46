"""What the conditions of a write mean here: so that it is shown where it belongs, and waits for what it needs.

Invariants: nothing is decided by it (traps: Conditional create): the write is handed over as it was asked, and the journal looks
again; what finds nothing here, or several, is left to the journal; who is hidden from the asker is not found.
https://hl7.org/fhir/R4/http.html#trules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from vaka.access.filter import AccessFilter
from vaka.api.condition import condition
from vaka.api.http import Request
from vaka.errors import Forbidden, Invalid, NotFound, OnlyJournal
from vaka.fhir.coming import Coming
from vaka.fhir.criteria import Query
from vaka.fhir.definitions import RESOURCE_TYPES
from vaka.fhir.parse import Parsed
from vaka.fhir.splice import conditional_references
from vaka.fhir.transaction import Entry
from vaka.store.store import Store


async def found(store: Store, access: AccessFilter, query: Query) -> list[str]:
    """Ids of what matches here, two at most; none where this copy cannot tell."""
    try:
        page = await store.searching(access).search(query, count=2)
    except (OnlyJournal, Forbidden, NotFound):  # it may be elsewhere in the region, or is not for who asks
        return []
    return [one.id for one in page.matches]


async def the_one(store: Store, access: AccessFilter, type_: str, asked: str, base_url: str) -> str | None:
    """The id of the one resource here that the condition ``asked`` matches. Invalid for what is no condition."""
    matches = await found(store, access, condition(store, type_, asked.rpartition("?")[2], base_url))
    return matches[0] if len(matches) == 1 else None


async def references(
    store: Store, request: Request, entries: Sequence[Entry], parsed: Mapping[int, Parsed], at_us: int
) -> dict[str, str]:
    """What conditional references in a transaction become: ``Type/id`` of what stands here, or of what it makes itself.
    ``entries``: with their ids; ``parsed``: the resources that they write, by index."""
    coming = Coming({index: (entries[index].id, one.resource) for index, one in parsed.items()}, at_us)
    written = {(entries[index].type, entries[index].id) for index in parsed}
    meant: dict[str, str] = {}
    for text in dict.fromkeys(text for one in parsed.values() for text in conditional_references(one.resource)):
        type_, _, asked = text.partition("?")
        if type_ not in RESOURCE_TYPES:
            raise Invalid(f"{type_[:64]} is not a resource type of FHIR R4")
        query = condition(store, type_, asked, request.base_url)
        here = [id_ for id_ in await found(store, request.access, query) if (type_, id_) not in written]
        here += [str(entries[index].id) for index in coming.matching(query)]
        if len(here) == 1:
            meant[text] = f"{type_}/{here[0]}"
    return meant


def patients_asked(request: Request, type_: str, body: bytes) -> Iterator[str]:
    """The conditions by which a write means a Patient, as far as its body can be read. ``type_``: what it writes, empty for a
    transaction."""
    if type_ == "Patient" and (asked := request.header("if-none-exist")) is not None:
        yield asked
    if type_ or (b"?" not in body and b"ifNoneExist" not in body):
        return
    try:
        content = orjson.loads(body)
    except ValueError:
        return
    inside = content.get("entry") if isinstance(content, dict) else None
    for one in inside if isinstance(inside, list) else ():
        resource: Any = one.get("resource") if isinstance(one, dict) else None
        if not isinstance(resource, dict):
            continue
        yield from (text for text in conditional_references(resource) if text.startswith("Patient?"))
        wanted = one.get("request")
        asked = wanted.get("ifNoneExist") if isinstance(wanted, dict) else None
        if resource.get("resourceType") == "Patient" and isinstance(asked, str):
            yield asked
