"""What a copy has beside the record, in record.db: applied from the private feed (``journal.private``).

Invariants: rows and cursor stand in one commit with what the caller commits; a line is applied as it is, since of each key only
the newest is ever given; read from nothing, the old state stays in force until the first mark, and then what the journal did not
give goes (a revocation is never forgotten in between). A topic or column that this release does not know is passed over, a line
that cannot be kept is told and passed over (S4, S36). What was made on this copy (``pending``) stays until the journal has it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

import apsw
import orjson

from vaka import log
from vaka.copy.own import Own
from vaka.copy.statements import statements

_BYTES: Final = {"passkey": ("credential", "public_key"), "dictionary": ("content",), "copy_key": ("public_key",)}
_KEYS: Final = "keys"
_OF_RECORDS: Final = frozenset({"opening", "alias", "apart"})
_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "opening": (
        "opening", "patient", "person", "unit", "provider", "what", "target", "session", "opened_us", "until_us", "closed_us",
    ),
    "alias": ("patient", "id", "into_patient", "into_id", "root"),
    "apart": ("patient", "was_in", "from_us", "until_us"),
    "owner": ("owner", "unit", "provider", "kind", "author", "source"),
    "dictionary": ("dictionary", "content"),
    "revocation": ("session", "person", "at_us", "until_us"),
    "passkey": ("credential", "person", "site", "public_key", "signs", "demo", "made"),
    "client": ("client", "name", "keys", "scopes", "provider", "added", "removed"),
    "copy_key": ("kid", "copy", "public_key", "added", "removed"),
}  # fmt: skip


def create(connection: apsw.Connection) -> None:
    """Makes the tables where they are missing."""
    with connection:
        connection.execute(statements("private")["schema"])


def cursor_of(connection: apsw.Connection) -> str | None:
    """Where to read on from; None: from nothing."""
    row = connection.execute(statements("private")["state"]).fetchone()
    return row[0] if row is not None else None


def is_sweeping(connection: apsw.Connection) -> bool:
    """Whether the next mark takes out what the journal has not given."""
    row = connection.execute(statements("private")["state"]).fetchone()
    return bool(row and row[2])


def touched(lines: Iterable[bytes]) -> set[int | None]:
    """Whose record reads otherwise once these lines are applied; None: anybody's."""
    found: set[int | None] = set()
    for text in lines:
        line = orjson.loads(text)
        if line.get("topic") == "opening" and line.get("row"):
            found.add(line["row"].get("patient"))
        elif line.get("topic") in _OF_RECORDS:
            found.add(None)
    return found


def begin_anew(connection: apsw.Connection) -> None:
    """The journal has refused the cursor (409), or a new file was begun: the whole state is read again."""
    with connection:
        connection.execute(statements("private")["begin_anew"])


def apply(connection: apsw.Connection, lines: Iterable[bytes]) -> str | None:
    """Applies lines of ``/feed/private``, all or none; the cursor that is kept with them. Called by the one writer of record.db,
    within its own transaction or without one."""
    sql = statements("private")
    with connection:
        row = connection.execute(sql["state"]).fetchone()
        assert row is not None
        cursor: str | None = row[0]
        generation, sweeping = row[1:]
        for text in lines:
            line = orjson.loads(text)
            topic = line.get("topic")
            if topic == _KEYS:
                _keep_keys(connection, line["row"])
            elif topic in _COLUMNS:
                _put(connection, topic, str(line["key"]), line["row"], generation)
                if topic == "revocation":  # the journal does not tell that it has forgotten one
                    connection.execute(sql["forget_revocations"], {"now_us": time.time_ns() // 1_000})
            elif sweeping and "horizon" in line:
                connection.execute(sql["sweep"], {"generation": generation})
                sweeping = 0
            cursor = line.get("cursor", cursor)
        if cursor is not None and cursor.endswith(".0.0"):
            cursor = None  # nothing was given yet
        connection.execute(sql["keep_state"], {"cursor": cursor, "sweeping": sweeping})
    return cursor


def _put(connection: apsw.Connection, topic: str, key: str, row: Mapping[str, Any] | None, generation: int) -> None:
    sql = statements("private")
    try:
        if row is None:
            connection.execute(sql[f"drop_{topic}"], {"key": key})
            return
        values = {name: _plain(row.get(name)) for name in _COLUMNS[topic]}
        for name in _BYTES.get(topic, ()):
            values[name] = bytes.fromhex(str(values[name]).removeprefix("\\x"))
        connection.execute(sql[f"put_{topic}"], {**values, "key": key, "generation": generation})
    except (apsw.ConstraintError, apsw.MismatchError, ValueError, OverflowError) as error:
        log.error("private line set aside", topic=topic, key=key[:100], kind=type(error).__name__)


def _plain(value: Any) -> Any:
    """A value of JSON as a column holds it."""
    if isinstance(value, bool):
        return int(value)
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


def _keep_keys(connection: apsw.Connection, row: Mapping[str, Any]) -> None:
    """The journal's keys, whole."""
    sql = statements("private")
    kept = [
        (use, kid, bytes.fromhex(key))
        for use, told in row.items()
        for kid, key in (told.items() if isinstance(told, dict) else [("", told)])
    ]
    connection.execute(sql["drop_journal_keys"])
    for use, kid, content in kept:
        connection.execute(sql["put_journal_key"], {"use": use, "kid": kid, "content": content})


def journal_key(connection: apsw.Connection, use: str) -> bytes | None:
    """The one key of the journal that is for ``use``; None where it has told of none."""
    row = connection.execute(statements("private")["journal_key"], {"use": use}).fetchone()
    return bytes(row[0]) if row is not None else None


def show(connection: apsw.Connection, own: Own) -> None:
    """Shows in record.db what people have opened and closed on this copy, and takes away what the journal refused. Called by the
    one writer: when an opening was made (``{"apply": {"own": …}}``), after each delivery, and after a new seed."""
    sql = statements("private")
    opened, closed = own.openings(), own.closings()
    with connection:
        for one in opened:
            if one["handed"] == 0:
                connection.execute(sql["show_opening"], one)
            elif one["handed"] == 2:
                connection.execute(sql["hide_opening"], one)
        for opening, at_us in closed:
            connection.execute(sql["close_opening"], {"opening": opening, "now": at_us})
