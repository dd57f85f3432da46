"""Compiles a search tree to PostgreSQL over ``resource r``.

Each leaf becomes a condition that PostgreSQL can drive by an index: keys by the array index on tokens, ranges and
prefixes by B-trees of the search tables. Chains and ``_has`` are settled beforehand where their inner search has few matches
(``journal.search``); what is left here is the form for many matches, which asks for each candidate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vaka.fhir.criteria import Chain, Has
from vaka.fhir.keys import parameter_mask
from vaka.journal.arrays import integers
from vaka.store.compile import TOGETHER
from vaka.store.compile import Sql as Compiler


@dataclass(slots=True)
class Sql(Compiler):
    """Text with psycopg's named places, and their values, the gate's among them."""

    @staticmethod
    def place(name: str, type_: str = "") -> str:
        return f"%({name})s::{type_}" if type_ else f"%({name})s"

    @staticmethod
    def none_of(column: str, numbers: str) -> str:
        return f"{column} <> ALL('{{{numbers}}}'::smallint[])"

    def among(self, column: str, numbers: Sequence[int], type_: str) -> str:
        return f"{column} = ANY({self.bind(integers(numbers))}::{type_}[])"

    def tokens(self, keys: Sequence[int], alias: str) -> str:
        operator = "@>" if len(keys) == 1 else "&&"
        return f"{alias}.tokens {operator} {self.bind(integers(keys))}::bigint[]"

    def all_tokens(self, keys: Sequence[int], alias: str) -> str:
        return f"{alias}.tokens @> {self.bind(integers(keys))}::bigint[]"

    def containing(self, column: str, text: str) -> str:
        pattern = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return f"{column} LIKE {self.bind(f'%{pattern}%')}"

    def words(self, lexemes: Sequence[str], alias: str) -> str:
        quoted = " & ".join("'" + w.replace("\\", "\\\\").replace("'", "''") + "'" for w in lexemes)
        return f"{alias}.words @@ {self.bind(quoted)}::tsquery"

    def chain(self, node: Chain, alias: str) -> str:
        a = self.alias("c")
        referred = f"ARRAY[{', '.join(f'k # {self.bind(parameter_mask(name))}::bigint' for name in node.parameters)}]"
        if self.gate.merged and "Patient" in node.types:
            others = f"unnest({referred}) u CROSS JOIN LATERAL ({TOGETHER.format('u')}) t"
            referred = f"({referred} || ARRAY(SELECT t.key FROM {others}))"
        # OFFSET 0: what is referred to is looked up by its key, not searched for by ``inner`` once a candidate.
        source = (
            f"unnest({alias}.tokens) k CROSS JOIN LATERAL (SELECT * FROM resource referred"
            f" WHERE referred.rkey = ANY({referred}) OFFSET 0) {a}"
        )
        return self.exists(a, source, node.types, node.inner)

    def has(self, node: Has, alias: str) -> str:
        a = self.alias("h")
        masks = [f"{self.bind(parameter_mask(name))}::bigint" for name in node.parameters]
        masked = f"ARRAY[{', '.join(f'{alias}.rkey # {mask}' for mask in masks)}]"
        operator = "@>" if len(node.parameters) == 1 and not self.gate.merged else "&&"
        if self.gate.merged:
            together = f"({TOGETHER.format(f'{alias}.rkey')}) t, unnest(ARRAY[{', '.join(masks)}]) m"
            masked = f"({masked} || ARRAY(SELECT t.key # m FROM {together}))"
        source = f"(SELECT * FROM resource refers WHERE refers.tokens {operator} {masked} OFFSET 0) {a}"
        return self.exists(a, source, (node.type,), node.inner)
