"""The journal's connections. Each is checked when it is made: an acknowledged write must be durable on every one.

Invariants: no connection with weakened durability is ever used; none is used before the epoch of its server's timeline
is known (a failover or a restore breaks every connection, so the new epoch is noticed before anything is written); a
COMMIT is never cancelled or timed out, and one that PostgreSQL warns about (01000, cancelled while waiting for the
standby) is not acknowledged (continuity: PostgreSQL).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from vaka import config
from vaka.errors import Busy, Unavailable
from vaka.journal.arrays import register
from vaka.journal.durability import REQUIRED, refuse_weakened
from vaka.journal.statements import statements

Connection: TypeAlias = psycopg.AsyncConnection[TupleRow]

_SETTINGS = (  # no statement_timeout here: it would cancel a COMMIT that waits for the standby
    "SELECT set_config('jit', 'off', false), set_config('idle_in_transaction_session_timeout', '15s', false),"
    " set_config('lock_timeout', '10s', false)"
)
_SETTINGS_17 = _SETTINGS + ", set_config('transaction_timeout', '0', false)"  # not known to earlier ones


_BY_KEY = (
    "SELECT set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_seqscan', 'off', false),"
    " set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false)"
)
"""For statements that find rows by key, whatever stands in the tables: their plan is known. PostgreSQL would plan the rules of
a person's reading anew each time, which takes five times as long as reading."""


async def _configure(connection: Connection, *, timeout_s: float, by_key: bool) -> None:
    await connection.set_autocommit(True)
    connection.prepare_threshold = 2
    register(connection)
    names = sorted(REQUIRED)
    row = await (await connection.execute("SELECT " + ", ".join(f"current_setting('{n}')" for n in names))).fetchone()
    assert row is not None
    refuse_weakened(dict(zip(names, row, strict=True)))
    version = connection.info.server_version
    await connection.execute(_SETTINGS_17 if version >= 170000 else _SETTINGS)
    if timeout_s:
        await connection.execute(f"SET statement_timeout = '{int(timeout_s * 1_000)}ms'")
    if by_key:
        await connection.execute(_BY_KEY)


async def _current_epoch(connection: Connection) -> int:
    """The epoch that this server is in; begins one if its identity or timeline is not that of the last. 0: no schema."""
    sql = statements("epoch")
    if (await (await connection.execute("SELECT to_regclass('epoch')")).fetchone()) == (None,):
        return 0
    await connection.execute(sql["keep_epoch"])
    row = await (await connection.execute(sql["current_epoch"])).fetchone()
    return int(row[0]) if row is not None and row[0] is not None else 0


class Pool:
    """At most ``size`` connections. ``timeout_s``: statements are cancelled after it (reading only; 0: never). ``by_key``: for
    reading by key alone.

    ``epoch``: the newest that one of its connections has seen; ``on_epoch`` is called whenever it rises.
    """

    def __init__(
        self, dsn: str, *, size: int = config.CONNECTIONS_MAX, timeout_s: float = 0.0, by_key: bool = False
    ) -> None:
        self.epoch = 0
        self.on_epoch: Callable[[int], None] | None = None
        self._timeout_s = timeout_s
        self._by_key = by_key
        self._checking: asyncio.Task[None] | None = None
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            dsn,
            min_size=1,
            max_size=size,
            open=False,
            configure=self._prepare,
            timeout=config.CONNECT_TIMEOUT_S,
            max_idle=300.0,
            reconnect_timeout=2.0,
            check=None,
        )

    async def open(self) -> None:
        await self._pool.open(wait=False)

    async def _prepare(self, connection: Connection) -> None:
        await _configure(connection, timeout_s=self._timeout_s, by_key=self._by_key)
        epoch = await _current_epoch(connection)
        if epoch > self.epoch:
            self.epoch = epoch
            if self.on_epoch is not None:
                self.on_epoch(epoch)

    async def close(self) -> None:
        if self._checking is not None:
            self._checking.cancel()
        await self._pool.close(timeout=5.0)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection in autocommit; Unavailable when the database is away, with nothing done or everything undone."""
        try:
            async with self._pool.connection() as connection:
                yield connection
        except PoolTimeout as error:
            raise Unavailable("the database is away or has no connection free", retry_after_s=2) from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            state = getattr(error, "sqlstate", None) or ""
            if state.startswith(("53", "54")):  # disk, memory, locks, complexity: the connection lives
                raise Unavailable(
                    f"the database cannot do this now: {error.diag.message_primary}",
                    retry_after_s=10,
                    help="its log says what it is short of; send less at a time",
                ) from error
            if isinstance(error, psycopg.errors.QueryCanceled) and self._timeout_s:
                raise Busy(f"this took longer than {self._timeout_s:g} s", help="ask for less at a time") from error
            if isinstance(
                error, psycopg.errors.QueryCanceled | psycopg.errors.DeadlockDetected | psycopg.errors.LockNotAvailable
            ):
                raise
            self._look_at_the_others()
            raise Unavailable(
                "the database went away in the middle",
                retry_after_s=2,
                help="a write with an Idempotency-Key can be sent again: it is done once",
            ) from error

    def _look_at_the_others(self) -> None:
        """One connection is broken: idle ones of before are, too, and would each fail somebody's request."""
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._pool.check())

    def stats(self) -> dict[str, Any]:
        return dict(self._pool.get_stats())
