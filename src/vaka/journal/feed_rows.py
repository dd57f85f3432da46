"""Rows of the feed as lines, and the horizon: the two questions that the feed asks the database.

Invariants: a page is bounded in rows and in bytes, compressed and not; the horizon is asked for before the page below
it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeAlias

import orjson

from vaka import config
from vaka.fhir.compartments import patient_keys
from vaka.fhir.definitions import type_name
from vaka.fhir.extract import owner_hints
from vaka.fhir.keys import resource_key
from vaka.journal.arrays import integers
from vaka.journal.pool import Connection
from vaka.journal.statements import statements
from vaka.store.codec import Codec
from vaka.store.cursor import Place
from vaka.store.version import Action, instant, version_id

Line: TypeAlias = tuple[Place, bytes]


@dataclass(frozen=True, slots=True)
class Horizon:
    """No version with an xid below ``xid`` can appear any more. ``age_s``: how long the oldest open write has run;
    ``at``: the database's clock when it was asked; ``heard``: that moment on this process's monotonic clock."""

    epoch: int
    xid: int
    age_s: float
    at: datetime
    heard: float


@cache
def _page(which: str) -> bytes:
    sql = statements("feed")
    return sql["feed_page"].replace("{which}", sql[which]).encode()


class FeedRows:
    """Asks for rows and makes lines of them."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    async def horizon(self, connection: Connection) -> Horizon:
        asked = time.monotonic()
        row = await (await connection.execute(statements("feed")["horizon"])).fetchone()
        assert row is not None
        return Horizon(row[2], int(row[0]), row[1], row[3].astimezone(UTC), asked)

    async def page(self, connection: Connection, after: Place, horizon_xid: int) -> list[Line]:
        """The next lines after ``after`` below the horizon; none: there are no more."""
        return await self._lines(connection, "which_below", after, {"horizon": str(horizon_xid)})

    async def of_patient(self, connection: Connection, id_: str, after: Place, until: Place) -> list[Line]:
        """The next versions in the record of the Patient ``id_``, or that refer to it, after ``after`` and at or before
        ``until``; none: there are no more."""
        values = {
            "patient": resource_key("Patient", id_), "keys": integers(patient_keys(id_)),
            "until_xid": str(until[0]), "until_seq": until[1],
        }  # fmt: skip
        return await self._lines(connection, "which_of_patient", after, values)

    async def _lines(self, connection: Connection, which: str, after: Place, more: Mapping[str, object]) -> list[Line]:
        values = {
            "xid": str(after[0]),
            "seq": after[1],
            "limit": config.FEED_BATCH_ROWS,
            "limit_bytes": config.FEED_BATCH_BYTES,
            **more,
        }
        lines: list[Line] = []
        size = 0
        for row in await (await connection.execute(_page(which), values)).fetchall():
            line = self.line(row)
            lines.append(((int(row[0]), row[1], row[2]), line))
            size += len(line)
            if size >= config.FEED_BATCH_BYTES:
                break  # bodies that compressed well: the rest is asked for again
        return lines

    def line(self, row: Any) -> bytes:
        """A row with the columns of ``feed_page`` as a line."""
        xid, seq, epoch, type_, id_, version, updated_us, action, redacted, dictionary, digest, body = row[:12]
        number, unit, provider, kind, author, source, home, patient = row[12:]
        text = self._codec.decompress(dictionary, body) if body is not None else None
        if patient is None and home is not None and text is not None:
            patient = _named(text, home)
        line: dict[str, Any] = {
            "cursor": f"{epoch}.{xid}.{seq}",
            "type": type_name(type_),
            "id": id_,
            "version": version_id(version, epoch),
            "number": version,
            "action": Action(action).name.lower(),
            "updated": instant(updated_us),
            "hash": bytes(digest).hex(),
            "owner": {
                "number": number, "unit": unit, "provider": provider, "kind": kind, "author": author, "source": source,
            },
            "patient": patient,
        }  # fmt: skip
        if redacted:
            line["redacted"] = True
        if text is not None:
            line["body"] = text.decode()
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def _named(body: bytes, home: int) -> str | None:
    """The id of the home patient by the key ``home``, where the Patient itself is not in the record yet (a load that has it
    later): without it nobody's relation or block would count at a copy."""
    named = owner_hints(orjson.loads(body))
    return named if named is not None and resource_key("Patient", named) == home else None
