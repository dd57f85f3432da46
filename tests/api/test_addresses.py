"""Addresses are decoded once, and every address has an answer."""

from __future__ import annotations

import psycopg
from tests.client import Api
from tests.conftest import Instance

from vaka.journal import cluster


def test_an_address_is_decoded_once(api: Api) -> None:
    """Fails if a doubly encoded address fails the server, or reaches what it does not name."""
    assert api.get("/Patient/%25ff").status_code == 404
    assert api.get("/Patien%2574/x").status_code == 404


def test_ready_tells_of_a_real_commit(api: Api) -> None:
    """Fails if /ready answers without the journal."""
    told = api.get(api.root + "/ready").json()
    assert told["ready"] is True
    assert told["epoch"] >= 1


def test_where_nothing_can_be_written_it_lives_and_is_not_ready(api: Api, journal: Instance) -> None:
    """Fails if /ready is content with an answer of its own while writes fail, or /health goes down with the database."""
    with psycopg.connect(cluster.at(journal.data / "pg").dsn(), autocommit=True) as connection:
        connection.execute("ALTER TABLE probe RENAME TO probe_away")
        try:
            answer = api.get(api.root + "/ready")
            assert (answer.status_code, answer.json()["ready"]) == (503, False)
            assert answer.json()["reason"].startswith("a write does not commit")
            assert answer.headers["retry-after"] == "1"
            assert api.get(api.root + "/health").json()["status"] == "up"
        finally:
            connection.execute("ALTER TABLE probe_away RENAME TO probe")
    assert api.get(api.root + "/ready").json()["ready"] is True
