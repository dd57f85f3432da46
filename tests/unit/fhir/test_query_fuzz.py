"""Arbitrary names and values: a search is read or refused, never a fault, and what is read can be judged and
compiled."""

from __future__ import annotations

import math
from typing import Any

import orjson
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from vaka import errors
from vaka.fhir.criteria import All, Chain, Criterion, Dates, Has, LastUpdated, Not, Quantities, Strings, Tokens, Words
from vaka.fhir.criteria import Any as AnyOf
from vaka.fhir.definitions import RESOURCE_TYPES, parameters
from vaka.fhir.index import IndexRows
from vaka.fhir.query import matches, parse_query

TYPES = (
    "Patient",
    "Observation",
    "Encounter",
    "ValueSet",
    "AuditEvent",
    "RiskAssessment",
    "DocumentReference",
    "Group",
)
CODES = sorted({code for type_ in TYPES for code in parameters(type_)})
MODIFIERS = [
    "", ":missing", ":not", ":exact", ":contains", ":text", ":of-type", ":identifier", ":below", ":above", ":in",
    ":Patient", ":", "::", ":iterate",
]  # fmt: skip
RESULTS = [
    "_sort",
    "_count",
    "_total",
    "_summary",
    "_elements",
    "_include",
    "_revinclude",
    "_type",
    "_contained",
    "_has",
    "_list",
]
PIECES = [
    "ge", "ap", "ne", "2024", "-02", "-30", "T10:00", "Z", "+25:00", "9999-12-31", "0000", "0001-01-01", "5.40",
    "1e400", "1e-400", "nan", "inf", "-", "72", "|", "||", "$", ",", "\\", "\\,", "\\|", "%00", "\x00", "\ud800",
    "\x1f", "é", "İ", "Ǆ", "/", "Patient/1", "http://j/fhir/Patient/1", "http://unitsofmeasure.org", "mg", "mm[Hg]",
    "10*3/ul", "{", "true", "false", "urn:uuid:1", "#1", "*", ":", ".", "'", '"', ";--", "(", "[0-9", " OR ", " AND ",
    "男", "\U0001f600", "ﷺ", "1" * 40,
]  # fmt: skip

codes = st.sampled_from(CODES)
simple_names = st.tuples(
    st.one_of(codes, st.sampled_from(RESULTS), st.text(max_size=12)), st.sampled_from(MODIFIERS)
).map("".join)
chained_names = st.recursive(
    simple_names,
    lambda inner: st.one_of(
        st.tuples(codes, st.sampled_from(["", ":Patient", ":Observation", ":x"]), inner).map(
            lambda p: f"{p[0]}{p[1]}.{p[2]}"
        ),
        st.tuples(st.sampled_from(TYPES), codes, inner).map(lambda p: f"_has:{p[0]}:{p[1]}:{p[2]}"),
    ),
    max_leaves=8,
)
values = st.one_of(st.lists(st.sampled_from(PIECES), max_size=6).map("".join), st.text(max_size=30))
requests = st.lists(st.tuples(st.one_of(chained_names, st.text(max_size=20)), values), max_size=4)


@settings(max_examples=2_500, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from([*TYPES, "*"]), requests, st.booleans())
@example("Observation", [("value-quantity", "1e400")], False)
@example("Observation", [("value-quantity", "5e-330||mg")], False)
@example("Observation", [("value-quantity", "9e307||kg")], False)
@example("Observation", [("date", "ap9999-12-31")], False)
@example("Observation", [("code", ",".join(["a"] * 10_000))], False)
@example("Patient", [(".".join(["link"] * 500), "x")], False)
@example("Patient", [("_has:Patient:link:" * 500 + "_id", "x")], False)
@example("*", [("_id", ",".join(["a"] * 5_000))], False)
@example("Patient", [("_id", "\\")], False)
@example("Patient", [("_count", "9" * 4_500)], True)
def test_anything_is_read_or_refused(type_: str, request: list[tuple[str, str]], strict: bool) -> None:
    """A hostile search would be a 500."""
    types = RESOURCE_TYPES if type_ == "*" else [type_]
    try:
        query = parse_query(types, request, base_url="http://j/fhir", strict=strict)
    except errors.Invalid as error:
        said: Any = [(issue.message, issue.path) for issue in error.issues]
        orjson.dumps([error.message, said])
        return
    orjson.dumps([query.used, query.ignored])
    _check(query.where)
    assert matches(IndexRows(), 0, 0, query.where) in (True, False, None)


def _check(node: Criterion) -> None:
    """What stores rely on: 64-bit keys, bounded times, finite ordered numbers, encodable text."""
    match node:
        case Tokens(keys):
            assert all(-(2**63) <= key < 2**63 for key in keys)
        case Dates(params, _, low, high):
            assert params
            assert -(2**62) <= low < high <= 2**62
        case LastUpdated(_, low, high):
            assert -(2**62) <= low < high <= 2**62
        case Quantities(params, _, _, _, value, low, high):
            assert params
            assert all(map(math.isfinite, (low, value, high)))
            assert low <= value < high
        case Strings(params, _, value):
            assert params
            assert value
            assert "\x00" not in value
            value.encode()
        case Words(lexemes):
            assert lexemes
            assert not any("\x00" in lexeme for lexeme in lexemes)
        case Chain(names, types, inner):
            assert names
            assert types
            _check(inner)
        case Has(_, names, inner):
            assert names
            _check(inner)
        case All(parts) | AnyOf(parts):
            for part in parts:
                _check(part)
        case Not(part):
            _check(part)
