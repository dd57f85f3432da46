"""What a transaction is about to write, as a search sees it: its conditional references may mean these too.

The specification resolves conditional references last, when the transaction's own resources stand
(https://hl7.org/fhir/R4/http.html#trules). Invariant: a resource is found by its own content alone; a condition that needs
other resources (a chain, ``_has``) finds none of these. Time is linear in the resources for conditions that name a token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vaka.fhir.criteria import All, Criterion, Query, Tokens
from vaka.fhir.extract import extract
from vaka.fhir.index import IndexRows
from vaka.fhir.keys import resource_key
from vaka.fhir.matching import matches


class Coming:
    """``resources`` by the index of their entry, valid, with the id that the entry names, if any; ``now_us``: when they are
    written."""

    def __init__(self, resources: Mapping[int, tuple[str | None, dict[str, Any]]], now_us: int) -> None:
        self._resources = resources
        self._now_us = now_us
        self._of_type: dict[str, dict[int, IndexRows]] = {}
        self._by_token: dict[str, dict[int, list[int]]] = {}

    def matching(self, query: Query) -> list[int]:
        """Indices of the entries whose resource satisfies ``query``, of one type."""
        (type_,) = query.types
        rows = self._rows(type_)
        wanted = _tokens_of(query.where)
        candidates = rows if wanted is None else {i: None for key in wanted for i in self._by_token[type_].get(key, ())}
        return [
            index
            for index in candidates
            if matches(rows[index], self._key(index, type_), self._now_us, query.where) is True
        ]

    def _rows(self, type_: str) -> dict[int, IndexRows]:
        if type_ not in self._of_type:
            found = {i: extract(r) for i, (_, r) in self._resources.items() if r.get("resourceType") == type_}
            self._of_type[type_] = found
            by_token: dict[int, list[int]] = {}
            for index, rows in found.items():
                for token in rows.tokens:
                    by_token.setdefault(token, []).append(index)
            self._by_token[type_] = by_token
        return self._of_type[type_]

    def _key(self, index: int, type_: str) -> int:
        return resource_key(type_, self._resources[index][0] or "")


def _tokens_of(where: Criterion) -> tuple[int, ...] | None:
    """Keys of which a resource must carry one, None if the condition names none."""
    parts = where.parts if isinstance(where, All) else (where,)
    return next((part.keys for part in parts if isinstance(part, Tokens)), None)
