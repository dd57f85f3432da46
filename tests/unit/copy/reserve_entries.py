"""Reserve entries as tests make them."""

from __future__ import annotations

import uuid
from typing import Any

import orjson

from vaka.copy.reserve.entry import Base, Entry, Part, State


def entry(patient: str | None = "p1", **others: Any) -> Entry:
    """An entry that creates one Observation of ``patient``, waiting."""
    id_ = others.pop("id", str(uuid.uuid4()))
    type_ = others.pop("type", "Observation")
    resource_id = others.pop("resource", str(uuid.uuid4()))
    base: Base | None = others.pop("base", None)
    body = orjson.dumps({"resourceType": type_, "id": resource_id})
    parts = others.pop("parts", (Part(type_, resource_id, body, patient, base),))
    refers = others.pop("refers", (f"Patient/{patient}",) if patient is not None else ())
    told: dict[str, Any] = {
        "id": id_, "origin": "copy-a", "site": "A", "principal": "person:SE1", "key": others.pop("key", uuid.uuid4().hex),
        "digest": b"d" * 32, "author": "token", "method": "POST", "path": type_, "query": (), "headers": {}, "body": body,
        "parts": parts, "refers": refers, "recorded_us": 1_000_000, "state": State.WAITING, **others,
    }  # fmt: skip
    return Entry(**told)
