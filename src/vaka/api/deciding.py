"""What the conditions in a transaction find, decided under the locks of all of them, before anything changes.

In the order of the specification: deletions, other changes, and last the conditional references, which may also mean what the
transaction itself makes (https://hl7.org/fhir/R4/http.html#trules).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from vaka.api.interactions.conditions import condition, lock_keys, several, the_match
from vaka.api.server import Server
from vaka.errors import Invalid, Unprocessable, VakaError
from vaka.fhir.coming import Coming
from vaka.fhir.criteria import Query
from vaka.fhir.definitions import RESOURCE_TYPES
from vaka.fhir.parse import Parsed
from vaka.fhir.splice import conditional_references
from vaka.fhir.transaction import Entry
from vaka.journal.journal import Transaction
from vaka.journal.write import identity_keys


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


def conditions_of(
    server: Server, entries: Sequence[Entry], parsed: dict[int, Parsed], base_url: str
) -> dict[str | int, Condition]:
    """The conditions of entries, by their index, and behind conditional references, by their text."""
    wanted: dict[str | int, Condition] = {}
    for one in entries:

        def ask(what: str | int, type_: str, query: str, of: Entry = one) -> None:
            wanted[what] = Condition(condition(server, type_, query, base_url), of)

        try:
            if one.method == "POST" and one.if_none_exist is not None:
                ask(one.index, one.type or "", one.if_none_exist)
            elif one.method in ("PUT", "PATCH", "DELETE") and one.id is None:
                ask(one.index, one.type or "", one.query or "")
            for reference in conditional_references(one.resource) if one.index in parsed else ():
                if reference not in wanted:
                    type_, _, query = reference.partition("?")
                    if type_ not in RESOURCE_TYPES:
                        raise Invalid(f"{type_[:64]} is not a resource type of FHIR R4")
                    ask(reference, type_, query)
        except VakaError as error:
            raise Invalid(error.message, path=one.path) from error
    return wanted


async def decide(
    tx: Transaction, entries: Sequence[Entry], parsed: dict[int, Parsed], conditions: dict[str | int, Condition]
) -> tuple[dict[int, str], dict[str, str | int]]:
    """(ids found by entry index, what conditional references become: ``Type/id``, or the index of the entry that makes it)."""
    if not conditions:
        return {}, {}
    keys = {key for one in conditions.values() for key in lock_keys(one.query)}
    keys |= {key for one in parsed.values() for key in identity_keys(one.resource)}
    await tx.lock_identities(sorted(keys))
    found = await _found(tx, entries, {at: one.query for at, one in conditions.items() if isinstance(at, int)})
    making = {
        index: (entries[index].id, one.resource)
        for index, one in parsed.items()
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
                raise Unprocessable(f"no resource matches the reference {text[:200]}")
            references[text] = made[0] if match is None else f"{type_}/{match}"
    return found, references


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
