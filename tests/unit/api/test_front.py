"""Who calls, and under which address: what of a request may be believed, and what not."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from vaka.api.front import LOOPBACK_NAMES, Front
from vaka.api.listen import Listeners
from vaka.api.wire import Wire
from vaka.errors import Forbidden, Invalid

PROXIED = Front(LOOPBACK_NAMES | {"journal.example.org"}, frozenset({"10.0.0.5"}))
TOLD = {"x-forwarded-proto": "https", "x-forwarded-host": "journal.example.org", "x-forwarded-for": "10.9.9.9"}
OURS = "https://journal.example.org/fhir"


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        (TOLD, (OURS, "10.9.9.9")),
        ({**TOLD, "x-forwarded-for": "1.1.1.1, 10.9.9.9"}, (OURS, "10.9.9.9")),
        ({**TOLD, "x-forwarded-host": "evil.example.org, journal.example.org"}, (OURS, "10.9.9.9")),
        ({**TOLD, "x-forwarded-for": "[2001:db8::1]:4711"}, (OURS, "2001:db8::1")),
        ({**TOLD, "x-forwarded-proto": "http"}, ("http://journal.example.org/fhir", "10.9.9.9")),
        ({"forwarded": "for=10.9.9.9;host=journal.example.org;proto=https"}, (OURS, "10.9.9.9")),
        ({"forwarded": 'for=evil, for="[2001:db8::1]:80";host="journal.example.org"'}, (OURS, "2001:db8::1")),
        ({"x-forwarded-for": "10.9.9.9"}, ("https://inside/fhir", "10.9.9.9")),
        ({}, ("http://inside/fhir", "10.0.0.5")),
    ],
)
def test_what_the_proxy_says(headers: dict[str, str], answer: tuple[str, str]) -> None:
    """Broken: addresses are not the proxy's, or a caller writes them by what it sends before the proxy's own words."""
    assert PROXIED.origin("http", "inside", "10.0.0.5:1234", headers) == answer


@pytest.mark.parametrize("headers", [TOLD, {}, {"forwarded": "for=127.0.0.1;proto=https"}])
@pytest.mark.parametrize("client", ["10.0.0.6:1", "192.0.2.1:5", "[2001:db8::1]:7"])
def test_who_goes_round_the_proxy_is_refused(client: str, headers: dict[str, str]) -> None:
    """Broken: plain text reaches the record from the network; or a forged header makes a stranger the proxy."""
    with pytest.raises(Forbidden):
        PROXIED.origin("http", "inside", client, headers)
    assert PROXIED.origin("http", "inside", client, headers, probe=True)[0] == "http://inside/fhir"


@pytest.mark.parametrize("client", ["127.0.0.1:9", "[::1]:9", "[::ffff:127.0.0.1]:9", "10.0.0.5:9"])
def test_who_is_believed(client: str) -> None:
    """Broken: the proxy itself is taken for a stranger."""
    assert PROXIED.origin("http", "inside", client, TOLD) == (OURS, "10.9.9.9")


def test_without_a_proxy_nothing_is_believed() -> None:
    """Broken: whoever calls chooses the address in answers, or who it is."""
    assert Front().origin("http", "localhost:8080", "127.0.0.1:5", TOLD) == ("http://localhost:8080/fhir", "127.0.0.1")


@pytest.mark.parametrize("host", ["", "a b", "x/y", "evil.example.org\r\nX: y", None])
def test_a_forwarded_host_that_is_none(host: str | None) -> None:
    """Broken: a header breaks out of an address."""
    with pytest.raises(Invalid):
        PROXIED.origin("http", None, "10.0.0.5:1", {"x-forwarded-proto": "https", "x-forwarded-host": host or ""})


def test_names() -> None:
    """Broken: a token is given out under somebody else's name."""
    front = Front(LOOPBACK_NAMES | {"journal.example.org", "*.ward.example.org"})
    for name in (
        "journal.example.org",
        "Journal.Example.Org:8443",
        "localhost:1",
        "[::1]:80",
        "127.0.0.1",
        "a.ward.example.org",
    ):
        assert front.is_ours(f"https://{name}/fhir"), name
    for name in (
        "example.org",
        "xjournal.example.org",
        "journal.example.org.evil.org",
        "a.b.ward.example.org",
        "ward.example.org",
    ):
        assert not front.is_ours(f"https://{name}/fhir"), name


def test_the_feed_stays_on_the_machine() -> None:
    """Broken: the whole record leaves to who has a token but no certificate, or through a proxy on this machine."""
    assert Front().feed_allowed("127.0.0.1", {})
    assert Front().feed_allowed("::1", {})
    for source in ("10.0.0.1", "::", "0.0.0.0", "", "localhost", "unknown", "::ffff:10.0.0.1"):
        assert not Front().feed_allowed(source, {}), source
    for name in TOLD:
        assert not Front().feed_allowed("127.0.0.1", {name: "x"})
    assert Front(mutual=True).feed_allowed("10.0.0.1", {})
    for name in TOLD:
        assert not Front(mutual=True).feed_allowed("10.0.0.1", {name: "x"}), "through a copy"


def test_a_copy_with_a_certificate_tells_who_calls() -> None:
    """Broken: all who come by a copy look like the copy, and answers point them past it; or anybody is believed."""
    assert Front(mutual=True).origin("https", "inside", "10.0.0.5:1", TOLD) == (OURS, "10.9.9.9")
    assert Front(mutual=True).is_ours("https://copy.example.org/fhir")
    assert Front(secure=True).origin("https", "localhost", "10.0.0.5:1", TOLD)[1] == "10.0.0.5"


def test_a_journal_believes_the_copies_before_it_on_how_important_a_request_is(tmp_path: Path) -> None:
    """Broken: a dose that a copy passes on waits at an overloaded journal with those who log in; or a proxy's callers choose."""
    fronts: list[Front] = []

    async def listen() -> None:
        for wire in (Wire(behind_proxy=True), Wire(behind_copies=True)):
            Listeners(wire, "127.0.0.1", 0, tmp_path, lambda front: cast("Any", fronts.append(front)))

    asyncio.run(listen())
    assert [front.carries for front in fronts] == [False, True]
    assert [front.proxies for front in fronts] == [frozenset(), frozenset()]
