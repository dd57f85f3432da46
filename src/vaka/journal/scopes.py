"""What a program's scopes let it write: a judgement under the locks, on the resource as it stands and as it is to be.

Neither may lie outside the scopes. What they let it read is ``store.granted``.
Source: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from vaka.access.filter import AccessFilter
from vaka.errors import Forbidden
from vaka.journal.access import gate
from vaka.journal.arrays import integers
from vaka.journal.statements import statements
from vaka.store.granted import may_write, require_open

if TYPE_CHECKING:
    from vaka.journal.pool import Connection
    from vaka.journal.write import Write

OUTSIDE: Final = "this {} lies outside the token's scopes"
_INSIDE: Final = "what is written must itself match the scope's query"


async def require_granted(
    connection: Connection, access: AccessFilter, writes: Sequence[Write], standing: dict[int, Any]
) -> None:
    """Forbidden or NotFound unless the scopes let ``writes`` be made. ``standing``: by key, what they change and the program may
    know of, locked."""
    for write in writes:
        stands = standing.get(write.rkey)
        letter = "d" if write.deletes else "u" if stands is not None and not stands[4] else "c"
        require_open(access, (write.type,), letter)
        if write.resource is not None and not may_write(access, write.type, letter, {**write.resource, "id": write.id}):
            raise _outside(write, OUTSIDE)
    await _require_standing(connection, access, [w for w in writes if w.rkey in standing and not standing[w.rkey][4]])


async def _require_standing(connection: Connection, access: AccessFilter, writes: Sequence[Write]) -> None:
    if not writes:
        return
    for letter, doing in (("d", [w for w in writes if w.deletes]), ("u", [w for w in writes if not w.deletes])):
        through = gate(access, letter=letter)
        sql = through.into(statements("access")["standing"])
        values = {"keys": integers(sorted(write.rkey for write in doing)), **dict(through.values)}
        rows = await (await connection.execute(sql, values)).fetchall()
        within = {row[0] for row in rows if row[1]}
        for write in doing:
            if write.rkey not in within:
                raise _outside(write, "{}/" + write.id + " lies outside what the token's scopes let it change")
    patients = [write for write in writes if write.type == "Patient"]
    if patients:
        sql = statements("access")["protected_of"]
        keys = integers(sorted(write.rkey for write in patients))
        protected = {row[0] for row in await (await connection.execute(sql, {"keys": keys})).fetchall()}
        for write in patients:  # it sees them masked, and would take away what it does not see
            if write.rkey in protected:
                raise Forbidden(
                    "a protected identity is changed by those alone who see it whole", path=write.path, why="A10"
                )


def may_not_make(access: AccessFilter, type_: str) -> Forbidden:
    """The answer to who would make a second one of what is hidden: to a program that of one which lies outside its scopes."""
    if access.session is None:
        return Forbidden(OUTSIDE.format(type_), help=_INSIDE, why="scope: the condition matches what is hidden")
    return Forbidden(f"you may not make this {type_}", why="the condition matches what is hidden")


def _outside(write: Write, text: str) -> Forbidden:
    return Forbidden(
        text.format(write.type),
        help=_INSIDE,
        path=write.path,
        why="scope",
    )
