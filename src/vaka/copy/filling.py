"""Tokens of a file that is filled before anybody reads it: gathered as they come, put in their order many at once.

Token rows are a resource's most, and the keys of one lie all over their table: written one commit after another, nearly every
page is read, encrypted and written again with each. Invariants: what was gathered stands in the same commit as what it follows
from, so that a stop at any point loses nothing; a token that came, went and came again is there; once ``end`` has returned, the
tables are those of a file that was never filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import apsw

from vaka import config
from vaka.copy import engine
from vaka.copy.statements import statements

Pair: TypeAlias = tuple[int, int]
"""(key, rkey)."""


class Filling:
    """Of one writing connection, within its transactions."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._sql = statements("fill")
        with engine.transaction(connection):
            connection.execute(self._sql["begin"])
        self._count = self._counted()

    def put(self, came: Sequence[Pair], *, gone: Sequence[Pair], again: Sequence[Pair]) -> None:
        """``came``: of resources that are new; ``gone``, ``again``: taken from, and put to, those that stood already."""
        many, sql = self._connection.executemany, self._sql
        many(sql["gone"], gone)
        many(sql["not_gone"], again)
        many(sql["came"], came)
        many(sql["came"], again)
        self._count += len(came) + len(again)
        if self._count >= config.COPY_FILL_TOKENS:
            self.fold()

    def fold(self) -> None:
        """Puts all that was gathered where it belongs."""
        connection, sql = self._connection, self._sql
        connection.execute(sql["fold"])
        connection.executemany(statements("apply")["untoken"], connection.execute(sql["all_gone"]).fetchall())
        connection.execute(sql["empty"])
        self._count = 0

    def forget(self) -> None:
        """After a rollback."""
        self._count = self._counted()

    def _counted(self) -> int:
        found: Any = self._connection.execute(self._sql["count"]).get
        return int(found)


def end(connection: apsw.Connection) -> None:
    """Of a file that is whole: nothing is gathered any more, and all is in its place."""
    if connection.execute(statements("fill")["is_begun"]).fetchone() is None:
        return
    filling = Filling(connection)
    with engine.transaction(connection):
        filling.fold()
        connection.execute(statements("fill")["end"])
