"""What the conditions in a transaction find, decided under the locks of all of them, before anything changes.

In the order of the specification: deletions, other changes, and last the conditional references, which may also mean what the
transaction itself makes (https://hl7.org/fhir/R4/http.html#trules).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vaka.errors import Invalid, Unprocessable, VakaError
from vaka.fhir.coming import Coming
from vaka.fhir.criteria import Query
from vaka.fhir.transaction import Entry
from vaka.journal.conditions import lock_keys, several, the_match
from vaka.journal.write import identity_keys

if TYPE_CHECKING:
    from vaka.journal.journal import Transaction


@contextmanager
def placed(one: Entry) -> Iterator[None]:
    """What is wrong within is told as of this entry."""
    try:
        yield
    except VakaError as error:
        issues = []
        for issue in error.issues:
            path = issue.path or ""
            if not path.startswith("Bundle.entry"):
                inside = one.type is not None and path.startswith(one.type + ".")
                path = f"{one.path}.resource{path.removeprefix(one.type or '')}" if inside else one.path
            issues.append(replace(issue, path=path))
        error.issues = tuple(issues)
        raise


@dataclass(frozen=True, slots=True)
class Condition:
    """What must be looked up before anything changes, and the first entry that asks it."""

    query: Query
    entry: Entry


def missing(reference: str) -> Exception:
    """What a conditional reference is answered with that matches nothing."""
    return Unprocessable(f"no resource matches the reference {reference[:200]}")


async def decide(
    tx: Transaction,
    entries: Sequence[Entry],
    resources: Mapping[int, dict[str, Any]],
    conditions: Mapping[str | int, Condition],
    *,
    missing: Callable[[str], Exception] = missing,
) -> tuple[dict[int, str], dict[str, str | int]]:
    """(ids found by entry index, what conditional references become: ``Type/id``, or the index of the entry that makes it).

    ``resources``: those that entries bring, by their index. ``conditions``: of entries by their index, behind conditional
    references by their text."""
    if not conditions:
        return {}, {}
    keys = {key for one in conditions.values() for key in lock_keys(one.query)}
    keys |= {key for resource in resources.values() for key in identity_keys(resource)}
    await tx.lock_identities(sorted(keys))
    found = await _found(tx, entries, {at: one.query for at, one in conditions.items() if isinstance(at, int)})
    making = {
        index: (entries[index].id, resource)
        for index, resource in resources.items()
        if entries[index].method == "PUT" or (entries[index].method == "POST" and index not in found)
    }
    coming = Coming(making, time.time_ns() // 1_000)
    references: dict[str, str | int] = {}
    replaced: dict[str, set[str]] = {}
    for text in (what for what in conditions if isinstance(what, str)):
        query, type_ = conditions[text].query, conditions[text].query.types[0]
        if type_ not in replaced:
            replaced[type_] = _taken(entries, found, type_, "DELETE", "PUT")
        with placed(conditions[text].entry):
            match = await the_match(tx, query, locked=True, without=replaced[type_])
            made = coming.matching(query)
            if len(made) + (match is not None) > 1:
                raise several(type_)
            if match is None and not made:
                raise missing(text)
            references[text] = made[0] if match is None else f"{type_}/{match}"
    return found, references


def named(meant: Mapping[str, str | int], entries: Sequence[Entry]) -> dict[str, str]:
    """What conditional references become once ``entries`` have their ids."""
    return {text: to if isinstance(to, str) else f"{entries[to].type}/{entries[to].id}" for text, to in meant.items()}


async def _found(tx: Transaction, entries: Sequence[Entry], conditions: dict[int, Query]) -> dict[int, str]:
    """What the conditions of entries find. A create does not find what is deleted beside it."""
    found: dict[int, str] = {}
    deleted: dict[str, set[str]] = {}
    creating: dict[tuple[object, ...], int] = {}
    for index in sorted(conditions, key=lambda index: entries[index].method != "DELETE"):
        one, query = entries[index], conditions[index]
        makes = one.method in ("POST", "PUT")
        type_ = query.types[0]
        if one.method == "POST" and type_ not in deleted:
            deleted[type_] = _taken(entries, found, type_, "DELETE")
        without = deleted[type_] if one.method == "POST" else ()
        with placed(one):
            match = await the_match(tx, query, creating=makes, locked=True, without=without)
            if match is not None:
                found[index] = match
            elif makes and (other := creating.setdefault((query.types, query.used), index)) != index:
                raise Invalid(f"entries {other} and {index} would both create what matches one condition")
    return found


def _taken(entries: Sequence[Entry], found: dict[int, str], type_: str, *methods: str) -> set[str]:
    """Ids of ``type_`` that entries with these methods change."""
    ids = {one.id or found.get(one.index) for one in entries if one.type == type_ and one.method in methods}
    return {id_ for id_ in ids if id_ is not None}
