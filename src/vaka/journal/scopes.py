"""A program's scopes on PostgreSQL: what it may read as a condition, what it may write as a judgement under the locks.

Invariants
- A scope's query is compiled by the same code as a search, and judged on a body by the same code as a conditional write.
- A write is judged on the resource as it stands, under its lock, and as it is to be: neither may lie outside the scopes.
- An old version is judged as it was, not as the resource is now.
- A program of one provider sees what that provider owns, the directory and who the patients are, and changes only the first.

Source: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson

from vaka.access.filter import AccessFilter
from vaka.access.scopes import Grant, criterion, may
from vaka.errors import Forbidden, NotFound
from vaka.fhir.definitions import type_number
from vaka.journal.access import PATIENT, Gate, gate
from vaka.journal.arrays import integers
from vaka.journal.statements import statements
from vaka.store.version import Version

if TYPE_CHECKING:
    from vaka.journal.compile import Sql
    from vaka.journal.pool import Connection
    from vaka.journal.write import Write

_NAMES: Final = {"c": "create", "r": "read", "u": "change", "d": "delete", "s": "search for"}
OUTSIDE: Final = "this {} lies outside the token's scopes"
_INSIDE: Final = "what is written must itself match the scope's query"
READING: Final = "rs"
KNOWING: Final = "rsud"
"""Rights that tell of what is there."""


def grants_gate(access: AccessFilter, letters: str) -> Gate:
    """What some grant with one of ``letters`` (of cruds) covers, as a condition."""
    return _gate(access.grants, access.provider, letters)


@lru_cache(maxsize=1_024)
def _gate(grants: tuple[Grant, ...], provider: str | None, letters: str) -> Gate:
    from vaka.journal.compile import Sql

    sql = Sql(Gate("TRUE"))
    ways = [way for grant in grants if (way := _way(grant, provider, letters, sql))]
    text = "FALSE" if not ways else "TRUE" if "TRUE" in ways else "(" + " OR ".join(ways) + ")"
    versions = _owned(provider, letters, sql).replace("{r}", "v")
    return Gate(text, tuple(sql.values.items()), versions=versions)


def _way(grant: Grant, provider: str | None, letters: str, sql: Sql) -> str | None:
    allowed = "".join(letter for letter in letters if letter in grant.may)
    if not allowed:
        return None
    parts = [f"{{r}}.type = {type_number(grant.type):d}"] if grant.type != "*" else []
    if grant.query:
        # Deleted resources have no search rows, so nothing but a negative condition could still find them.
        parts += ["NOT {r}.deleted", sql.condition(criterion(grant), "{r}")]
    owned = _owned(provider, allowed, sql)
    parts += [owned] if owned != "TRUE" else []
    return "(" + " AND ".join(parts) + ")" if parts else "TRUE"


def _owned(provider: str | None, letters: str, sql: Sql) -> str:
    if provider is None:
        return "TRUE"
    own = f"whose.provider = {sql.bind(provider)}::text"
    also = f" OR whose.kind IN ('directory', 'definition') OR {{r}}.type = {PATIENT:d}"
    widened = also if not set(READING).isdisjoint(letters) else ""
    return f"EXISTS (SELECT 1 FROM owner whose WHERE whose.owner = {{r}}.owner AND ({own}{widened}))"


def fits(access: AccessFilter, letters: str, version: Version) -> bool:
    """Whether a version, as it was, lies within a program's scopes; one without content gives nothing away."""
    if access.full or access.session is not None or version.body is None or not any(g.query for g in access.grants):
        return True
    return may(access.grants, letters, orjson.loads(version.body))


def may_write(access: AccessFilter, type_: str, letter: str, resource: dict[str, Any]) -> bool:
    """Whether a program may make (``c``) or change to (``u``) a resource of ``type_`` that is like ``resource``."""
    return access.full or may(access.grants, letter, {**resource, "resourceType": type_})


def require_open(access: AccessFilter, types: Sequence[str], letters: str) -> None:
    """Forbidden, or NotFound where the scopes have nothing on ``types``, unless they have one of ``letters`` on one of them.
    Never silently empty: none found must not be taken for none there (S3). Tells of the token alone, not of the record."""
    if access.full or access.session is not None or not access.grants:  # without any, the gate refuses
        return
    on = [grant for grant in access.grants if grant.type == "*" or grant.type in types]
    if any(not grant.may.isdisjoint(letters) for grant in on):
        return
    named = types[0] if len(types) == 1 else "resources of these types"
    if on:
        raise Forbidden(
            f"the token's scopes do not let it {_NAMES[letters[0]]} {named}", help="ask for a wider scope", why="scope"
        )
    raise NotFound(f"there is no {named} within the token's scopes", help="ask for a wider scope", why="scope")


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
        sql = statements("access")["standing"].replace("{access}", through.on("r"))
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
