"""Anything shaped like a resource can be indexed, and gives rows that the stores take."""

from __future__ import annotations

import math
from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vaka.fhir.definitions import RESOURCE_TYPES
from vaka.fhir.extract import extract, local_references, owner_hints, references
from vaka.fhir.index import HIGHEST, LOWEST, IndexRows

EXAMPLES: list[dict[str, Any]] = [
    orjson.loads(line)
    for line in zstandard.decompress((Path(__file__).parent / "examples.ndjson.zst").read_bytes()).splitlines()
]

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["\ud800", "2024-01-01", "Patient/1", "\x00", "http://a|b|c", "Bundle"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["coding", "code", "system", "value", "reference", "start", "text", "resourceType", "div"]),
        inner, max_size=4,
    ),
    max_leaves=8,
)  # fmt: skip


def mutated(resource: dict[str, Any], place: int, value: Any) -> dict[str, Any]:
    """A copy with one node, counted from the top, replaced."""
    copy = deepcopy(resource)
    nodes: list[tuple[Any, Any]] = []
    waiting: list[Any] = [copy]
    while waiting:
        at = waiting.pop()
        for name, held in list(at.items() if isinstance(at, dict) else enumerate(at)):
            nodes.append((at, name))
            if isinstance(held, dict | list):
                waiting.append(held)
    at, name = nodes[place % len(nodes)]
    if name != "resourceType":
        at[name] = value
    return copy


def sound(rows: IndexRows) -> None:
    """What the stores take: 64-bit keys, finite numbers, folded text."""
    assert all(-(2**63) <= token < 2**63 for token in rows.tokens)
    assert all(type(v) is int and abs(v) <= 2**62 for r in rows.dates for v in (r.low_us, r.high_us))
    assert all(math.isfinite(v) for r in rows.quantities for v in (r.low, r.high))
    assert all(r.value and len(r.value) <= 256 for r in rows.strings)
    assert len(rows.words) <= 2000
    assert rows.words == sorted(set(rows.words))
    for held in (rows.dates, rows.quantities, rows.strings):
        for param in {r.param for r in held}:
            edges = [r.edge for r in held if r.param == param]
            assert sum(edge & LOWEST for edge in edges) == LOWEST
            assert sum(edge & HIGHEST for edge in edges) == HIGHEST


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(EXAMPLES), st.lists(st.tuples(st.integers(0, 10_000), JSON), min_size=1, max_size=4))
def test_never_raises(resource: dict[str, Any], changes: list[tuple[int, Any]]) -> None:
    """A resource that was accepted would be refused for its index."""
    for place, value in changes:
        resource = mutated(resource, place, value)
    sound(extract(resource))
    references(resource)
    owner_hints(resource)
    local_references(resource)


def test_examples_are_sound() -> None:
    """A row of an official example that no store would take, or rows that change from run to run."""
    for resource in EXAMPLES:
        rows = extract(resource)
        sound(rows)
        assert rows == extract(resource)


def test_every_type_compiles() -> None:
    """A type without example whose parameters were never compiled would fail at its first write."""
    for type_ in RESOURCE_TYPES:
        assert extract({"resourceType": type_}).dates == []
    assert extract({"resourceType": "Nonsense", "id": "1"}) == IndexRows()
    assert extract({}) == IndexRows()
