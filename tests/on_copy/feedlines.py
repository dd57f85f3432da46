"""Lines of a feed that no journal has written: versions with true hashes, marks, and a copy's file to apply them to."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import apsw
import orjson

from vaka.copy import apply, engine
from vaka.copy.lines import Line, read
from vaka.fhir.extract import owner_hints
from vaka.store.version import instant, version_id

KEY = bytes(range(32))
NOW_US = 1_790_000_000_000_000


def version(
    resource: dict[str, Any],
    number: int = 1,
    *,
    xid: int = 1,
    seq: int = 1,
    epoch: int = 1,
    action: str | None = None,
    owner: dict[str, Any] | None = None,
    patient: str | None = None,
    redacted: bool = False,
) -> bytes:
    """The line of one version, as the journal writes it."""
    body = orjson.dumps({
        **resource,
        "meta": {
            **resource.get("meta", {}), "versionId": version_id(number, epoch), "lastUpdated": instant(NOW_US + seq * 1_000),
        },
    })  # fmt: skip
    gone = action in ("delete", "redact")
    line: dict[str, Any] = {
        "cursor": f"{epoch}.{xid}.{seq}",
        "type": resource["resourceType"],
        "id": resource["id"],
        "version": version_id(number, epoch),
        "number": number,
        "action": action or ("create" if number == 1 else "update"),
        "updated": instant(NOW_US + seq * 1_000),
        "hash": sha256(b"" if gone else body).hexdigest(),
        "owner": owner
        or {"number": 1, "unit": "unit-a", "provider": "provider-a", "kind": "note", "author": None, "source": "tests"},
        "patient": patient if patient is not None else owner_hints(resource),
    }
    if redacted or action == "redact":
        line["redacted"] = True
    elif not gone:
        line["body"] = body.decode()
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def mark(xid: int, cursor: str, *, epoch: int = 1) -> bytes:
    told = {"horizon": str(xid), "epoch": epoch, "cursor": cursor, "at": instant(NOW_US + xid), "ageSeconds": 0.0}
    return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)


def read_all(*lines: bytes) -> list[Line]:
    return [read(line.rstrip(b"\n")) for line in lines]


def record(path: Path) -> apsw.Connection:
    """A new record.db with its schema."""
    connection = engine.writer(path / "record.db", KEY)
    apply.make(connection)
    return connection


def contents(connection: apsw.Connection, *, without: tuple[str, ...] = ()) -> dict[str, list[Any]]:
    """Every row of every table that follows from the feed, sorted; full text by what it finds."""
    found: dict[str, list[Any]] = {}
    for table in (
        "resource", "token", "token_more", "search_date", "search_quantity", "search_string", "care_relation", "block", "consent",
        "protected", "owner",
    ):  # fmt: skip
        found[table] = sorted(connection.execute(f"SELECT * FROM {table}"), key=repr)
    return {name: rows for name, rows in found.items() if name not in without}


def words(connection: apsw.Connection, word: str) -> list[int]:
    return [row[0] for row in connection.execute("SELECT rowid FROM words WHERE words MATCH ?", (f'"{word}"',))]
