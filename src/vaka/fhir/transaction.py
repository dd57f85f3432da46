"""What a batch or transaction bundle asks for, worked out before anything is touched
(https://hl7.org/fhir/R4/http.html#transaction, https://hl7.org/fhir/R4/bundle.html#references).

Invariants: every entry's ``body`` is its resource byte for byte as it stands in the bundle; a transaction has either
all its entries planned or is refused with all its faults named; in a batch a fault belongs to its entry alone; time
is linear in the bundle. What a search must answer (conditional requests, conditional references) is left to the
caller.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, cast

from vaka.config import BUNDLE_MAX_ENTRIES, ISSUES_MAX
from vaka.errors import Invalid, Issue, NotAllowed, TooLarge, VakaError
from vaka.fhir import spans
from vaka.fhir.definitions import RESOURCE_TYPES
from vaka.fhir.media import JSON_PATCH
from vaka.fhir.splice import references, replace_references

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]

_METHODS: Final[dict[str, int]] = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2, "GET": 3, "HEAD": 3}
_TYPES: Final = frozenset(RESOURCE_TYPES)
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_RESTFUL: Final = re.compile(
    r"(https?://.+)/([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?\Z"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One request of a bundle.

    ``url``: relative to the base address, with its query. ``type``/``id``: whom it addresses; of a create the id is
    None until ``assign_ids``; ``type`` is None only where the whole system is asked. ``query``: behind the ``?``,
    without it. ``operation``: ``$name`` with its dollar. ``patch``: the JSON Patch document. ``error``: this entry of
    a batch cannot be done."""

    index: int
    full_url: str | None
    method: Method
    url: str
    type: str | None = None
    id: str | None = None
    query: str | None = None
    operation: str | None = None
    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_none_exist: str | None = None
    resource: dict[str, Any] | None = None
    body: bytes | None = None
    patch: bytes | None = None
    error: VakaError | None = None

    @property
    def path(self) -> str:
        return f"Bundle.entry[{self.index}]"


@dataclass(frozen=True, slots=True)
class Assigned:
    """``entries`` with the ids they will have, and what references to them become: ``mapping`` holds full URLs;
    ``relative`` the relative references that the full URL of the entry they stand in turns into one of those."""

    entries: list[Entry]
    mapping: dict[str, str]
    relative: dict[str, dict[str, str]] = field(default_factory=dict)

    def body(self, entry: Entry, conditional: Mapping[str, str] | None = None) -> bytes:
        """The entry's resource with its references resolved; ``conditional``: what conditional references found."""
        mapping: Mapping[str, str] = self.mapping
        if self.relative and (found := _RESTFUL.match(entry.full_url or "")) and found[1] in self.relative:
            mapping = ChainMap(self.relative[found[1]], self.mapping)
        if conditional:
            mapping = ChainMap(cast(dict[str, str], conditional), cast(dict[str, str], mapping))
        return replace_references(entry.body or b"", mapping)


def plan(bundle: dict[str, Any], body: bytes, *, base_url: str, max_entries: int = BUNDLE_MAX_ENTRIES) -> list[Entry]:
    """The entries of a batch or transaction in the bundle's order; ``body`` is ``bundle`` as sent.

    Raises Invalid for what is neither, TooLarge over ``max_entries``, and for a transaction Invalid with
    one issue a fault (the first 100), each with its path."""
    kind = bundle.get("type")
    if bundle.get("resourceType") != "Bundle" or kind not in ("batch", "transaction"):
        raise Invalid(
            "Only a Bundle of type batch or transaction can be posted to the base address",
            help="To store a bundle as it is, post it to /Bundle.", path="Bundle.type",
        )  # fmt: skip
    given = bundle.get("entry", [])
    if not isinstance(given, list):
        raise Invalid("Bundle.entry must be an array", path="Bundle.entry")
    if len(given) > max_entries:
        raise TooLarge(
            f"The bundle has {len(given)} entries; at most {max_entries} are taken", path="Bundle.entry",
            help="Send several bundles, or use `vaka load`.",
        )  # fmt: skip
    bodies = _bodies(body) if given else []
    entries = [_entry(index, one, bodies[index], base_url) for index, one in enumerate(given)]
    entries = _check_together(entries, transaction=kind == "transaction")
    if kind == "transaction":
        issues = [issue for entry in entries if entry.error for issue in entry.error.issues]
        if issues:
            more = f" (and {len(issues) - 1} more)" if len(issues) > 1 else ""
            raise Invalid(f"The transaction cannot be done: {issues[0].message}{more}", issues=issues[:ISSUES_MAX])
    return entries


def processing_order(entries: Sequence[Entry]) -> list[Entry]:
    """DELETE, POST, PUT and PATCH, GET and HEAD; the bundle's order within each."""
    return sorted(entries, key=lambda entry: _METHODS[entry.method])


def assign_ids(
    entries: Sequence[Entry], new_id: Callable[[int], str], *, found: Mapping[int, str] | None = None
) -> Assigned:
    """Gives every create, and every conditional update that found nothing, its id: ``new_id`` of its index.

    ``found``: by entry index, the id that a conditional create, update, patch or delete found. Raises Invalid if two entries then
    change the same resource."""
    found = found or {}
    changed: dict[str, int] = {}
    assigned, mapping, relative = [], {}, dict[str, dict[str, str]]()
    for entry in entries:
        if entry.error is None and entry.id is None and entry.type is not None:
            id_ = found.get(entry.index)
            creates = (entry.method == "POST" and entry.operation is None) or (entry.method == "PUT")
            if id_ is None and creates:
                id_ = _own_id(entry) or new_id(entry.index)
            entry = replace(entry, id=id_) if id_ is not None else entry
        assigned.append(entry)
        if entry.error is None and entry.operation is None and entry.id and entry.method not in ("GET", "HEAD"):
            target = f"{entry.type}/{entry.id}"
            exists = entry.method == "POST" and entry.index in found
            if not exists and (other := changed.setdefault(target, entry.index)) != entry.index:
                message = f"Entries {other} and {entry.index} both change {target}"
                raise Invalid(message, issues=[Issue("error", "duplicate", message, entry.path)])
            if entry.full_url is None:
                continue
            mapping[entry.full_url] = target
            if (parts := _RESTFUL.match(entry.full_url)) and f"{parts[2]}/{parts[3]}" != target:
                relative.setdefault(parts[1], {})[f"{parts[2]}/{parts[3]}"] = target
    return Assigned(assigned, mapping, relative)


def _own_id(entry: Entry) -> str | None:
    """A conditional update that finds nothing creates under the id that the resource brings, if any."""
    id_ = entry.resource.get("id") if entry.resource and entry.method == "PUT" else None
    return id_ if isinstance(id_, str) else None


def _bodies(body: bytes) -> list[bytes | None]:
    """The bytes of each entry's resource."""
    held = spans.objects(body, spans.find(body, spans.top(body), "entry"))
    return [next((body[m.start : m.end] for m in members if m.key == "resource"), None) for members in held]


class _Fault(Exception):
    def __init__(self, message: str, at: str = "", code: str = "invalid", kind: type[VakaError] = Invalid) -> None:
        self.message, self.at, self.code, self.kind = message, at, code, kind


def _entry(index: int, given: Any, body: bytes | None, base_url: str) -> Entry:
    entry = Entry(index, None, "GET", "")
    try:
        return _read(entry, given, body, base_url)
    except _Fault as fault:
        return _failed(entry, fault)


def _failed(entry: Entry, fault: _Fault) -> Entry:
    path = entry.path + fault.at
    return replace(entry, error=fault.kind(fault.message, issues=[Issue("error", fault.code, fault.message, path)]))


def _read(entry: Entry, given: Any, body: bytes | None, base_url: str) -> Entry:
    if not isinstance(given, dict):
        raise _Fault("An entry must be an object", code="structure")
    request = given.get("request")
    if not isinstance(request, dict):
        raise _Fault("The entry has no request: method and url are required", ".request", "required")
    method = _text(request, "method", required=True)
    if method not in _METHODS:
        raise _Fault(f"The method must be one of {', '.join(_METHODS)}", ".request.method", "value")
    resource = given.get("resource")
    if resource is not None and not isinstance(resource, dict):
        raise _Fault("The resource must be an object", ".resource", "structure")
    full_url = given.get("fullUrl")
    if full_url is not None and (not isinstance(full_url, str) or not full_url):
        raise _Fault("fullUrl must be a string", ".fullUrl", "value")
    url = _text(request, "url", required=True) or ""
    url = url.removeprefix(base_url.rstrip("/")).lstrip("/")
    path, _, query = url.partition("?")
    type_, id_, operation = _address(path, method)
    if_none_exist = _text(request, "ifNoneExist")
    made = Entry(
        entry.index, full_url, method, url, type_, id_, query or None, operation,  # type: ignore[arg-type]
        _text(request, "ifMatch"), _text(request, "ifNoneMatch"), _text(request, "ifModifiedSince"),
        if_none_exist.rpartition("?")[2] if if_none_exist else None,
        resource, body if method in ("POST", "PUT") else None,
        _patch(resource) if method == "PATCH" else None,
    )  # fmt: skip
    _check_payload(made)
    return made


def _text(request: dict[str, Any], name: str, *, required: bool = False) -> str | None:
    value = request.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str) or (required and not value.strip()):
        code = "required" if value is None else "value"
        raise _Fault(
            f"request.{name} {'is required' if value is None else 'must be a string'}", f".request.{name}", code
        )
    return value


def _address(path: str, method: str) -> tuple[str | None, str | None, str | None]:
    """Type, id and operation that the path of a request addresses."""
    at = ".request.url"
    parts = path.split("/") if path else []
    if ":" in path and "//" in path:
        raise _Fault("The url is at another server; it must be relative to this one's base address", at, "value")
    operation = parts.pop() if parts and parts[-1].startswith("$") else None
    type_ = parts[0] if parts else None
    if type_ is not None and type_ not in _TYPES and (type_[:1].isupper() or method not in ("GET", "HEAD")):
        raise _Fault(f"{type_[:64]!r} is not a FHIR R4 resource type", at, "not-supported")
    id_ = parts[1] if len(parts) == 2 and not parts[1].startswith("_") else None
    if id_ is not None and not _ID.match(id_) and type_ in _TYPES:
        raise _Fault(f"{id_[:64]!r} is not an id: letters, digits, - and ., 64 at most", at, "value")
    if method in ("GET", "HEAD"):
        return (type_ if type_ in _TYPES else None), id_, operation
    if operation is None and (type_ is None or len(parts) > 2 or (method == "POST" and len(parts) > 1)):
        raise _Fault(f"{method} cannot be done at {path[:100]!r}", at, "value")
    if len(parts) == 2 and id_ is None:
        raise _Fault(f"{method} cannot be done at {path[:100]!r}", at, "value")
    return type_, id_, operation


def _check_payload(entry: Entry) -> None:
    method, resource = entry.method, entry.resource
    if method in ("PUT", "PATCH", "DELETE"):
        if entry.operation:
            raise _Fault(f"An operation cannot be called by {method}", ".request.url", "not-supported", NotAllowed)
        if entry.id is None and entry.query is None:
            raise _Fault(f"{method} needs an id or a query in its url", ".request.url", "value")
    if method not in ("POST", "PUT"):
        return
    if resource is None:
        if entry.operation:
            return
        raise _Fault(f"{method} needs a resource", ".resource", "required")
    type_, id_ = resource.get("resourceType"), resource.get("id")
    if type_ != entry.type and not entry.operation:
        raise _Fault(f"The resource is a {type_!s:.64}, but the url says {entry.type}", ".request.url")
    if method == "PUT" and entry.id is not None and id_ != entry.id:
        raise _Fault(
            f"The resource's id is {id_!s:.64}, but the url says {entry.id}" if id_ is not None else
            f"The resource has no id; the url says {entry.id}", ".resource.id",
        )  # fmt: skip
    if (
        id_ is not None
        and (found := _RESTFUL.match(entry.full_url or ""))
        and f"{type_}/{id_}" != f"{found[2]}/{found[3]}"
    ):
        raise _Fault(f"fullUrl names {found[2]}/{found[3]}, but the resource is {type_}/{id_!s:.64}", ".fullUrl")


def _patch(resource: dict[str, Any] | None) -> bytes:
    """The JSON Patch that a Binary carries (https://hl7.org/fhir/R4/http.html#patch)."""
    if resource is None or resource.get("resourceType") != "Binary":
        message = f"PATCH needs a Binary with contentType {JSON_PATCH}; no other form of patch is supported"
        raise _Fault(message, ".resource", "not-supported")
    content_type = str(resource.get("contentType")).partition(";")[0].strip().lower()
    if content_type != JSON_PATCH:
        raise _Fault(f"The contentType of a patch must be {JSON_PATCH}", ".resource.contentType", "not-supported")
    try:
        return base64.b64decode(str(resource.get("data", "")).encode(), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise _Fault("The data of the Binary is not base64", ".resource.data", "value") from None


def _check_together(entries: list[Entry], *, transaction: bool) -> list[Entry]:
    """No identity twice, no full URL twice, no reference to an entry that is not there."""
    identities: dict[tuple[str | None, str], int] = {}
    urls: dict[str, int] = {}
    checked = []
    for entry in entries:
        fault = None
        if entry.error is None and entry.method not in ("GET", "HEAD"):
            identity = (entry.type, entry.id or "")
            if (
                entry.id
                and not entry.operation
                and (other := identities.setdefault(identity, entry.index)) != entry.index
            ):
                fault = _Fault(f"{entry.type}/{entry.id} is also changed by entry {other}", ".request.url", "duplicate")
            elif entry.full_url and (other := urls.setdefault(entry.full_url, entry.index)) != entry.index:
                fault = _Fault(f"The same fullUrl stands at entry {other}", ".fullUrl", "duplicate")
        checked.append(_failed(entry, fault) if fault else entry)
    return [
        _failed(entry, fault) if entry.error is None and (fault := _dangling(entry, urls, transaction)) else entry
        for entry in checked
    ]


def _dangling(entry: Entry, urls: Mapping[str, int], transaction: bool) -> _Fault | None:
    """In a transaction a ``urn:`` reference must be another entry's full URL; entries of a batch must not depend on
    others."""
    if entry.body is None or b"urn:" not in entry.body:
        return None
    for reference in references(entry.resource):
        if not reference.startswith("urn:") or (reference in urls) is transaction:
            continue
        path = ".resource" + (_path_of(entry.resource, reference) or "")
        if transaction:
            return _Fault(f"No entry has the fullUrl {reference[:100]!r} that is referred to", path, "not-found")
        return _Fault("Entries of a batch cannot refer to each other; send a transaction", path, "not-supported")
    return None


def _path_of(value: Any, reference: str) -> str | None:
    """Where ``reference`` stands within ``value``."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in pairs:
        step = f"[{name}]" if isinstance(name, int) else f".{name}"
        if name == "reference" and inner == reference:
            return step
        if below := _path_of(inner, reference):
            return step + below
    return None
