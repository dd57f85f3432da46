"""Compiles a search tree to a condition on ``resource r``. Only bound values carry what a request says.

What is the same in both engines stands here; a leaf's look-up is the engine's own (``journal.compile``, ``copy.compile``), since
each has to be driven by an index.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

from vaka.fhir.criteria import (
    All,
    Any,
    Chain,
    Criterion,
    Dates,
    Has,
    Ids,
    LastUpdated,
    Not,
    Quantities,
    Strings,
    Tokens,
    Unprotected,
    Words,
)
from vaka.fhir.definitions import type_number
from vaka.store import comparing
from vaka.store.gate import Gate

LAST_CHARACTER = chr(0x10FFFF)
TOGETHER = (
    "SELECT x.patient AS key FROM alias x"
    " WHERE x.root = coalesce((SELECT y.root FROM alias y WHERE y.patient = {0}), {0})"
    " UNION ALL SELECT y.root FROM alias y WHERE y.patient = {0}"
)
"""The other keys under which the record of the Patient with key {0} is kept (S23)."""


@dataclass(slots=True)
class Sql(ABC):
    """Text with named places, and their values, the gate's among them."""

    gate: Gate
    values: dict[str, object] = field(default_factory=dict)
    _depth: int = 0

    def __post_init__(self) -> None:
        self.values.update(self.gate.values)

    @staticmethod
    @abstractmethod
    def place(name: str, type_: str = "") -> str:
        """Where the bound value ``name`` stands; ``type_``: PostgreSQL's name of its type, where it has to be said."""

    @staticmethod
    @abstractmethod
    def none_of(column: str, numbers: str) -> str:
        """That a small integer is none of ``numbers`` (with commas between)."""

    @abstractmethod
    def among(self, column: str, numbers: Sequence[int], type_: str) -> str:
        """That ``column`` is one of ``numbers``."""

    @staticmethod
    def checked(column: str) -> str:
        """A column that is looked at in rows found by their resource's key, and may not be what they are found by."""
        return column

    @property
    def access(self) -> str:
        """The condition of the access filter on ``r``."""
        return self.gate.on("r")

    def bind(self, value: object, type_: str = "") -> str:
        name = f"v{len(self.values)}"
        self.values[name] = value
        return self.place(name, type_)

    def alias(self, letter: str) -> str:
        """A name that no other row of the statement has."""
        self._depth += 1
        return f"{letter}{self._depth}"

    def condition(self, node: Criterion, alias: str = "r") -> str:
        """``node`` as a condition on ``alias``."""
        match node:
            case Tokens(keys):
                return self.tokens(keys, alias) if keys else "FALSE"
            case Ids(keys):
                return self.among(f"{alias}.rkey", keys, "bigint") if keys else "FALSE"
            case All(parts):
                return self._all(parts, alias)
            case Any(parts):
                return "(" + " OR ".join(self.condition(part, alias) for part in parts) + ")" if parts else "FALSE"
            case Not(part):
                return f"NOT ({self.condition(part, alias)})"
            case Unprotected(part):
                condition = self.condition(part, alias)
                if self.gate.everything:
                    return condition
                return f"({condition} AND NOT EXISTS (SELECT 1 FROM protected x WHERE x.patient = {alias}.rkey))"
            case LastUpdated(prefix, low, high):
                return "(" + comparing.updated(self.bind, f"{alias}.updated_us", prefix, low, high) + ")"
            case Dates():
                return self.dates([node], alias)
            case Quantities():
                return self.quantities(node, alias)
            case Strings():
                return self.strings(node, alias)
            case Words(lexemes):
                return self.words(lexemes, alias) if lexemes else "FALSE"
            case Chain():
                return self.chain(node, alias)
            case Has():
                return self.has(node, alias)
            case _:
                assert_never(node)

    def _all(self, parts: tuple[Criterion, ...], alias: str) -> str:
        # Keys that must all stand become one condition, so that an index can intersect them; date ranges on the same
        # parameter become one look-up, so that both ends bound it.
        single = [part.keys[0] for part in parts if isinstance(part, Tokens) and len(part.keys) == 1]
        dates: dict[tuple[int, ...], list[Dates]] = {}
        conditions = []
        if single:
            conditions.append(self.all_tokens(single, alias))
        for part in parts:
            if isinstance(part, Tokens) and len(part.keys) == 1:
                continue
            if isinstance(part, Dates) and part.single:
                dates.setdefault(part.params, []).append(part)
            else:
                conditions.append(self.condition(part, alias))
        conditions.extend(self.dates(group, alias) for group in dates.values())
        return "(" + " AND ".join(conditions) + ")" if conditions else "TRUE"

    def dates(self, nodes: Sequence[Dates], alias: str) -> str:
        """One row that fits all of ``nodes``, which ask of the same parameters."""
        rows = self.date_rows(nodes, self.checked("d.param"))
        return f"EXISTS (SELECT 1 FROM search_date d WHERE d.rkey = {alias}.rkey AND {rows})"

    def date_rows(self, nodes: Sequence[Dates], param: str = "d.param") -> str:
        """The rows ``d`` of search_date that fit."""
        params = self.among(param, nodes[0].params, "smallint")
        return f"{params} AND " + " AND ".join(comparing.dates(self.bind, n.prefix, n.low_us, n.high_us) for n in nodes)

    def quantities(self, node: Quantities, alias: str) -> str:
        rows = self.quantity_rows(node, self.checked("q.param"))
        return f"EXISTS (SELECT 1 FROM search_quantity q WHERE q.rkey = {alias}.rkey AND {rows})"

    def quantity_rows(self, node: Quantities, param: str = "q.param") -> str:
        """The rows ``q`` of search_quantity that fit."""
        params = f"{self.among(param, node.params, 'smallint')} AND q.unit = {self.bind(node.unit)}"
        if node.keys:
            params += f" AND q.key <> 0 AND {self.among('q.key', node.keys, 'bigint')}"
        return f"{params} AND {comparing.quantities(self.bind, node)}"

    def strings(self, node: Strings, alias: str) -> str:
        rows = self.string_rows(node, self.checked("s.param"))
        return f"EXISTS (SELECT 1 FROM search_string s WHERE s.rkey = {alias}.rkey AND {rows})"

    def string_rows(self, node: Strings, param: str = "s.param") -> str:
        """The rows ``s`` of search_string that fit."""
        params = self.among(param, node.params, "smallint")
        if node.match == "prefix":
            return f"{params} AND s.value >= {self.bind(node.value)} AND s.value < {self.bind(node.value + LAST_CHARACTER)}"
        return f"{params} AND {self.containing('s.value', node.value)}"

    def exists(self, alias: str, source: str, types: Sequence[str], inner: Criterion) -> str:
        """Some resource ``alias`` in ``source`` is ``within``."""
        return f"EXISTS (SELECT 1 FROM {source} WHERE {self.within(alias, types, inner)})"

    def within(self, alias: str, types: Sequence[str], inner: Criterion) -> str:
        """A living resource ``alias`` of ``types``, which access lets through, satisfies ``inner``."""
        of_type = self.among(f"{alias}.type", [type_number(name) for name in types], "smallint")
        scope = f"{of_type} AND NOT {alias}.deleted AND ({self.gate.on(alias)})"
        return f"{scope} AND {self.condition(inner, alias)}"

    @abstractmethod
    def tokens(self, keys: Sequence[int], alias: str) -> str:
        """That ``alias`` carries one of ``keys``, of which there is one at least."""

    @abstractmethod
    def all_tokens(self, keys: Sequence[int], alias: str) -> str:
        """That ``alias`` carries all of ``keys``."""

    @abstractmethod
    def containing(self, column: str, text: str) -> str:
        """That ``text`` stands somewhere in ``column``."""

    @abstractmethod
    def words(self, lexemes: Sequence[str], alias: str) -> str:
        """That all of ``lexemes`` stand among the words of ``alias``."""

    @abstractmethod
    def chain(self, node: Chain, alias: str) -> str:
        """The form for many matches, which asks for each candidate."""

    @abstractmethod
    def has(self, node: Has, alias: str) -> str:
        """The form for many matches, which asks for each candidate."""
