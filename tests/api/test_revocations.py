"""Sessions ended before their time, seen by another process than the one that ended them, and after a restart."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import jwt
import psycopg
import pytest
from tests.conftest import Instance
from tests.waiting import until

from vaka import config
from vaka.api.keyring import Keyring
from vaka.api.revocations import Revocations
from vaka.api.sessions import Sessions
from vaka.errors import Unauthenticated
from vaka.journal import cluster, people
from vaka.journal.accounts import JournalAccounts
from vaka.journal.journal import Journal

WHO: dict[str, Any] = {"person": "TSTVAKA0009-R1", "practitioner": "p1", "unit": "u1", "provider": "v1"}


def alive(journal: Instance, token: str) -> bool:
    return (
        httpx.get(journal.url + "/fhir/openapi.json", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    )


def until_dead(journal: Instance, token: str) -> None:
    """Until the server refuses ``token``."""
    until(lambda: not alive(journal, token), "it is refused")


def test_another_process_knows_within_a_second(journal: Instance) -> None:
    """Would break: a session ended at one door stays open at another; or one person's end is everybody's."""
    assert config.REVOCATIONS_POLL_S <= 0.5
    mine, other = journal.session(**WHO), journal.session(**WHO | {"person": "TSTVAKA0009-R2"})
    again = journal.session(**WHO)
    assert alive(journal, mine)

    async def end() -> None:
        opened = await Journal.open(cluster.at(journal.data / "pg").dsn())
        try:
            revocations = Revocations(JournalAccounts(opened))
            await revocations.end(Sessions(Keyring(journal.data, "session")).verify(mine), "test", mine)
            until_dead(journal, mine)
            assert alive(journal, again)
            await revocations.end_all(WHO["person"], "test")
        finally:
            await opened.close()

    asyncio.run(end())
    until_dead(journal, again)
    assert alive(journal, other)
    assert alive(journal, journal.session(**WHO)), "a session of after that lives"

    async def restarted() -> None:
        opened = await Journal.open(cluster.at(journal.data / "pg").dsn())
        try:
            fresh = Revocations(JournalAccounts(opened))
            await fresh.load()
            sessions = Sessions(Keyring(journal.data, "session"))
            for token in (mine, again):
                with pytest.raises(Unauthenticated):
                    fresh.check(sessions.verify(token))
            fresh.check(sessions.verify(other))
        finally:
            await opened.close()

    asyncio.run(restarted())


def test_one_that_commits_late_is_not_missed(journal: Instance) -> None:
    """Would break: a revocation whose transaction began before another's and committed after it is skipped by who follows."""
    late, early = (
        journal.session(**WHO | {"person": "TSTVAKA0009-R3"}),
        journal.session(**WHO | {"person": "TSTVAKA0009-R4"}),
    )
    dsn = cluster.at(journal.data / "pg").dsn()
    insert = "INSERT INTO revocation (session, person, at_us, until_us, reason) VALUES (%s, %s, 0, %s, 'test')"
    until_us = people.now_us() + 3_600_000_000

    def id_of(token: str) -> str:
        return str(jwt.decode(token, options={"verify_signature": False})["jti"])

    with psycopg.connect(dsn) as slow, psycopg.connect(dsn, autocommit=True) as quick:
        slow.execute(insert, (id_of(late), "x", until_us))
        quick.execute(insert, (id_of(early), "y", until_us))
        until_dead(journal, early)
        time.sleep(1.2)  # the follower has looked again since
        assert alive(journal, late)
        slow.commit()
    until_dead(journal, late)
