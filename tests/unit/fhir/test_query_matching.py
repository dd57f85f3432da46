"""The meaning of the search tree, node by node: what the compiled searches of every store are held against."""

from __future__ import annotations

import pytest

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
    Words,
)
from vaka.fhir.index import DateRow, IndexRows, QuantityRow, StringRow
from vaka.fhir.query import matches

ROWS = IndexRows(
    tokens=[1, 2],
    dates=[DateRow(10, 100, 200, 1), DateRow(10, 500, 600, 2), DateRow(11, 0, 1, 3)],
    quantities=[QuantityRow(20, 7, 0, 5.0, 5.0, 3), QuantityRow(20, 7, 99, 0.005, 0.005, 0), QuantityRow(21, 0, 0,
    2.0, 4.0, 3)], strings=[StringRow(30, "akerstrom", 3)], words=["_feb", "feb", "host"],
)  # fmt: skip
TRUE, FALSE, OPEN = Tokens((1,)), Tokens((9,)), Chain(("Observation.subject",), ("Patient",), Tokens((1,)))
EXPECTED: list[tuple[Criterion, bool | None]] = [
    (Tokens((9, 2)), True),
    (Tokens((9,)), False),
    (Tokens(()), False),
    (Ids((42,)), True),
    (Ids((43,)), False),
    (Ids(()), False),
    (Words(("host", "feb")), True),
    (Words(("host", "utslag")), False),
    (Words(("_host",)), False),
    (Strings((30,), "prefix", "aker"), True),
    (Strings((30,), "prefix", "strom"), False),
    (Strings((30,), "contains", "strom"), True),
    (Strings((31,), "contains", "strom"), False),
    (Dates((10,), "eq", 450, 700), True),  # the second row
    (Dates((10,), "eq", 150, 700), True),
    (Dates((11,), "eq", 450, 700), False),
    (Dates((10, 11), "eq", 0, 1), True),
    (Dates((12,), "ne", 0, 1), False),  # no row, no prefix
    (Quantities((20,), (), 0, "eq", 5.0, 4.5, 5.5), True),
    (Quantities((20,), (), 99, "eq", 5.0, 4.5, 5.5), False),  # another unit
    (Quantities((20,), (7,), 0, "eq", 5.0, 4.5, 5.5), True),
    (Quantities((20,), (8,), 0, "eq", 5.0, 4.5, 5.5), False),  # another code
    (Quantities((20,), (), 0, "eq", 4.0, 4.0, 5.0), False),  # half-open
    (Quantities((20,), (), 0, "eq", 5.0, 5.0, 5.1), True),
    (Quantities((22,), (), 0, "ne", 5.0, 4.5, 5.5), False),
    (All(()), True),
    (All((TRUE, TRUE)), True),
    (All((TRUE, FALSE, OPEN)), False),
    (All((TRUE, OPEN)), None),
    (Any(()), False),
    (Any((FALSE, TRUE, OPEN)), True),
    (Any((FALSE, FALSE)), False),
    (Any((FALSE, OPEN)), None),
    (Not(TRUE), False),
    (Not(FALSE), True),
    (Not(OPEN), None),
    (OPEN, None),
    (Has("Observation", ("Observation.subject",), TRUE), None),
]


@pytest.mark.parametrize(("node", "expected"), EXPECTED)
def test_a_node(node: Criterion, expected: bool | None) -> None:
    """The oracle itself would be wrong, and with it every store that agrees with it."""
    assert matches(ROWS, 42, 1_000, node) is expected


PREFIXES: tuple[Prefix, ...] = ("eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap")


@pytest.mark.parametrize(
    ("low", "high", "holding"),
    [
        (100, 200, {"eq", "ge", "le", "ap"}),
        (50, 300, {"eq", "ge", "le", "ap"}),
        (150, 160, {"ne", "gt", "ge", "lt", "le", "ap"}),  # the row goes beyond both ends
        (50, 150, {"ne", "gt", "ge", "ap"}),
        (150, 300, {"ne", "lt", "le", "ap"}),
        (0, 100, {"ne", "gt", "ge", "sa"}),
        (200, 300, {"ne", "lt", "le", "eb"}),
    ],
)
def test_date_prefixes(low: int, high: int, holding: set[Prefix]) -> None:
    """A prefix would compare with the wrong end of a range."""
    rows = IndexRows(dates=[DateRow(10, 100, 200, 3)])
    assert {p for p in PREFIXES if matches(rows, 0, 0, Dates((10,), p, low, high))} == holding


@pytest.mark.parametrize(
    ("value", "low", "high", "holding"),
    [
        (3.0, 2.5, 3.5, {"ne", "gt", "ge", "lt", "le", "ap"}),
        (3.0, 1.5, 4.5, {"eq", "gt", "ge", "lt", "le", "ap"}),
        (2.0, 1.5, 2.5, {"ne", "gt", "ge", "le", "ap"}),
        (4.0, 3.5, 4.5, {"ne", "ge", "lt", "le", "ap"}),
        (1.0, 0.5, 1.5, {"ne", "gt", "ge", "sa"}),
        (5.0, 4.5, 5.5, {"ne", "lt", "le", "eb"}),
    ],
)
def test_quantity_prefixes(value: float, low: float, high: float, holding: set[Prefix]) -> None:
    """A prefix would compare a Range with the wrong end."""
    rows = IndexRows(quantities=[QuantityRow(21, 0, 0, 2.0, 4.0, 3)])
    assert {p for p in PREFIXES if matches(rows, 0, 0, Quantities((21,), (), 0, p, value, low, high))} == holding


@pytest.mark.parametrize(
    ("updated", "holding"),
    [
        (100, {"eq", "ge", "le", "ap"}),
        (199, {"eq", "ge", "le", "ap"}),
        (200, {"ne", "gt", "ge", "sa"}),
        (99, {"ne", "lt", "le", "eb"}),
    ],
)
def test_last_updated_is_a_moment(updated: int, holding: set[Prefix]) -> None:
    """The last microsecond of the range would belong to the next."""
    assert {p for p in PREFIXES if matches(IndexRows(), 0, updated, LastUpdated(p, 100, 200))} == holding
