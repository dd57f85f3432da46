"""The page of a login is drawn once and kept: what stands in it of one reader reaches no other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vaka.access.filter import AccessFilter
from vaka.api.http import Freshness, Request
from vaka.web.pages.login import LoginPage, Staff
from vaka.web.render import page, page_for_all

PAGES = (
    LoginPage(csrf="", challenge="", services=("Region <Vikmark>",)),
    LoginPage(csrf="", challenge="", code=False, site="example.org"),
    LoginPage(csrf="", challenge="", staff=(Staff("TST1", "Åsa & Lund", "Läkare", "Ward"),)),
)


def asked(language: str, freshness: Freshness | None = None) -> Request:
    headers = {"accept-language": language}
    request = Request("GET", ("login",), [], headers, "http://localhost", b"", AccessFilter("anonymous"), "127.0.0.1")
    request.freshness = freshness
    return request


@pytest.mark.parametrize("shown", PAGES)
@pytest.mark.parametrize("language", ["sv", "en"])
@pytest.mark.parametrize("away", [None, False, True])
def test_what_is_kept_is_what_would_be_drawn(shown: LoginPage, language: str, away: bool | None) -> None:
    """Broken: who comes second sees another page, language or age of the copy than the first, or the first one's proof or
    challenge."""
    fresh = None if away is None else Freshness(1_700_000_000_000_000, 3.0, away, False)
    for proof in ("one-proof", "another_proof"):
        challenge = f"challenge-for-{proof}"
        kept = page_for_all(asked(language, fresh), shown, csrf=proof, challenge=challenge)
        drawn = page(asked(language, fresh), replace(shown, csrf=proof, challenge=challenge))
        assert (kept.status, kept.body, kept.headers) == (drawn.status, drawn.body, drawn.headers)
        assert f'data-csrf="{proof}" data-challenge="{challenge}"'.encode() in kept.body
