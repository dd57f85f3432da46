"""Texts unpacked into what is written: single resources, and bundles that are one transaction. Pure.

Unpacked are bundles of type transaction, batch, collection and searchset; any other Bundle is a resource like others.
Sources: https://hl7.org/fhir/R4/bundle.html, https://hl7.org/fhir/R4/http.html#transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final

import orjson

from vaka.config import BODY_MAX_BYTES
from vaka.errors import Invalid, TooLarge, VakaError
from vaka.fhir import spans
from vaka.fhir.definitions import RESOURCE_TYPES
from vaka.fhir.parse import Parsed, as_parsed, parse_json, without_bom
from vaka.fhir.splice import replace_references
from vaka.fhir.transaction import Entry, plan
from vaka.load.report import Outcome, Place, Refusal
from vaka.load.sources import Text, made_id

BASE_URL: Final = "http://localhost/fhir"
"""Stands before relative addresses where a bundle's own are compared; no file can name this server's real one."""
ENTRIES_MAX: Final = 100_000
_TYPES: Final = frozenset(RESOURCE_TYPES)
_LISTS: Final = frozenset({"collection", "searchset"})


@dataclass(frozen=True, slots=True)
class Item:
    """One resource to be stored under ``id``. ``made``: the id was made from its content, so that what stands under it
    is this, whatever has become of it since."""

    place: Place
    parsed: Parsed
    id: str
    made: bool = False


@dataclass(frozen=True, slots=True)
class Bundle:
    """Entries that are written together or not at all; ``digest`` of the bundle's bytes makes their ids."""

    place: Place
    entries: list[Entry]
    digest: str


def in_order(texts: Sequence[Text], outcome: Outcome) -> Iterator[list[tuple[int, Item]] | tuple[int, Bundle]]:
    """What ``texts`` ask for, each with its text's number: runs of resources, and bundles. What stands before a bundle, in
    its text or file, is given before it. What cannot be read is refused in ``outcome``."""
    singles: list[tuple[int, Item]] = []
    for index, text in enumerate(texts):
        try:
            for one in unpack(text):
                match one:
                    case Item():
                        singles.append((index, one))
                    case Refusal():
                        outcome.refuse(one)
                    case Bundle():
                        yield singles
                        singles = []
                        yield index, one
        except VakaError as error:
            outcome.refuse(Refusal.of(text.place, error, text.type, None if text.made else text.id))
    yield singles


def unpack(text: Text) -> Iterator[Item | Bundle | Refusal]:
    """What ``text`` asks for, in its order. Raises Invalid where nothing of it can be read."""
    body = without_bom(text.body)
    if text.type != "Bundle" and len(body) > BODY_MAX_BYTES:
        raise TooLarge(f"the resource is over {BODY_MAX_BYTES >> 20} MB")
    content = parse_json(body, what="text")
    kind = content.get("type") if content.get("resourceType") == "Bundle" else None
    if kind in ("transaction", "batch"):
        # One that is at fault has no method yet; of a transaction none is left here.
        entries = [
            one
            for one in plan(content, body, base_url=BASE_URL, max_entries=ENTRIES_MAX)
            if one.error is not None or one.method not in ("GET", "HEAD")
        ]
        digest = sha256(body).hexdigest()
        if kind == "transaction":
            yield Bundle(text.place, entries, digest)
        else:
            yield from _batch(text.place, entries, digest)
    elif kind in _LISTS:
        yield from _list(text.place, content, body)
    else:
        if len(body) > BODY_MAX_BYTES:
            raise TooLarge(f"the resource is over {BODY_MAX_BYTES >> 20} MB")
        parsed = known(as_parsed(content, body, what="text"))
        id_ = parsed.id if parsed.id is not None else text.id or made_id(sha256(body).hexdigest(), 0)
        yield Item(text.place, parsed, id_, made=parsed.id is None)


def known(parsed: Parsed) -> Parsed:
    """``parsed`` if it is of a type that R4 has."""
    if parsed.type not in _TYPES:
        raise Invalid(f"{parsed.type[:64]} is not a resource type of FHIR R4", path="resourceType")
    return parsed


def _batch(place: Place, entries: list[Entry], digest: str) -> Iterator[Item | Bundle | Refusal]:
    """Each entry for itself; one that needs no look into the record first is a resource like those of NDJSON."""
    for one in entries:
        at = replace(place, entry=one.index)
        if one.error is not None:
            yield Refusal.of(at, one.error, one.type, one.id)
            continue
        plain = one.if_none_exist is None and one.if_match is None and one.if_none_match is None and one.query is None
        if not plain or one.body is None or one.resource is None:
            yield Bundle(at, [one], digest)
            continue
        try:
            parsed = known(as_parsed(one.resource, one.body, one.type))
        except VakaError as error:
            yield Refusal.of(at, error, one.type, one.id)
            continue
        yield Item(at, parsed, one.id or made_id(digest, one.index), made=one.id is None)


def _list(place: Place, content: dict[str, Any], body: bytes) -> Iterator[Item | Refusal]:
    """The resources of a collection, with references to each other's full URLs resolved."""
    given = content.get("entry", [])
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise Invalid("Bundle.entry must be an array of objects", path="Bundle.entry")
    digest = sha256(body).hexdigest()
    cut = resources(body) if given else []
    chosen: list[tuple[int, dict[str, Any], bytes, str, bool]] = []
    mapping: dict[str, str] = {}
    for index, one in enumerate(given):
        resource, text = one.get("resource"), cut[index]
        search = one.get("search")
        if (
            not isinstance(resource, dict)
            or text is None
            or (isinstance(search, dict) and search.get("mode") == "outcome")
        ):
            continue
        own = resource.get("id")
        id_ = own if isinstance(own, str) else made_id(digest, index)
        if isinstance(one.get("fullUrl"), str):
            mapping[one["fullUrl"]] = f"{resource.get('resourceType')}/{id_}"
        chosen.append((index, resource, text, id_, not isinstance(own, str)))
    for index, resource, text, id_, made in chosen:
        at = replace(place, entry=index)
        resolved = replace_references(text, mapping)
        try:
            yield Item(
                at, known(as_parsed(resource if resolved == text else orjson.loads(resolved), resolved)), id_, made
            )
        except VakaError as error:
            yield Refusal.of(at, error, str(resource.get("resourceType")), id_)


def resources(body: bytes) -> list[bytes | None]:
    """The bytes of each entry's resource."""
    held = spans.objects(body, spans.find(body, spans.top(body), "entry"))
    return [next((body[m.start : m.end] for m in members if m.key == "resource"), None) for members in held]
