"""What a condition matches, decided under locks so that two conditional writers at once make one resource.

Locks every identifier that the condition names, and the condition itself; looks in the next statement, which sees what
the writers waited for have committed (traps: Conditional create). https://hl7.org/fhir/R4/http.html#cond-update.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from vaka.access.filter import AccessFilter
from vaka.errors import Conflict, PreconditionFailed
from vaka.fhir.criteria import All, Criterion, Not, Query, Tokens, Unprotected
from vaka.fhir.criteria import Any as AnyOf
from vaka.fhir.keys import hash64
from vaka.fhir.query import parse_query
from vaka.journal.scopes import may_not_make
from vaka.journal.write import identity_keys

if TYPE_CHECKING:
    from vaka.journal.journal import Transaction

_KEYS_LOCKED_MAX = 200


def lock_keys(query: Query) -> list[int]:
    """What to lock before looking: the condition as a whole, and every key in it (up to a limit: one with more is
    serialised with itself alone)."""
    return [hash64(f"condition\x1f{query.types}\x1f{query.used}"), *islice(_keys(query.where), _KEYS_LOCKED_MAX)]


def _keys(node: Criterion) -> Iterator[int]:
    match node:
        case Tokens(keys):
            yield from keys
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from _keys(part)
        case Not(part) | Unprotected(part):
            yield from _keys(part)


async def the_match(
    transaction: Transaction,
    query: Query,
    *,
    writing: Mapping[str, Any] | None = None,
    creating: bool = False,
    locked: bool = False,
    without: Collection[str] = (),
) -> str | None:
    """The id of the one resource that matches, None if there is none. PreconditionFailed if there are several.

    ``writing``: what is to be written then; its identities are locked at once with the condition, since taking them
    later could meet another writer who holds them and waits for the condition. ``creating``: it is made where nothing matches.
    ``without``: ids that are passed over, since they are deleted or replaced in the same transaction.
    What matches and is hidden is not told of: nothing is changed or referred to, and none is made beside it: Forbidden, as for
    what may not be made at all."""
    if not locked:
        await transaction.lock_identities([*lock_keys(query), *identity_keys(writing)])
    found = await transaction.match(query.types, query.where, identity=_numbers(transaction.access, query))
    found = [match for match in found if match.id not in without]
    visible = [match.id for match in found if match.visible]
    if len(visible) > 1:
        raise several(query.types[0])
    if not visible and found and creating:
        raise may_not_make(transaction.access, query.types[0])
    return visible[0] if visible else None


def several(type_: str) -> PreconditionFailed:
    """What a condition that has to be precise is answered with."""
    return PreconditionFailed(
        f"the condition matches several {type_} resources", help="make it more precise, for example by identifier"
    )


def _numbers(access: AccessFilter, query: Query) -> Criterion | None:
    """The identifiers of Patients that a program's condition names: over these, and nothing else of who is hidden, it is
    matched among all, so that nobody is made twice."""
    if access.full or access.session is not None or query.types != ("Patient",):
        return None
    named = [(name, value) for name, value in query.used if name in ("identifier", "identifier:of-type")]
    return parse_query(query.types, named, base_url="", strict=True).where if named else None


async def require_unused(transaction: Transaction, type_: str, id_: str) -> None:
    """Conflict if a resource has the id under which a conditional update that found nothing would create."""
    current = await transaction.current(type_, id_, lock=True)
    if current is not None and not current.deleted:
        raise Conflict(
            f"the condition matches no {type_}, and {type_}/{id_} is another",
            help="leave the id out, or update that resource by its address",
        )
