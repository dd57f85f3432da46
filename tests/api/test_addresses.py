"""Addresses are decoded once, and every address has an answer."""

from __future__ import annotations

from tests.client import Api


def test_an_address_is_decoded_once(api: Api) -> None:
    """Fails if a doubly encoded address fails the server, or reaches what it does not name."""
    assert api.get("/Patient/%25ff").status_code == 404
    assert api.get("/Patien%2574/x").status_code == 404


def test_ready_tells_of_a_real_commit(api: Api) -> None:
    """Fails if /ready answers without the journal."""
    told = api.get(api.root + "/ready").json()
    assert told["ready"] is True
    assert told["epoch"] >= 1
