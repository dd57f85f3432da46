"""What a PostgreSQL server must be before Vaka trusts it with the record.

Invariants: no acknowledged write may rest on weakened durability, and the feed's horizon may not be held back by
strangers, so the cluster is Vaka's alone (facts/traps.md: Journal; The horizon). Asked of the running server with
SHOW, whoever configured it, and again on each connection's start, since a session can lower ``synchronous_commit``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import psycopg
from psycopg import conninfo

from vaka import config, errors
from vaka.journal.statements import statements

VERSION_MIN: Final = 150000

# PostgreSQL ends the process itself on data_sync_retry = off; the others are what an acknowledged commit rests on.
REQUIRED: Final[Mapping[str, frozenset[str]]] = {
    "fsync": frozenset({"on"}),
    "synchronous_commit": frozenset({"on", "remote_apply"}),
    "full_page_writes": frozenset({"on"}),
    "data_checksums": frozenset({"on"}),
    "data_sync_retry": frozenset({"off"}),
    "max_prepared_transactions": frozenset({"0"}),
}


def weakened(settings: Mapping[str, str]) -> list[str]:
    """Each required setting that is missing or weaker than required, as ``name = value``."""
    return [
        f"{name} = {settings.get(name, 'unknown')}"
        for name, allowed in REQUIRED.items()
        if settings.get(name) not in allowed
    ]


def refuse_weakened(settings: Mapping[str, str]) -> None:
    """Setup error naming every weakened setting of ``settings`` (by name)."""
    if found := weakened(settings):
        advice = "; ".join(f"{name} = {' or '.join(sorted(allowed))}" for name, allowed in REQUIRED.items())
        raise errors.Setup(
            f"PostgreSQL's durability is weakened: {', '.join(found)}",
            help=f"what is acknowledged could be lost. Set {advice}"
            " (pg_checksums --enable sets data_checksums on a stopped cluster), and start again",
        )


def check(dsn: str) -> None:
    """Setup error unless the server behind ``dsn`` is new enough, a primary, durable and Vaka's alone."""
    with psycopg.connect(dsn, autocommit=True, connect_timeout=int(config.CONNECT_TIMEOUT_S)) as connection:
        if connection.info.server_version < VERSION_MIN:
            raise errors.Setup(
                f"PostgreSQL {connection.info.server_version // 10000} is too old",
                help=f"Vaka needs PostgreSQL {VERSION_MIN // 10000} or later",
            )
        if _value(connection, "is_standby"):
            raise errors.Setup("this PostgreSQL is a standby", help="give the address of the primary")
        sql = statements("durability")
        rows = connection.execute(sql["settings"].encode(), {"names": list(REQUIRED)})
        refuse_weakened({str(name): str(setting) for name, setting in rows})
        others = [str(row[0]) for row in connection.execute(sql["other_databases"].encode())]
        writers = [str(row[0]) for row in connection.execute(sql["other_writers"].encode())]
    _refuse_shared([name for name in others if _has_tables(dsn, name)], writers)


def _refuse_shared(with_tables: Sequence[str], writers: Sequence[str]) -> None:
    if with_tables or writers:
        names = ", ".join(dict.fromkeys((*with_tables, *writers)))
        raise errors.Setup(
            f"this PostgreSQL cluster also holds other databases in use: {names}",
            help="a write there would hold back every reader of Vaka's change feed: give Vaka a cluster of its own",
        )


def _has_tables(dsn: str, database: str) -> bool:
    """Whether the other database holds tables. One that lets nobody look counts as used, save the maintenance one."""
    address = conninfo.make_conninfo(dsn, dbname=database)
    try:
        with psycopg.connect(address, autocommit=True, connect_timeout=int(config.CONNECT_TIMEOUT_S)) as connection:
            return bool(_value(connection, "count_tables"))
    except psycopg.OperationalError:
        return database != "postgres"


def _value(connection: psycopg.Connection, statement: str) -> object:
    row = connection.execute(statements("durability")[statement].encode()).fetchone()
    return row[0] if row else None
