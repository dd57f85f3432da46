"""The owner rows of a copy: the journal's numbers, so that accesses on a copy name the same owners.

Invariants: a number keeps its meaning for every row that has it. Where the journal gives a number to another owner (it was
restored to before it gave it first), the rows that have it get a number of this copy's own, below 0; so does what the journal
has not numbered.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import apsw

from vaka import log
from vaka.copy.lines import Owner
from vaka.copy.statements import statements

_Content: TypeAlias = tuple[str | None, str | None, str, str | None, str]
_CACHE_MAX = 100_000


class Owners:
    """Of one writing connection. ``forget`` after a rollback."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._content: dict[int, _Content] = {}
        self._numbers: dict[_Content, int] = {}

    def forget(self) -> None:
        self._content.clear()
        self._numbers.clear()

    def number(self, owner: Owner) -> int:
        """The number of ``owner``, whose row is there afterwards."""
        content = (owner.unit, owner.provider, owner.kind, owner.author, owner.source)
        if owner.number is None:
            return self._unnumbered(content)
        if self._content.get(owner.number) == content:
            return owner.number
        if len(self._content) >= _CACHE_MAX:
            self.forget()
        stands: Any = self._connection.execute(statements("apply")["owner"], (owner.number,)).get
        if stands != content:
            if stands is not None:
                self._renumber(owner.number)
            self._connection.execute(statements("apply")["make_owner"], (owner.number, *content))
        self._content[owner.number] = content
        return owner.number

    def _unnumbered(self, content: _Content) -> int:
        if (known := self._numbers.get(content)) is not None:
            return known
        if len(self._numbers) >= _CACHE_MAX:
            self.forget()
        unit, provider, kind, author, source = content
        values = (source, kind, unit, provider, author)
        found: Any = self._connection.execute(statements("apply")["same_owner"], values).get
        if found is None:
            found = self._connection.execute(statements("apply")["own_number"]).get
            self._connection.execute(statements("apply")["make_owner"], (found, *content))
        number = self._numbers[content] = int(found)
        return number

    def _renumber(self, number: int) -> None:
        own: Any = self._connection.execute(statements("apply")["own_number"]).get
        log.warning("the journal gave an owner's number again", number=number)
        for name in ("renumber_owner", "renumber_resources", "renumber_beneath"):
            self._connection.execute(statements("apply")[name], (number, own))
        self.forget()
