"""What a condition matches, decided under locks so that two conditional writers at once make one resource.

Locks every identifier that the condition names, and the condition itself; looks in the next statement, which sees what
the writers waited for have committed (traps: Conditional create). https://hl7.org/fhir/R4/http.html#cond-update.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vaka.errors import PreconditionFailed
from vaka.fhir.criteria import All, Any, Criterion, Not, Query, Tokens
from vaka.fhir.keys import hash64

if TYPE_CHECKING:
    from vaka.journal.journal import Transaction


def lock_keys(query: Query) -> list[int]:
    """What to lock before looking: the condition as a whole, and every key in it."""
    return [hash64(f"condition\x1f{query.types}\x1f{query.used}"), *_keys(query.where)]


def _keys(node: Criterion) -> Iterator[int]:
    match node:
        case Tokens(keys) if len(keys) == 1:
            yield keys[0]
        case All(parts) | Any(parts):
            for part in parts:
                yield from _keys(part)
        case Not(part):
            yield from _keys(part)


async def the_match(transaction: Transaction, query: Query, *, locked: bool = False) -> str | None:
    """The id of the one resource that matches, None if there is none. PreconditionFailed if there are several."""
    if not locked:
        await transaction.lock_identities(lock_keys(query))
    found = await transaction.match(query.types, query.where)
    if len(found) > 1:
        raise PreconditionFailed(
            f"the condition matches several {query.types[0]} resources",
            help="make it more precise, for example by identifier",
        )
    return found[0][1] if found else None
