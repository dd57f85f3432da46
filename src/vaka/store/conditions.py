"""The rules of access as SQL: the table that ``access.rules.decide`` asks, as one condition on a row and its owner.

Invariants: journal and copy compile from this one table; only bound values say who asks; what is unknown (NULL) counts as not
so, on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

from vaka.access.ownership import PATIENTS_BY_NATURE
from vaka.access.rules import PERMITS, Fact, Outcome, Rule, rules
from vaka.access.session import Purpose
from vaka.access.settings import Settings
from vaka.fhir.definitions import type_number
from vaka.store.compile import Sql

PATIENT: Final = type_number("Patient")
UNIT, PROVIDER, EMERGENCY, INNER, INCAPACITY = 1, 2, 3, 4, 5
"""Column ``what`` of the table opening."""

_IN_FORCE = "{0}.from_us <= {{now}} AND {0}.until_us > {{now}}"
_OPEN = (
    "EXISTS (SELECT 1 FROM opening g WHERE g.patient = {r}.patient AND g.person = {person} AND g.unit = {unit}"
    " AND g.closed_us IS NULL AND g.opened_us <= {now} AND g.until_us > {now} AND "
)
_BLOCK = (
    "EXISTS (SELECT 1 FROM block b WHERE b.patient = {r}.patient AND "
    + _IN_FORCE.format("b")
    + " AND (b.provider = o.provider OR b.provider IS NULL) AND (b.unit = o.unit OR b.unit IS NULL OR o.unit IS NULL)"
    " AND (b.kind = o.kind OR b.kind IS NULL)"
    " AND NOT EXISTS (SELECT 1 FROM block l WHERE l.rkey = b.rkey AND l.lifted_for = {unit} AND l.lifted_from_us <= {now}"
    " AND l.lifted_until_us > {now}) AND "
)

_SOMEBODYS: Final = ",".join(str(type_number(name)) for name in sorted(PATIENTS_BY_NATURE))
FACTS: Final[Mapping[Fact, str]] = {
    Fact.IDENTITY: f"{{r}}.type = {PATIENT}",
    Fact.NO_PATIENT: "{r}.patient IS NULL AND {nobodys}",
    Fact.DIRECTORY: "o.kind IN ('directory', 'definition')",
    Fact.OWNED: "o.provider IS NOT NULL",
    Fact.OWN_UNIT: "coalesce(o.unit = {unit}, false)",
    Fact.OWN_PROVIDER: "coalesce(o.provider = {provider}, false)",
    Fact.CONSENTS: "o.kind = 'consent'",
    Fact.WHEREABOUTS: "o.kind IN ('contact', 'person')",
    Fact.VISIT: "o.kind = 'contact'",
    Fact.PROTECTED: "EXISTS (SELECT 1 FROM protected x WHERE x.patient = {r}.patient)",
    Fact.RELATION: (
        "EXISTS (SELECT 1 FROM care_relation c WHERE c.patient = {r}.patient AND c.unit = {unit} AND "
        + _IN_FORCE.format("c") + ")"
    ),
    Fact.CONSENT: (
        "EXISTS (SELECT 1 FROM consent k WHERE k.patient = {r}.patient AND k.receiver IN ({unit}, {provider}) AND "
        + _IN_FORCE.format("k") + ")"
    ),
    Fact.INCAPACITY: _OPEN + f"g.what = {INCAPACITY} AND g.target = o.provider)",
    Fact.CHOSEN: (
        _OPEN + f"CASE WHEN o.provider = {{provider}} THEN g.what = {UNIT} AND g.target = coalesce(o.unit, o.provider)"
        f" ELSE g.what = {PROVIDER} AND g.target = o.provider END)"
    ),
    Fact.EMERGENCY: _OPEN + f"g.what = {EMERGENCY})",
    Fact.INNER_BLOCK: _BLOCK + "b.is_inner)",
    Fact.OUTER_BLOCK: _BLOCK + "b.is_outer)",
    Fact.LIFTED: _OPEN + f"g.what = {INNER} AND g.target = coalesce(o.unit, o.provider))",
    Fact.AGED: "TRUE",
}  # fmt: skip
"""Each fact as SQL on a row ``{r}`` (resource or version) and its owner ``o``, for {person} at {unit} of {provider}, {now}. AGED:
the table has a row that asks it only where it is so."""


@cache
def person_sql(compiler: type[Sql], purpose: Purpose, settings: Settings, aged: bool) -> str:
    """The table of ``purpose`` as one condition: whether the first rule that fits permits. ``aged``: as ``rules``."""
    return _first(compiler, purpose, settings, aged, lambda rule: str(rule.outcome is Outcome.PERMIT).upper(), "FALSE")


@cache
def rule_sql(compiler: type[Sql], purpose: Purpose, settings: Settings, aged: bool) -> str:
    """The same as a number: which rule permits (``rules.PERMITS``), 0 where the first that fits does not."""
    return _first(compiler, purpose, settings, aged, lambda rule: str(PERMITS.get(rule.id, 0)), "0")


def _first(
    compiler: type[Sql], purpose: Purpose, settings: Settings, aged: bool, told: Callable[[Rule], str], denied: str
) -> str:
    """What is ``told`` of the first rule that fits."""
    cases = []
    for rule in rules(purpose, settings, aged=aged):
        parts = [FACTS[fact] for fact in rule.when] + [f"NOT {FACTS[fact]}" for fact in rule.unless]
        cases.append((" AND ".join(f"({part})" for part in parts) or "TRUE", told(rule)))
    while cases and cases[-1][1] == denied:
        cases.pop()
    whens = " ".join(f"WHEN {condition} THEN {what}" for condition, what in cases)
    text = f"(SELECT CASE {whens} ELSE {denied} END FROM owner o WHERE o.owner = {{r}}.owner)"
    return text.replace("{nobodys}", compiler.none_of("{r}.type", _SOMEBODYS))


def asked_by(text: str, places: Mapping[str, str]) -> str:
    """``text`` with who asks, and now, in their places."""
    for name, place in places.items():
        text = text.replace("{" + name + "}", place)
    return text
