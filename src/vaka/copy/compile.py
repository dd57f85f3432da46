"""Compiles a search tree to SQLite over ``resource r``.

Each leaf is a look-up by the candidate's key: SQLite has no statistics here, so what drives a statement is chosen beforehand, by
counting (``copy.drive``), and never left to the planner. Keys stand one by one in ``token(key, rkey)``, so what a resource refers
to cannot be had from its row: a chain with many matches is turned round, and looked up once for the statement.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import apsw

from vaka.copy.listing import lead
from vaka.fhir.criteria import Chain, Has
from vaka.fhir.keys import parameter_mask
from vaka.store.compile import TOGETHER
from vaka.store.compile import Sql as Compiler

_PROBED_MAX: Final = 32
"""So many keys are looked up for each candidate; of more, all that carry one are listed once."""


def xor(column: str, mask: str) -> str:
    """SQLite has no exclusive or; the difference of the two is exact, also at the ends of 64 bits."""
    return f"(({column} | {mask}) - ({column} & {mask}))"


def quoted(lexemes: Sequence[str]) -> str:
    """An FTS5 query for all of ``lexemes``, each a string of its own: none is an operator."""
    return " AND ".join('"' + lexeme.replace('"', '""') + '"' for lexeme in lexemes)


@dataclass(slots=True)
class Sql(Compiler):
    """Text with SQLite's named places, and their values, the gate's among them."""

    @staticmethod
    def place(name: str, type_: str = "") -> str:
        return f":{name}"

    @staticmethod
    def none_of(column: str, numbers: str) -> str:
        return f"{column} NOT IN ({numbers})"

    @staticmethod
    def checked(column: str) -> str:
        return f"+{column}"  # else a range of all resources' rows is walked for each candidate

    def among(self, column: str, numbers: Sequence[int], type_: str) -> str:
        if type_ == "smallint":  # our own numbers of parameters and types
            return f"{column} IN ({','.join(f'{number:d}' for number in numbers)})"
        return (
            f"{column} = {self.bind(numbers[0])}"
            if len(numbers) == 1
            else f"{column} IN (SELECT value FROM carray({self.keys(numbers)}))"
        )

    def keys(self, keys: Sequence[int]) -> str:
        """Where a list of keys stands, for ``carray``: the text does not grow with it."""
        return self.bind(apsw.carray(array("q", keys)))

    def matching(self, lexemes: Sequence[str]) -> str:
        """The rows ``w`` of words in which all of ``lexemes`` stand."""
        return f"w.words MATCH {self.bind(quoted(lexemes))}"

    def tokens(self, keys: Sequence[int], alias: str) -> str:
        if len(keys) > _PROBED_MAX:
            return f"{alias}.rkey IN (SELECT t.rkey FROM token t WHERE {self.among('t.key', keys, 'bigint')})"
        return f"EXISTS (SELECT 1 FROM token t WHERE {self.among('t.key', keys, 'bigint')} AND t.rkey = {alias}.rkey)"

    def all_tokens(self, keys: Sequence[int], alias: str) -> str:
        return " AND ".join(self.tokens([key], alias) for key in keys)

    def containing(self, column: str, text: str) -> str:
        return f"instr({column}, {self.bind(text)}) > 0"

    def words(self, lexemes: Sequence[str], alias: str) -> str:
        return f"{alias}.rkey IN (SELECT w.rowid FROM words w WHERE {self.matching(lexemes)})"

    def chain(self, node: Chain, alias: str) -> str:
        c = self.alias("c")
        keys = self._referring(f"{c}.rkey", node.parameters, together="Patient" in node.types)
        listed = lead(self, node.inner)
        driven = f"{c}.rkey IN ({listed.text}) AND " if listed is not None else ""
        found = f"SELECT t.rkey FROM resource {c} CROSS JOIN token t WHERE {driven}t.key IN {keys}"
        return f"{alias}.rkey IN ({found} AND {self.within(c, node.types, node.inner)})"

    def has(self, node: Has, alias: str) -> str:
        h = self.alias("h")
        keys = self._referring(f"{alias}.rkey", node.parameters, together=True)
        source = f"token t CROSS JOIN resource {h}"
        return (
            f"EXISTS (SELECT 1 FROM {source} WHERE t.key IN {keys} AND {h}.rkey = t.rkey"
            f" AND {self.within(h, (node.type,), node.inner)})"
        )

    def _referring(self, column: str, parameters: Sequence[str], *, together: bool) -> str:
        """The keys that refer by one of ``parameters`` to the resource with the key ``column``, or to one whose record goes
        together with it."""
        masks = [self.bind(parameter_mask(name)) for name in parameters]
        if not (together and self.gate.merged):
            return "(" + ", ".join(xor(column, mask) for mask in masks) + ")"
        record = f"(SELECT {column} AS key UNION ALL {TOGETHER.format(column)})"
        of = " UNION ALL ".join(f"SELECT {mask} AS mask" for mask in masks)
        return f"(SELECT {xor('u.key', 'm.mask')} FROM {record} u CROSS JOIN ({of}) m)"
