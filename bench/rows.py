"""Resources to write, and the rows that they become, prepared beforehand so that the bare side has nothing left to do."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, cast

import orjson

from vaka.access.filter import system_filter
from vaka.api.server import new_id
from vaka.fhir.extract import extract
from vaka.fhir.parse import parse_resource
from vaka.journal.owners import Owners
from vaka.journal.pool import Connection
from vaka.journal.write import Write, Writer
from vaka.region.demo import resources
from vaka.store.codec import CURRENT, Codec, packaged_dictionary


def observations(count: int) -> list[bytes]:
    """Observations of the demo region without their ids, as a laboratory would send them."""
    found = []
    for text in resources(datetime.now(UTC).date()):
        if b'"resourceType":"Observation"' in text[:60]:
            resource = orjson.loads(text)
            resource.pop("id", None)
            found.append(orjson.dumps(resource))
            if len(found) >= count:
                break
    return found


class _Recorder:
    """Stands for a connection, and keeps what would be bound instead of sending it."""

    def __init__(self) -> None:
        self.values: list[dict[str, Any]] = []
        self._appends = False

    async def execute(self, sql: str, values: dict[str, Any], **_: Any) -> _Recorder:
        self._appends = "INSERT INTO version" in sql
        if self._appends:
            self.values.append(values)
        return self

    async def fetchall(self) -> list[tuple[int, str]]:
        return [(1, "1")] if self._appends else []

    async def fetchone(self) -> tuple[int]:
        return (1,)


def prepare(bodies: Sequence[bytes], path: Path) -> None:
    """Writes the bound values of one insert for each body to ``path``."""
    writer = Writer(Codec({CURRENT: packaged_dictionary()}), Owners(), 1)
    recorder = _Recorder()
    connection = cast(Connection, recorder)
    for body in bodies:
        parsed = parse_resource(body, None)
        id_ = new_id()
        write = Write(
            parsed.type, id_, parsed.resource, body, rows=extract({**parsed.resource, "id": id_}), must_be_new=True
        )
        asyncio.run(writer.write(connection, [write], access=system_filter("bench")))
    path.write_bytes(pickle.dumps(recorder.values))


def batches(bodies: Sequence[bytes], size: int) -> list[bytes]:
    """Transaction bundles of ``size`` creations each."""
    made, left = [], iter(bodies)
    while chunk := list(islice(left, size)):
        entries = b",".join(
            b'{"resource":' + body + b',"request":{"method":"POST","url":"Observation"}}' for body in chunk
        )
        made.append(b'{"resourceType":"Bundle","type":"transaction","entry":[' + entries + b"]}")
    return made
