"""Bundles of versions, put together from stored bytes without parsing them (https://hl7.org/fhir/R4/bundle.html)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from vaka.store.version import Action, Version, instant

_TOLD = {
    Action.CREATE: ("POST", "201 Created"),
    Action.UPDATE: ("PUT", "200 OK"),
    Action.DELETE: ("DELETE", "204 No Content"),
    Action.REDACT: ("DELETE", "204 No Content"),
}


def bundle(head: dict[str, Any], entries: Iterable[bytes]) -> bytes:
    """A Bundle with ``head`` (type, total, link …) and ready-made ``entries``."""
    start = orjson.dumps({"resourceType": "Bundle", **head})[:-1]
    joined = b",".join(entries)
    return start + (b',"entry":[' + joined + b"]}" if joined else b"}")


def entry(members: dict[str, Any], resource: bytes | None) -> bytes:
    """One Bundle.entry; ``resource``: its bytes as they are, put in as the first member after fullUrl."""
    text = orjson.dumps(members)
    if resource is None:
        return text
    return b'{"resource":' + resource + (b"," + text[1:] if members else b"}")


def search_entry(version: Version, base_url: str, mode: str, body: bytes | None = None) -> bytes:
    """A match, an include or an outcome of a search."""
    members = {"fullUrl": f"{base_url}/{version.type}/{version.id}", "search": {"mode": mode}}
    return entry(members, version.body if body is None else body)


def history_entry(version: Version, base_url: str) -> bytes:
    """A version in a history: what was asked, and what was answered."""
    method, status = _TOLD[version.action]
    if version.version > 1 and method == "POST":
        method = "PUT"  # under an id that was there before, only an update can create
    where = version.type if method == "POST" else f"{version.type}/{version.id}"
    members = {
        "fullUrl": f"{base_url}/{version.type}/{version.id}",
        "request": {"method": method, "url": where},
        "response": {"status": status, "etag": version.etag, "lastModified": instant(version.updated_us)},
    }
    return entry(members, version.body)


def links(pairs: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"relation": relation, "url": url} for relation, url in pairs]
