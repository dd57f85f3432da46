"""The region's copies as the journal knows them: the keys that they sign sessions with, and which of them are shut out.

Invariants: a name is the program's that first brought a key under it, and a program has one name; a copy has one key, so that a
newer one voids what the older signed; who was shut out by an operator stays out, with all that its keys have signed, in every
process within a second, until the operator takes it in again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import psycopg

from vaka import log
from vaka.errors import Conflict, Forbidden, NotFound, VakaError
from vaka.journal.pool import Pool
from vaka.journal.statements import statements

LOOK_EVERY_S = 0.4


@dataclass(frozen=True, slots=True)
class CopyKey:
    """``principal``: the program whose token brought it; ``good``: not replaced, and its copy not shut out."""

    kid: str
    copy: str
    principal: str
    public_key: bytes
    good: bool


class Copies:
    """The copies as this process knows them; ``follow`` keeps it at most ``LOOK_EVERY_S`` and one statement old."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._keys: dict[str, CopyKey] = {}
        self._names: dict[str, str] = {}
        self._refused: frozenset[str] = frozenset()
        self._marks: tuple[Any, ...] | None = None
        self.generation = 0

    def key(self, kid: str) -> CopyKey | None:
        """The key if it is good."""
        found = self._keys.get(kid)
        return found if found is not None and found.good and found.copy not in self._refused else None

    def has(self, kid: str) -> bool:
        return kid in self._keys

    def name_of(self, principal: str) -> str | None:
        """The copy that this program is, None before it has brought a key. Forbidden if it was shut out."""
        name = self._names.get(principal)
        if name in self._refused:
            raise _shut_out(str(name))
        return name

    async def look(self) -> None:
        sql = statements("copies")
        async with self._pool.connection() as connection:
            marks = await (await connection.execute(sql["marks"])).fetchone()
            if marks == self._marks:
                return
            keys = await (await connection.execute(sql["keys"])).fetchall()
            refused = await (await connection.execute(sql["refused"])).fetchall()
        found = [CopyKey(kid, copy, principal, bytes(key), good) for kid, copy, principal, key, good in keys]
        self._keys = {one.kid: one for one in found}
        self._names = {one.principal: one.copy for one in found}
        self._refused = frozenset(row[0] for row in refused)
        self._marks = marks
        self.generation += 1

    async def follow(self) -> None:
        """Until cancelled. While the database is away, what was known stays known: it reads nothing either."""
        while True:
            try:
                await self.look()
            except (VakaError, psycopg.Error) as error:
                log.warning("copies not looked up", kind=type(error).__name__)
            await asyncio.sleep(LOOK_EVERY_S)

    async def register(self, copy: str, principal: str, kid: str, public_key: bytes) -> None:
        """Takes a copy's key. Forbidden for a copy that is shut out; Conflict for another's name or key."""
        sql = statements("copies")
        values = {"copy": copy, "principal": principal, "kid": kid, "public_key": public_key}
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(sql["lock"])
            held = await (await connection.execute(sql["holder"], values)).fetchall()
            shut = await (await connection.execute(sql["is_refused"], values)).fetchone()
            if any(refused for *_, refused in held) or shut == (True,):
                raise _shut_out(copy)
            if any((name, who) != (copy, principal) for name, who, _ in held):
                raise Conflict(
                    f"the name {copy}, its key or this program belong to another copy",
                    help="each copy has a name, a key and a token of its own: vaka token --system COPY --scope feed-private",
                )
            await connection.execute(sql["replace"], values)
            await connection.execute(sql["put"], values)
        await self.look()


def _shut_out(copy: str) -> Forbidden:
    return Forbidden(f"the copy {copy} was shut out", help=f"an operator takes it in again: vaka peer admit {copy}")


def refuse(dsn: str, copy: str) -> None:
    """Shuts a copy out: within a second nothing of it is taken, and what it has signed is void. NotFound for an unknown one."""
    sql = statements("copies")
    with psycopg.connect(dsn) as connection:
        if connection.execute(sql["is_known"], {"copy": copy}).fetchone() == (False,):
            raise NotFound(f"no copy called {copy} has come here", help="vaka peer keys lists them")
        connection.execute(sql["refuse"], {"copy": copy})
        connection.execute(sql["void"], {"copy": copy})


def admit(dsn: str, copy: str) -> None:
    """Takes a copy in again: its key is good from when it comes the next time. NotFound where it was not shut out."""
    with psycopg.connect(dsn) as connection:
        if connection.execute(statements("copies")["admit"], {"copy": copy}).fetchone() is None:
            raise NotFound(f"the copy {copy} is not shut out", help="vaka peer keys lists them")


def listed(dsn: str) -> list[tuple[Any, ...]]:
    """(copy, kid, principal, added, removed, shut out) of each key."""
    with psycopg.connect(dsn) as connection:
        return connection.execute(statements("copies")["listed"]).fetchall()
