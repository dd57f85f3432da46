"""A search as a small typed tree, independent of any store.

``fhir.query`` builds it from a request; ``journal.search`` compiles it to PostgreSQL, ``copy.search`` to SQLite. A node
selects resources of the searched type(s). Values are keys and ranges from ``fhir.keys`` and ``fhir.index``: no text of
the request reaches SQL but as a bound value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Prefix = Literal["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Resources that carry at least one of ``keys``."""

    keys: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Dates:
    """A DateRow of one of ``params`` compares by ``prefix`` with ``[low_us, high_us)`` (for ``ap`` already widened).
    ``single``: a resource has at most one such row, so that several of these may be asked of one row."""

    params: tuple[int, ...]
    prefix: Prefix
    low_us: int
    high_us: int
    single: bool = False


@dataclass(frozen=True, slots=True)
class Quantities:
    """A QuantityRow of one of ``params`` with this ``unit``, and one of ``keys`` if any are given, compares by ``prefix``
    with the range ``[low, high)`` that the request's precision implies (72.5 → [72.45, 72.55); ``ap`` ± 10 %): eq: row inside the
    range; gt, ge, sa, lt, le, eb: the row against ``value``."""

    params: tuple[int, ...]
    keys: tuple[int, ...]
    unit: int
    prefix: Prefix
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Strings:
    """A StringRow of one of ``params`` begins with (``prefix``) or contains ``value``, which is folded already."""

    params: tuple[int, ...]
    match: Literal["prefix", "contains"]
    value: str


@dataclass(frozen=True, slots=True)
class Words:
    """All ``lexemes`` stand among the resource's words."""

    lexemes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ids:
    """``_id``: resource keys (``fhir.keys.resource_key``)."""

    keys: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LastUpdated:
    prefix: Prefix
    low_us: int
    high_us: int


@dataclass(frozen=True, slots=True)
class Chain:
    """``subject:Patient.name=x``: refers by one of ``parameters`` (``"Observation.subject"``) to a resource of one
    of ``types`` that satisfies ``inner``."""

    parameters: tuple[str, ...]
    types: tuple[str, ...]
    inner: Criterion


@dataclass(frozen=True, slots=True)
class Has:
    """``_has:Observation:patient:code=x``: a resource of ``type`` that satisfies ``inner`` refers to this one by one
    of ``parameters`` (``"Observation.subject"``)."""

    type: str
    parameters: tuple[str, ...]
    inner: Criterion


@dataclass(frozen=True, slots=True)
class All:
    """Every one of ``parts``; none: everything."""

    parts: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """At least one of ``parts``; none: nothing."""

    parts: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Criterion


@dataclass(frozen=True, slots=True)
class Unprotected:
    """``part``, but for callers with limited rights not of patients whose identity is protected (``fhir.protected``)."""

    part: Criterion


Criterion: TypeAlias = (
    Tokens | Dates | Quantities | Strings | Words | Ids | LastUpdated | Chain | Has | All | Any | Not | Unprotected
)


@dataclass(frozen=True, slots=True)
class SortKey:
    """``source``: where the value stands. ``date``/``quantity``/``string``: the row of ``params`` by its edge; ``updated``
    and ``id``: the resource's own; ``text``: token, uri and reference values, compared from the body (config.SORTED_BY_TEXT)."""

    source: Literal["date", "quantity", "string", "updated", "id", "text"]
    params: tuple[int, ...]
    parameter: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Include:
    """``_include=Observation:subject:Patient`` (``reverse``: _revinclude). ``type``/``parameter`` may be ``*``;
    ``target`` narrows; ``iterate`` follows also what was included."""

    type: str
    parameter: str
    target: str | None
    iterate: bool
    reverse: bool


@dataclass(frozen=True, slots=True)
class Query:
    """One search. ``types``: resource types, at least one. ``used``: the parameters as understood, for the self link.
    ``ignored``: (name, reason) of parameters that were not applied. ``within``: ids of the Patients one of whom each match is, or
    refers to; empty: nothing of the kind is asked for. ``partial``: what is at hand will do, and is said to be that."""

    types: tuple[str, ...]
    where: Criterion
    sort: tuple[SortKey, ...] = ()
    count: int | None = None
    total: Literal["none", "estimate", "accurate"] = "none"
    summary: Literal["true", "text", "data", "count", "false"] = "false"
    elements: tuple[str, ...] = ()
    includes: tuple[Include, ...] = ()
    contained: bool = False
    used: tuple[tuple[str, str], ...] = ()
    ignored: tuple[tuple[str, str], ...] = ()
    within: frozenset[str] = frozenset()
    partial: bool = False
