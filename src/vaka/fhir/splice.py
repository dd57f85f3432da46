"""The bytes that are stored: as sent, but for what the server sets.

Invariants: everything but the top-level ``id``, ``meta.versionId``, ``meta.lastUpdated`` and the references of a
mapping stays byte for byte as it was sent (order, white space, ``72.50``, escapes). The input is JSON that
``fhir.parse`` accepted. Source: https://hl7.org/fhir/R4/http.html#create, #trules; traps.md, Bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from vaka.fhir import spans
from vaka.fhir.parse import without_bom

_HEAD = re.compile(rb'\s*+\{\s*+"resourceType"\s*+:\s*+"[A-Za-z]++"')

_CONDITIONAL = re.compile(r"[A-Z][A-Za-z]*\?.")
URI_ELEMENTS: Final = frozenset(
        {"reference", "url", "uri", "fullUrl", "policy", "instantiatesUri", "definitionUri", "derivedFromUri",
     "sourceUri", "targetUri", "eventUri", "moduleUri", "valueUri", "valueUrl", "valueOid", "valueUuid",
     "defaultValueUri", "defaultValueUrl", "defaultValueOid", "defaultValueUuid", "fixedUri", "fixedUrl",
     "fixedOid", "fixedUuid", "patternUri", "patternUrl", "patternOid", "patternUuid", "authorizationUrl",
     "nameUrl", "onlineInformation", "rendering", "relativePath"}
)  # fmt: skip
"""Members whose string is a reference, or of type uri, url, oid or uuid wherever R4 has a member of this name (for
``url`` also a canonical: a Questionnaire's own). R4 does not let other canonicals be replaced."""

_URI = re.compile(
    rb'("(?:%b)"\s*+:\s*+)(?:(%b)|(\[[^\[\]{}]*+\]))' % ("|".join(sorted(URI_ELEMENTS)).encode(), spans.STRING),
    re.DOTALL,
)
_STRING = re.compile(spans.STRING, re.DOTALL)
_LINK = re.compile(rb"""(\b(?:href|src)\s*+=\s*+(?:\\"|'))([^"'\\<>\s]++)""")


def splice(body: bytes, resource: dict[str, Any], *, id: str, version_id: str, last_updated: str) -> bytes:
    """``body`` with its ``id``, ``meta.versionId`` and ``meta.lastUpdated`` set. ``resource`` is ``body`` parsed.

    Each is replaced where it stands; what is missing goes behind a leading ``resourceType``, else behind the opening
    brace. Raises ValueError where ``meta`` is no object (validation refuses that)."""
    body = without_bom(body)
    new_id = orjson.dumps(id)
    new_meta = b'"versionId":%b,"lastUpdated":%b' % (orjson.dumps(version_id), orjson.dumps(last_updated))
    head = _HEAD.match(body)
    if "id" not in resource and "meta" not in resource:
        if head:
            return b'%b,"id":%b,"meta":{%b}%b' % (head[0], new_id, new_meta, body[head.end() :])
        at = spans.top(body) + 1
        return b'%b"id":%b,"meta":{%b},%b' % (body[:at], new_id, new_meta, body[at:])
    edits: list[tuple[int, int, bytes]] = []
    missing = b""
    wanted = {"id", "meta"} & resource.keys()
    for member in spans.members(body, spans.top(body)):
        if member.key == "id":
            edits.append((member.start, member.end, new_id))
        elif member.key == "meta":
            edits += _meta_edits(body, member.start, new_meta, resource["meta"])
        else:
            continue
        wanted.discard(member.key)
        if not wanted:
            break
    if "id" not in resource:
        missing += b',"id":' + new_id
    if "meta" not in resource:
        missing += b',"meta":{' + new_meta + b"}"
    if missing:
        at = head.end() if head else spans.top(body) + 1
        edits.append((at, at, missing if head else missing[1:] + b","))
    return _apply(body, edits)


def _meta_edits(body: bytes, start: int, new_meta: bytes, meta: Any) -> Iterator[tuple[int, int, bytes]]:
    """The edits within the ``meta`` object at ``start``: both values are set, or what is missing is put first."""
    if not isinstance(meta, dict):
        raise ValueError("meta is not an object")
    given = {"versionId", "lastUpdated"} & meta.keys()
    parts = {"versionId": new_meta[: new_meta.index(b',"lastUpdated"')], "lastUpdated": b""}
    parts["lastUpdated"] = new_meta[len(parts["versionId"]) + 1 :]
    missing = b",".join(part for name, part in parts.items() if name not in given)
    if missing:
        yield start + 1, start + 1, missing + (b"," if meta else b"")
    if given:
        for member in spans.members(body, start):
            if member.key in given:
                yield member.start, member.end, parts[member.key].partition(b":")[2]


def _apply(body: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    parts: list[bytes] = []
    at = 0
    for start, end, new in sorted(edits):
        parts += (body[at:start], new)
        at = end
    parts.append(body[at:])
    return b"".join(parts)


def replace_references(body: bytes, mapping: Mapping[str, str]) -> bytes:
    """``body`` with every reference, uri, url, oid or uuid that is a key of ``mapping``, and every ``href`` and
    ``src`` in a narrative, replaced by its value (``urn:uuid:…`` → ``Patient/1``). Only whole values, however they
    are escaped. The version that a reference names stays behind it."""
    if not mapping:
        return body

    def string(found: re.Match[bytes]) -> bytes:
        raw = found[0]
        value: str = orjson.loads(raw) if b"\\" in raw else raw[1:-1].decode()
        new = _replaced(value, mapping)
        return raw if new is None else orjson.dumps(new)

    def uri(found: re.Match[bytes]) -> bytes:
        return found[1] + _STRING.sub(string, found[2] or found[3])

    def link(found: re.Match[bytes]) -> bytes:
        new = _replaced(found[2].decode(), mapping)
        return found[0] if new is None else found[1] + orjson.dumps(new)[1:-1]

    body = _URI.sub(uri, body)
    return _LINK.sub(link, body) if b"href" in body or b"src" in body else body


def _replaced(reference: str, mapping: Mapping[str, str]) -> str | None:
    """What ``reference`` becomes, None if it stays."""
    base, history, version = reference.partition("/_history/")
    new = mapping.get(base)
    return new if new is None else new + history + version


def references(resource: Any) -> Iterator[str]:
    """Every ``reference`` string within, as it stands."""
    open_: list[Any] = [resource]
    while open_:
        for name, value in open_.pop().items():
            if type(value) is dict:
                open_.append(value)
            elif type(value) is list:
                open_ += [item for item in value if type(item) is dict]
            elif name == "reference" and type(value) is str:
                yield value


def conditional_references(resource: Any) -> list[str]:
    """The references of the form ``Patient?identifier=…``, without doubles, in order: to be searched for and replaced
    by what they find (https://hl7.org/fhir/R4/http.html#trules)."""
    return list(dict.fromkeys(r for r in references(resource) if _CONDITIONAL.match(r)))


def relative_references(body: bytes, base_url: str) -> bytes:
    """``body`` with references to this server's own address made relative: ``base_url/Patient/1`` → ``Patient/1``."""
    base = base_url.encode()
    if base not in body:
        return body
    return re.sub(rb'("reference"\s*:\s*")' + re.escape(base) + rb"/(?=[A-Z])", rb"\1", body)
