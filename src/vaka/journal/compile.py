"""Compiles a search tree to SQL over ``resource r``. Only bound values carry what a request says.

Each leaf becomes a condition that PostgreSQL can drive by an index: keys by the array index on tokens, ranges and
prefixes by B-trees of the search tables. Chains and ``_has`` are settled beforehand where their inner search has few matches
(``journal.search``); what is left here is the form for many matches, which asks for each candidate.
"""

from __future__ import annotations

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
    Prefix,
    Quantities,
    Strings,
    Tokens,
    Unprotected,
    Words,
)
from vaka.fhir.definitions import type_number
from vaka.fhir.keys import parameter_mask
from vaka.journal.access import Gate
from vaka.journal.arrays import integers

_WIDE_US = 31 * 86_400 * 1_000_000
_WIDE = f"d.high - d.low > {_WIDE_US}"
_LAST_CHARACTER = chr(0x10FFFF)


_TOGETHER = (
    "SELECT x.patient AS key FROM alias x"
    " WHERE x.root = coalesce((SELECT y.root FROM alias y WHERE y.patient = {0}), {0})"
    " UNION ALL SELECT y.root FROM alias y WHERE y.patient = {0}"
)
"""The other keys under which the record of the Patient with key {0} is kept (S23)."""


@dataclass(slots=True)
class Sql:
    """Text with named places, and their values, the gate's among them."""

    gate: Gate
    values: dict[str, object] = field(default_factory=dict)
    _depth: int = 0

    def __post_init__(self) -> None:
        self.values.update(self.gate.values)

    @property
    def access(self) -> str:
        """The condition of the access filter on ``r``."""
        return self.gate.on("r")

    def bind(self, value: object) -> str:
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f"%({name})s"

    def condition(self, node: Criterion, alias: str = "r") -> str:
        """``node`` as a condition on ``alias``."""
        match node:
            case Tokens(keys):
                operator = "@>" if len(keys) == 1 else "&&"
                return f"{alias}.tokens {operator} {self.bind(integers(keys))}::bigint[]" if keys else "FALSE"
            case Ids(keys):
                return f"{alias}.rkey = ANY({self.bind(integers(keys))}::bigint[])" if keys else "FALSE"
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
                return "(" + self._range("updated", prefix, low, high, alias) + ")"
            case Dates():
                return self._dates([node], alias)
            case Quantities():
                return self._quantities(node, alias)
            case Strings(params, match, value):
                of = f"s.rkey = {alias}.rkey AND s.param = ANY({self.bind(integers(params))}::smallint[])"
                head = f"EXISTS (SELECT 1 FROM search_string s WHERE {of}"
                if match == "prefix":
                    return (
                        f"{head} AND s.value >= {self.bind(value)} AND s.value < {self.bind(value + _LAST_CHARACTER)})"
                    )
                pattern = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
                return f"{head} AND s.value LIKE {self.bind(f'%{pattern}%')})"
            case Words(lexemes):
                quoted = " & ".join("'" + w.replace("\\", "\\\\").replace("'", "''") + "'" for w in lexemes)
                return f"{alias}.words @@ {self.bind(quoted)}::tsquery" if lexemes else "FALSE"
            case Chain(parameters, types, inner):
                self._depth += 1
                a = f"c{self._depth}"
                referred = (
                    f"ARRAY[{', '.join(f'k # {self.bind(parameter_mask(name))}::bigint' for name in parameters)}]"
                )
                if self.gate.merged and "Patient" in types:
                    others = f"unnest({referred}) u CROSS JOIN LATERAL ({_TOGETHER.format('u')}) t"
                    referred = f"({referred} || ARRAY(SELECT t.key FROM {others}))"
                # OFFSET 0: what is referred to is looked up by its key, not searched for by ``inner`` once a candidate.
                source = (
                    f"unnest({alias}.tokens) k CROSS JOIN LATERAL (SELECT * FROM resource referred"
                    f" WHERE referred.rkey = ANY({referred}) OFFSET 0) {a}"
                )
                return self._exists(a, source, types, inner)
            case Has(type_, parameters, inner):
                self._depth += 1
                a = f"h{self._depth}"
                masks = [f"{self.bind(parameter_mask(name))}::bigint" for name in parameters]
                masked = f"ARRAY[{', '.join(f'{alias}.rkey # {mask}' for mask in masks)}]"
                operator = "@>" if len(parameters) == 1 and not self.gate.merged else "&&"
                if self.gate.merged:
                    together = f"({_TOGETHER.format(f'{alias}.rkey')}) t, unnest(ARRAY[{', '.join(masks)}]) m"
                    masked = f"({masked} || ARRAY(SELECT t.key # m FROM {together}))"
                source = f"(SELECT * FROM resource refers WHERE refers.tokens {operator} {masked} OFFSET 0) {a}"
                return self._exists(a, source, (type_,), inner)
            case _:
                assert_never(node)

    def _exists(self, alias: str, source: str, types: tuple[str, ...], inner: Criterion) -> str:
        """Some living resource ``alias`` of ``types`` in ``source``, which access lets through, satisfies ``inner``."""
        numbers = self.bind(integers([type_number(name) for name in types]))
        scope = f"{alias}.type = ANY({numbers}::smallint[]) AND NOT {alias}.deleted AND ({self.gate.on(alias)})"
        return f"EXISTS (SELECT 1 FROM {source} WHERE {scope} AND {self.condition(inner, alias)})"

    def _all(self, parts: tuple[Criterion, ...], alias: str) -> str:
        # Keys that must all stand become one containment, so that the index intersects them; date ranges on the same
        # parameter become one look-up, so that both ends bound it.
        single = [part.keys[0] for part in parts if isinstance(part, Tokens) and len(part.keys) == 1]
        dates: dict[tuple[int, ...], list[Dates]] = {}
        conditions = []
        if single:
            conditions.append(f"{alias}.tokens @> {self.bind(integers(single))}::bigint[]")
        for part in parts:
            if isinstance(part, Tokens) and len(part.keys) == 1:
                continue
            if isinstance(part, Dates) and part.single:
                dates.setdefault(part.params, []).append(part)
            else:
                conditions.append(self.condition(part, alias))
        conditions.extend(self._dates(group, alias) for group in dates.values())
        return "(" + " AND ".join(conditions) + ")" if conditions else "TRUE"

    def _dates(self, nodes: list[Dates], alias: str) -> str:
        params = f"d.param = ANY({self.bind(integers(nodes[0].params))}::smallint[])"
        conditions = " AND ".join(self._range("d", n.prefix, n.low_us, n.high_us, alias) for n in nodes)
        return f"EXISTS (SELECT 1 FROM search_date d WHERE d.rkey = {alias}.rkey AND {params} AND {conditions})"

    def _after(self, bound: int) -> str:
        """``d.high > bound`` so that the index on ``low`` serves all but the wide periods."""
        near, all_, wide = self.bind(bound - _WIDE_US), self.bind(bound), self.bind(bound)
        return f"((d.low > {near} AND d.high > {all_}) OR ({_WIDE} AND d.high > {wide}))"

    def _range(self, what: str, prefix: Prefix, low: int, high: int, alias: str) -> str:
        # https://hl7.org/fhir/R4/search.html#prefix; half-open ranges [low, high).
        if what == "updated":
            column = f"{alias}.updated_us"
            match prefix:
                case "eq" | "ap":
                    return f"{column} >= {self.bind(low)} AND {column} < {self.bind(high)}"
                case "ne":
                    return f"NOT ({column} >= {self.bind(low)} AND {column} < {self.bind(high)})"
                case "gt" | "sa":
                    return f"{column} >= {self.bind(high)}"
                case "lt" | "eb":
                    return f"{column} < {self.bind(low)}"
                case "ge":
                    return f"{column} >= {self.bind(low)}"
                case "le":
                    return f"{column} < {self.bind(high)}"
        at, end = self.bind(low), self.bind(high)
        within = f"d.low >= {at} AND d.low < {end} AND d.high <= {end}"
        match prefix:
            case "eq":
                return within
            case "ne":
                return f"NOT ({within})"
            case "gt":
                return self._after(high)
            case "ge":
                return f"({self._after(high)} OR ({within}))"
            case "lt":
                return f"d.low < {at}"
            case "le":
                return f"(d.low < {at} OR ({within}))"
            case "sa":
                return f"d.low >= {end}"
            case "eb":
                return f"d.high <= {at} AND d.low < {at}"
            case "ap":
                return f"(d.low < {end} AND {self._after(low)})"

    def _quantities(self, node: Quantities, alias: str) -> str:
        params = f"q.param = ANY({self.bind(integers(node.params))}::smallint[]) AND q.unit = {self.bind(node.unit)}"
        if node.keys:
            params += f" AND q.key <> 0 AND q.key = ANY({self.bind(integers(node.keys))}::bigint[])"
        value, low, high = self.bind(node.value), self.bind(node.low), self.bind(node.high)
        match node.prefix:
            case "eq":
                condition = f"q.low >= {low} AND q.low < {high} AND q.high < {high}"
            case "ne":
                condition = f"NOT (q.low >= {low} AND q.high < {high})"
            case "ap":
                condition = f"q.low < {high} AND q.high >= {low}"
            case "gt":
                condition = f"q.high > {value}"
            case "ge":
                condition = f"q.high >= {value}"
            case "sa":
                condition = f"q.low > {value}"
            case "lt":
                condition = f"q.low < {value}"
            case "le":
                condition = f"q.low <= {value}"
            case "eb":
                condition = f"q.high < {value}"
        return f"EXISTS (SELECT 1 FROM search_quantity q WHERE q.rkey = {alias}.rkey AND {params} AND {condition})"
