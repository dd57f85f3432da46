"""A transaction bundle into writes: its conditions decided under locks, its references resolved, every entry validated.

Sources: https://hl7.org/fhir/R4/http.html#transaction, #trules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qsl

import orjson

from vaka.config import BODY_MAX_BYTES, ISSUES_MAX, QUERY_MAX_PARAMETERS
from vaka.errors import Invalid, Issue, NotFound, PreconditionFailed, TooLarge, Unprocessable, VakaError
from vaka.fhir.accept import require_valid
from vaka.fhir.criteria import Query
from vaka.fhir.parse import Parsed, as_parsed, parse_resource
from vaka.fhir.patch import apply_patch
from vaka.fhir.query import parse_query
from vaka.fhir.splice import conditional_references
from vaka.fhir.transaction import Assigned, Entry, assign_ids
from vaka.journal import deciding
from vaka.journal.accept import write_of
from vaka.journal.deciding import Condition
from vaka.journal.journal import Transaction
from vaka.journal.write import Write
from vaka.load.items import BASE_URL, Bundle, known
from vaka.load.sources import made_id
from vaka.store.version import parse_version_id

_RESULTS: Final = frozenset({"_format", "_pretty", "_summary", "_elements", "_count", "_sort", "_total"})


class NotYet(Exception):
    """What this refers to conditionally is not in the record: it may come later in the same load."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.reference = reference


def creates(entry: Entry) -> bool:
    return entry.method == "POST" and entry.operation is None


def conditions(bundle: Bundle) -> dict[str | int, Condition]:
    """The conditions of all entries. Invalid, with the entry's path, for one that cannot be asked."""
    found: dict[str | int, Condition] = {}
    for one in bundle.entries:
        try:
            if creates(one) and one.if_none_exist is not None:
                found[one.index] = Condition(_condition(one.type or "", one.if_none_exist), one)
            elif one.method in ("PUT", "PATCH", "DELETE") and one.id is None:
                found[one.index] = Condition(_condition(one.type or "", one.query or ""), one)
            if one.body is None or b"?" not in one.body:
                continue
            for reference in conditional_references(one.resource):
                if reference not in found:
                    type_, _, query = reference.partition("?")
                    found[reference] = Condition(_condition(type_, query), one)
        except VakaError as error:
            raise Invalid(error.message, path=one.path) from error
    return found


def _condition(type_: str, query: str) -> Query:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=QUERY_MAX_PARAMETERS)
    except ValueError as error:
        raise Invalid(f"{query[:100]!r} is no search") from error
    pairs = [(name, value) for name, value in pairs if name not in _RESULTS]
    if not pairs:
        raise Invalid(f"a conditional interaction on {type_} needs search parameters")
    return parse_query([type_], pairs, base_url=BASE_URL, strict=True)


async def decide(
    tx: Transaction, bundle: Bundle, asked: Mapping[str | int, Condition], *, final: bool
) -> tuple[dict[int, str], dict[str, str | int]]:
    """As ``deciding.decide``. For a reference that matches nothing NotYet, or if ``final`` Unprocessable."""
    resources = {one.index: one.resource for one in bundle.entries if one.body and one.resource is not None}
    return await deciding.decide(tx, bundle.entries, resources, asked, missing=deciding.missing if final else NotYet)


def assigned(bundle: Bundle, found: dict[int, str]) -> Assigned:
    """The entries with their ids; those of creates are the same each time this bundle is loaded."""
    entries = [
        replace(one, id=made_id(bundle.digest, one.index)) if creates(one) and one.index not in found else one
        for one in bundle.entries
    ]
    made = iter([made_id(bundle.digest, one.index) for one in entries if one.id is None and one.index not in found])
    return assign_ids(entries, lambda _: next(made), found=found)


def accepted(bundle: Assigned, found: dict[int, str], references: dict[str, str]) -> dict[int, Parsed]:
    """The valid resources by entry index, references resolved. Unprocessable with the findings of all entries."""
    parsed: dict[int, Parsed] = {}
    issues: list[Issue] = []
    for one in bundle.entries:
        if one.operation is not None:
            raise Invalid(f"{one.operation[:40]} cannot be part of a transaction", path=one.path)
        if one.body is None or one.resource is None or (creates(one) and one.index in found):
            continue
        body = bundle.body(one, references)
        try:
            if len(body) > BODY_MAX_BYTES:
                raise TooLarge("the resource is too large", path=one.path)
            parsed[one.index] = known(
                as_parsed(one.resource if body == one.body else orjson.loads(body), body, one.type)
            )
            require_valid(parsed[one.index])
        except VakaError as error:
            issues += [
                replace(i, path=f"{one.path}.resource" + (i.path or "").removeprefix(one.type or ""))
                for i in error.issues
            ]
    if issues:
        raise Unprocessable(
            f"the transaction holds what is not valid FHIR R4: {issues[0].message}", issues=issues[:ISSUES_MAX]
        )
    return parsed


async def write_for(tx: Transaction | None, one: Entry, parsed: Parsed | None) -> Write | None:
    """The change that an entry asks for. ``tx`` is needed by a PATCH. NotFound where there is nothing to patch."""
    expected = None
    if one.if_match is not None:
        expected = parse_version_id(one.if_match.strip().removeprefix("W/").strip('"'))
        if expected is None:
            raise PreconditionFailed(f"ifMatch {one.if_match[:60]} is no version of this journal", path=one.path)
    type_ = one.type or ""
    if one.method == "DELETE":
        return Write(type_, one.id, if_match=expected) if one.id is not None else None
    if one.method == "PATCH":
        current = await tx.current(type_, one.id, lock=True) if tx is not None and one.id is not None else None
        if current is None or current.body is None or one.id is None:
            raise NotFound(f"there is no {type_} to be patched", path=one.path)
        patched = parse_resource(apply_patch(current.body, one.patch or b""), type_)
        require_valid(patched)
        return write_of(patched, one.id, if_match=expected)
    if parsed is None or one.id is None:
        return None
    return write_of(parsed, one.id, if_match=expected, if_none_match=one.if_none_match == "*")


def needs_transaction(entries: Sequence[Entry]) -> bool:
    """Whether an entry cannot be decided before the transaction has begun."""
    return any(one.method in ("PATCH", "DELETE") or one.if_match or one.if_none_match for one in entries)
