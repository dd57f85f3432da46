"""What of a search depends on other resources, settled on a copy (``store.settling``).

Where another condition leaves few candidates, a chain is asked of what those refer to, and ``_has`` of those alone; else what the
chain means is collected first, as in the journal. What a resource refers to stands in its body alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import orjson

from vaka.copy.compile import Sql
from vaka.copy.listing import conjuncts
from vaka.copy.paging import matching, scope
from vaka.copy.reader import Reader
from vaka.copy.weigh import weigh
from vaka.fhir.criteria import All, Chain, Criterion, Has, Ids, Tokens
from vaka.fhir.extract import references
from vaka.fhir.keys import parameter_mask, resource_key
from vaka.store.gate import Gate
from vaka.store.settling import Ask, Carrying, Few, Referred, Together, settle

_CANDIDATES_MAX: Final = 1_000
_SELECTIVE: Final = 64
"""A chain that means so few resources is not asked of candidates."""


class Settler:
    """Settles searches of one caller at one moment."""

    def __init__(self, reader: Reader, gate: Gate, together: Together) -> None:
        self._reader = reader
        self._gate = gate
        self._together = together

    def settled(self, types: tuple[str, ...], node: Criterion) -> tuple[Criterion, int]:
        """``node`` without what depends on other resources as far as can be, what lists least in front; how much that lists."""
        node = self._asked_of_candidates(types, node)
        settling = settle(node, self._together)
        try:
            ask = next(settling)
            while True:
                ask = settling.send(self._answer(ask))
        except StopIteration as settled:
            return weigh(self._reader, settled.value)

    def _answer(self, ask: Ask) -> list[int] | None:
        match ask:
            case Few(types, inner, limit):
                return self._few(types, inner, limit)
            case Referred(type_, parameters, inner, limit):
                found = self._few((type_,), inner, limit)
                if found is None:
                    return None
                return sorted({key for name, key in self._references(found) if name in parameters})
            case Carrying(keys, limit):
                sql = Sql(Gate("TRUE"))
                text = f"SELECT t.rkey FROM token t WHERE {sql.among('t.key', keys, 'bigint')} LIMIT {limit + 1:d}"
                rows = self._reader.rows(text, sql.values)
                return sorted({row[0] for row in rows}) if len(rows) <= limit else None

    def _few(self, types: tuple[str, ...], inner: Criterion, limit: int) -> list[int] | None:
        sql = Sql(self._gate)
        text = matching(sql, types, weigh(self._reader, inner)[0], "r.rkey", f" LIMIT {limit + 1:d}")
        rows = self._reader.rows(text, sql.values)
        return [row[0] for row in rows] if len(rows) <= limit else None

    def _asked_of_candidates(self, types: tuple[str, ...], node: Criterion) -> Criterion:
        """Each chain and ``_has`` that stands beside a condition which leaves few candidates, asked of those."""
        parts = list(conjuncts(node))
        chains = [part for part in parts if isinstance(part, Chain | Has)]
        if not chains or len(chains) == len(parts):
            return node
        others, weight = weigh(self._reader, All(tuple(part for part in parts if part not in chains)))
        if weight > _CANDIDATES_MAX:
            return node
        open_ = [part for part in chains if weigh(self._reader, part.inner)[1] > _SELECTIVE]
        if not open_:
            return node
        candidates = self._candidates(types, others)
        kept = [part for part in chains if part not in open_]
        asked = [
            self._chained(p, candidates) if isinstance(p, Chain) else self._having(types, p, candidates) for p in open_
        ]
        return All((*conjuncts(others), *kept, *asked))

    def _candidates(self, types: tuple[str, ...], where: Criterion) -> list[int]:
        """Without access: they only say where to look, and are asked again."""
        sql = Sql(Gate("TRUE", everything=True))
        return [
            row[0]
            for row in self._reader.rows(f"SELECT r.rkey FROM resource r WHERE {scope(sql, types, where)}", sql.values)
        ]

    def _chained(self, node: Chain, candidates: list[int]) -> Criterion:
        referred = list(dict.fromkeys(key for name, key in self._references(candidates) if name in node.parameters))
        if "Patient" in node.types:
            referred = list(self._together(referred))
        found = self._those(node.types, referred, node.inner)
        if "Patient" in node.types:
            found = list(self._together(found))
        return Tokens(tuple(key ^ parameter_mask(name) for name in node.parameters for key in found))

    def _having(self, types: tuple[str, ...], node: Has, candidates: list[int]) -> Criterion:
        inner, _ = self.settled((node.type,), node.inner)
        sql = Sql(self._gate)
        condition = sql.condition(All((Ids(tuple(candidates)), Has(node.type, node.parameters, inner))))
        rows = self._reader.rows(f"SELECT r.rkey FROM resource r WHERE {condition}", sql.values)
        return Ids(tuple(row[0] for row in rows))

    def _those(self, types: tuple[str, ...], keys: Iterable[int], inner: Criterion) -> list[int]:
        """Of ``keys`` those that the caller may find and that satisfy ``inner``."""
        where, _ = self.settled(types, All((Ids(tuple(keys)), inner)))
        sql = Sql(self._gate)
        return [row[0] for row in self._reader.rows(matching(sql, types, where, "r.rkey"), sql.values)]

    def _references(self, keys: Iterable[int]) -> Iterable[tuple[str, int]]:
        """(parameter, key) of what these resources refer to."""
        sql = Sql(Gate("TRUE"))
        text = f"SELECT r.dictionary, r.body FROM resource r WHERE {sql.among('r.rkey', tuple(keys) or (0,), 'bigint')}"
        for dictionary, body in self._reader.rows(text, sql.values):
            if body is not None:
                resource = orjson.loads(self._reader.codec.decompress(dictionary, body))
                yield from ((name, resource_key(type_, id_)) for name, type_, id_ in references(resource))
