"""What goes along with a request that is passed on, and what comes back."""

from __future__ import annotations

from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from vaka.access.filter import AccessFilter
from vaka.api.door.carried import homeward, onward, target
from vaka.api.http import Request

GIVEN = [
    ("host", "ehr.example"), ("authorization", "Bearer t"), ("cookie", "__Host-vaka=s"), ("content-length", "3"),
    ("x-forwarded-for", "6.6.6.6"), ("x-forwarded-host", "evil.example"), ("forwarded", "for=6.6.6.6"), ("via", "1.1 evil"),
    ("connection", "keep-alive, X-Odd"), ("x-odd", "1"), ("te", "trailers"), ("upgrade", "h2c"),
    ("vaka-reserve-entry", "x"), ("if-match", 'W/"1"'), ("prefer", "return=minimal"),
]  # fmt: skip


def request() -> Request:
    return Request(
        "PUT", ("fhir",), [], dict(GIVEN), "https://ehr.example/fhir", cast("Any", b""), AccessFilter("x"), "10.1.1.1"
    )


def test_onward() -> None:
    """Broken: the caller's proof is lost, another's is added, or a caller says who it is."""
    told = onward(request(), GIVEN, journal="127.0.0.1:9", key="k", length=False)
    assert dict(told) == {
        b"authorization": b"Bearer t", b"cookie": b"__Host-vaka=s", b"if-match": b'W/"1"', b"prefer": b"return=minimal",
        b"host": b"127.0.0.1:9", b"x-forwarded-for": b"10.1.1.1", b"x-forwarded-host": b"ehr.example",
        b"x-forwarded-proto": b"https", b"idempotency-key": b"k",
    }  # fmt: skip
    assert len(told) == len(dict(told)), "none twice"


def test_the_length_goes_along_where_the_body_does_as_it_came() -> None:
    """Broken: a stream is announced with another length than it has."""
    assert (b"content-length", b"3") in onward(request(), GIVEN, journal="j", key=None, length=True)


def test_homeward() -> None:
    """Broken: two cookies become one, or what is about the inner connection reaches the caller."""
    given = [
        (b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"Content-Type", b"x/y"), (b"Content-Length", b"5"),
        (b"Connection", b"close, x-inner"), (b"X-Inner", b"1"), (b"Date", b"now"), (b"Vaka-Answered-By", b"copy"),
        (b"transfer-encoding", b"chunked"), (b"vaka-cursor", b"1.2.3"),
    ]  # fmt: skip
    assert homeward(given, length=False) == [
        ("set-cookie", "a=1"), ("set-cookie", "b=2"), ("content-type", "x/y"), ("vaka-cursor", "1.2.3"),
    ]  # fmt: skip
    assert ("content-length", "5") in homeward(given, length=True)


@given(st.text(min_size=1))
def test_an_address_is_one_line_of_ascii(path: str) -> None:
    """Broken: a decoded path breaks out of the request line."""
    told = target("/" + path.encode("utf-8", "replace").decode(), "a=%20b")
    assert told.isascii() and told.isprintable() and " " not in told and told.endswith("?a=%20b")
    assert told.count("?") == 1


def test_an_address_stays_what_it_was() -> None:
    """Broken: an operation or a version is asked for under another name."""
    assert target("/fhir/Patient/a-1/$everything", "") == "/fhir/Patient/a-1/$everything"
    assert (
        target("/fhir/Observation", "code=http%3A%2F%2Floinc.org%7C1")
        == "/fhir/Observation?code=http%3A%2F%2Floinc.org%7C1"
    )
    assert target("/fhir/Patient/å", "") == "/fhir/Patient/%C3%A5"
