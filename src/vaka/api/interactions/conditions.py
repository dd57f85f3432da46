"""What a conditional interaction matches, decided under locks so that two at once make one.

Locks every identifier that the condition names, and the condition itself; looks in the next statement, which sees what the
writers waited for have committed (traps: Conditional create). https://hl7.org/fhir/R4/http.html#cond-update.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vaka.api.http import Request, parse_query_string
from vaka.errors import Invalid, PreconditionFailed
from vaka.fhir.criteria import All, Any, Criterion, Not, Query, Tokens
from vaka.fhir.keys import hash64
from vaka.fhir.query import parse_query
from vaka.journal.journal import Transaction

_RESULTS = frozenset({"_format", "_pretty", "_summary", "_elements", "_count", "_sort", "_total"})


def condition(type_: str, query: str | Sequence[tuple[str, str]], base_url: str) -> Query:
    """The search of a condition. Invalid if it is empty, or names a parameter that is not known."""
    pairs = parse_query_string(query) if isinstance(query, str) else list(query)
    pairs = [(name, value) for name, value in pairs if name not in _RESULTS]
    if not pairs:
        raise Invalid(f"a conditional interaction on {type_} needs search parameters")
    return parse_query([type_], pairs, base_url=base_url, strict=True)


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


def condition_of(request: Request, type_: str) -> Query:
    """The condition that a request's query string is."""
    return condition(type_, request.query, request.base_url)
