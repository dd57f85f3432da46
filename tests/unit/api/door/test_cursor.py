"""The place of somebody's last write."""

from __future__ import annotations

from vaka.access.filter import AccessFilter
from vaka.access.trail import Trail
from vaka.api.door.cursor import COOKIE, HEADER, brought, parse
from vaka.api.http import Request
from vaka.store.cursor import Cursor


def request(**headers: str) -> Request:
    return Request("GET", ("fhir",), [], headers, "http://localhost/fhir", b"", AccessFilter("x"))


def test_written_and_read_back() -> None:
    """Broken: a copy does not understand the place that a journal has told."""
    assert parse(str(Cursor(2, 745, 91))) == Cursor(2, 745, 91)
    for none in (None, "", "1.2", "1.2.3.4", "a.b.c", "1.2.-3", "1.2.3 ", "9" * 50 + ".1.1", "1..3", "١.2.3"):
        assert parse(none) is None, none


def test_the_later_of_header_and_cookie_counts() -> None:
    """Broken: who writes by two ways is shown the record as of the first."""
    assert brought(request()) is None
    assert brought(request(**{HEADER: "1.5.1"})) == Cursor(1, 5, 1)
    assert brought(request(**{HEADER: "1.5.1", "cookie": f"a=b; {COOKIE}=1.6.1"})) == Cursor(1, 6, 1)
    assert brought(request(**{HEADER: "2.1.1", "cookie": f"{COOKIE}=1.6.1"})) == Cursor(2, 1, 1)
    assert brought(request(cookie=f"{COOKIE}=1.6.1; {COOKIE}=1.9.1")) is None, "one that comes twice counts as none"


def test_the_last_place_of_a_request_is_told() -> None:
    """Broken: of a batch only the first write is waited for."""
    trail, part = Trail(), Trail()
    trail.wrote_at(1, 7, 3)
    part.wrote_at(1, 7, 9)
    part.wrote_at(1, 6, 20)
    trail.add(part)
    trail.add(Trail())
    assert trail.wrote == (1, 7, 9)
