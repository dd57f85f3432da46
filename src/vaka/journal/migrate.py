"""Brings a database to this release's schema, and keeps the epochs.

Invariants: each migration runs once, whole, in order, under one advisory lock; which ones have run is written down one by
one, so that none is passed over unseen; a schema newer than this release is refused; the epoch rises whenever the cluster's
identity or timeline is not the one of the last epoch (traps: Epoch).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import psycopg

from vaka.errors import Setup, Unavailable
from vaka.journal.statements import migration_files, statements
from vaka.store.codec import CURRENT, packaged_dictionary

_LOCK = 0x76616B61  # "vaka"
MAX_EPOCH_REASON_CHARS = 200


def schema_number(connection: psycopg.Connection) -> int:
    """The newest migration that this database has had; 0 for an empty one."""
    if connection.execute("SELECT to_regclass('public.fact')").fetchone() == (None,):
        return 0
    row = connection.execute("SELECT value FROM fact WHERE name = 'schema'").fetchone()
    return int(row[0]) if row else 0


def has_access_log(dsn: str) -> bool:
    """Whether the schema has an access log (number 4 and later). Unavailable if the database does not answer."""
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            return connection.execute("SELECT to_regclass('log.run')").fetchone() != (None,)
    except psycopg.OperationalError as error:
        raise Unavailable("the database does not answer") from error


def migrate(dsn: str, phase: Literal["pre", "post"]) -> None:
    """Applies what is missing of ``phase``. Setup if the schema is newer than this release, lacks one that was passed over, or
    cannot be reached."""
    known = migration_files()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        have = schema_number(connection)
        if have > known[-1][0]:
            raise Setup(
                f"the journal's schema is number {have}, this release knows up to {known[-1][0]}",
                help="start the release that made it, or a newer one; an older release never opens a newer record",
            )
        applied = _applied(connection, have)
        for number, sql in due(known, applied, phase):
            with connection.transaction():
                connection.execute(sql.encode())
                applied.add(number)
                _keep(connection, "schema", str(max(applied)))
                _keep(connection, "migrations", " ".join(map(str, sorted(applied))))
        if phase == "pre":
            _store_dictionary(connection)
            _keep_epoch(connection)
            make_partitions(connection)


def due(known: Sequence[tuple[int, str, str]], applied: set[int], phase: str) -> list[tuple[int, str]]:
    """(number, SQL) of what is still to be applied in ``phase``, in order. Setup where one was passed over: what came after it
    may rest on it, and a person has to look. Those of ``post`` wait for their phase while later ones of ``pre`` run."""
    missing = [(number, sql) for number, its_phase, sql in known if its_phase == phase and number not in applied]
    later = max(
        (number for number, its_phase, _ in known if number in applied and phase in ("pre", its_phase)), default=0
    )
    if skipped := [number for number, _ in missing if number < later]:
        raise Setup(
            f"the journal's schema has migration {later}, but never had {', '.join(map(str, skipped))}",
            help="a release that lacked it was here: restore a backup from before it, or load a dump into a new record",
        )
    return missing


def _applied(connection: psycopg.Connection, have: int) -> set[int]:
    """Numbers of the migrations that this database has had; of one from before they were written down: all up to ``have``."""
    if not have:
        return set()
    row = connection.execute("SELECT value FROM fact WHERE name = 'migrations'").fetchone()
    return {int(number) for number in row[0].split()} if row else set(range(1, have + 1))


def _keep(connection: psycopg.Connection, name: str, value: str) -> None:
    connection.execute(
        "INSERT INTO fact VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value)
    )


def _store_dictionary(connection: psycopg.Connection) -> None:
    connection.execute(
        "INSERT INTO dictionary VALUES (%s, %s) ON CONFLICT DO NOTHING", (CURRENT, packaged_dictionary())
    )


def make_partitions(connection: psycopg.Connection) -> None:
    """Makes the version partition in use and the next."""
    for sql in statements("partition").values():
        connection.execute(sql.encode())


def _identity(connection: psycopg.Connection) -> tuple[str, int]:
    # pg_control_checkpoint() lags after a promotion; the name of the WAL file in use does not (traps: Epoch).
    row = connection.execute(
        "SELECT (SELECT system_identifier::text FROM pg_control_system()),"
        " ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def _keep_epoch(connection: psycopg.Connection) -> None:
    system, timeline = _identity(connection)
    last = connection.execute(
        "SELECT epoch, system_identifier, timeline FROM epoch ORDER BY epoch DESC LIMIT 1"
    ).fetchone()
    if last is None:
        reason = "first start"
    elif (last[1], last[2]) == (system, timeline):
        return
    else:
        reason = f"timeline {last[2]} of {last[1]} became timeline {timeline} of {system}"
    connection.execute(
        "INSERT INTO epoch (epoch, system_identifier, timeline, reason) VALUES (%s, %s, %s, %s)",
        ((last[0] if last else 0) + 1, system, timeline, reason),
    )


def raise_epoch(dsn: str, reason: str = "restored") -> int:
    """Begins a new epoch, after a restore: what the lost tail had given out can never be given again. Ends every
    session of Vaka's role, so that each process learns of it before its next write (``pool``)."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        system, timeline = _identity(connection)
        row = connection.execute(
            "INSERT INTO epoch (epoch, system_identifier, timeline, reason)"
            " SELECT coalesce(max(epoch), 0) + 1, %s, %s, %s FROM epoch RETURNING epoch",
            (system, timeline, reason[:MAX_EPOCH_REASON_CHARS]),
        ).fetchone()
        assert row is not None
        connection.execute(statements("epoch")["end_sessions"].encode())
        return int(row[0])
