"""What the journal lost and this copy still had: kept in a file of its own, and given back by the reserve (feed.md, 4 and 5).

Invariants: an entry is on the disk before the copy shows anything else in its place; it goes in once, however often it is
found; it outlives every reseed. A copy holds current versions only, so of several lost versions of one resource it is the last.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import orjson

from vaka.copy import engine
from vaka.copy.put import Row
from vaka.copy.statements import statements
from vaka.fhir.definitions import type_name
from vaka.store.codec import Codec
from vaka.store.version import Action, instant, version_id

_CACHE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Lost:
    """One version that is to be given back. ``line``: as the feed told it."""

    rkey: int
    epoch: int
    version: int
    hash: bytes
    line: Mapping[str, Any]


class LostFile:
    """``DIR/lost.db``."""

    def __init__(self, path: Path, key: bytes) -> None:
        self._path = path
        self._connection = engine.lasting(path, key, cache_bytes=_CACHE_BYTES)
        self._sql = statements("lost")
        with engine.kept(self._connection):
            self._connection.execute(self._sql["schema"])

    def close(self) -> None:
        self._connection.close()

    def add(self, record: apsw.Connection, codec: Codec, rows: Sequence[Row]) -> None:
        """Keeps these rows of ``record``. Those that show a reserve entry are in the reserve already."""
        now_us = time.time_ns() // 1_000
        values = [
            (
                row.rkey, row.epoch, row.version, row.hash, type_name(row.type), row.id, row.seq,
                orjson.dumps(_line(record, codec, row)), now_us,
            )
            for row in rows if not row.pending
        ]  # fmt: skip
        with engine.told(self._path), engine.kept(self._connection), engine.transaction(self._connection):
            self._connection.executemany(self._sql["add"], values)

    def waiting(self, limit: int = 100) -> list[Lost]:
        """The next ones that are not in the reserve yet, in the order of the feed."""
        with engine.kept(self._connection):
            rows: Iterable[Any] = self._connection.execute(self._sql["waiting"], (limit,)).fetchall()
        return [Lost(rkey, epoch, version, digest, orjson.loads(line)) for rkey, epoch, version, digest, line in rows]

    def count(self) -> int:
        with engine.kept(self._connection):
            found: Any = self._connection.execute(self._sql["count"]).get
        return int(found)

    def given(self, lost: Sequence[Lost]) -> None:
        """These are in the reserve: from there they are given back (``copy.reserve.lost``)."""
        now_us = time.time_ns() // 1_000
        with engine.told(self._path), engine.kept(self._connection), engine.transaction(self._connection):
            values = [(now_us, one.rkey, one.epoch, one.version, one.hash) for one in lost]
            self._connection.executemany(self._sql["given"], values)


def _line(record: apsw.Connection, codec: Codec, row: Row) -> dict[str, Any]:
    owner: Any = record.execute(statements("apply")["owner"], (row.owner,)).get
    unit, provider, kind, author, source = owner
    patient: Any = None
    if row.patient is not None:
        patient = record.execute(statements("apply")["id_of"], (row.patient,)).get
    line: dict[str, Any] = {
        "cursor": f"{row.epoch}.{row.xid}.{row.seq}",
        "type": type_name(row.type),
        "id": row.id,
        "version": version_id(row.version, row.epoch),
        "number": row.version,
        "action": Action(row.action).name.lower(),
        "updated": instant(row.updated_us),
        "hash": row.hash.hex(),
        "owner": {"unit": unit, "provider": provider, "kind": kind, "author": author, "source": source},
        "patient": patient,
    }
    if row.redacted:
        line["redacted"] = True
    if row.body is not None:
        line["body"] = codec.decompress(row.dictionary, row.body).decode()
    return line
