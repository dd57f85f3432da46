"""A record that is older than the tables of care relations, blocks, consents and protection: a start brings them up, whole."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import orjson
import psycopg
import pytest
from bench.running import Vaka, running
from tests import commands
from tests.access.wards import PROTECTED, build
from tests.client import Api

from vaka.journal import cluster, deriving, facts
from vaka.journal.journal import Journal

TABLES = ("care_relation", "block", "consent", "protected")


@pytest.fixture(scope="module")
def vaka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vaka]:
    """One that has something to derive from. Each test but the last leaves it whole."""
    with running(tmp_path_factory.mktemp("deriving") / "data") as started:
        _filled(started)
        yield started


def _dsn(vaka: Vaka) -> str:
    return cluster.at(vaka.data / "pg").dsn()


def _kept(vaka: Vaka) -> dict[str, list[Any]]:
    with psycopg.connect(_dsn(vaka)) as connection:
        return {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2, 3" if name != "protected" else "SELECT * FROM protected ORDER BY 1").fetchall()
                for name in TABLES}  # fmt: skip


def _older(vaka: Vaka) -> None:
    """As a record stands that a release made which did not keep them."""
    with psycopg.connect(_dsn(vaka), autocommit=True) as connection:
        connection.execute(f"TRUNCATE {', '.join(TABLES)}")
        connection.execute("DROP TABLE apart; DROP INDEX alias_root; DELETE FROM fact WHERE name = 'access facts'")
        connection.execute("DROP TABLE session, login, way_change; DROP INDEX revocation_person")
        connection.execute("ALTER TABLE log.review DROP COLUMN provider")
        connection.execute("DROP FUNCTION private_note CASCADE; DROP TABLE private_change, copy_key, copy_refused")
        connection.execute("DROP SEQUENCE private_seq")
        connection.execute(
            "UPDATE fact SET value = '7' WHERE name = 'schema'; DELETE FROM fact WHERE name = 'migrations'"
        )


def _status(vaka: Vaka, *options: str) -> str:
    done = commands.run("status", "--data", vaka.data, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _filled(vaka: Vaka) -> None:
    with Api(vaka.url, vaka.token("tests")) as api:
        for n in range(3):
            answer = api.transact(*build(f"t{n}", protected=n == 1))
            assert answer.status_code == 200, answer.text


def test_an_older_record_is_brought_up_before_anybody_is_served(vaka: Vaka) -> None:
    """Breaks if after an upgrade a block is not known, or nobody has a care relation any more."""
    whole = _kept(vaka)
    assert all(whole.values()), PROTECTED
    _older(vaka)
    vaka.stop()
    vaka.start()
    assert _kept(vaka) == whole
    with psycopg.connect(_dsn(vaka)) as connection:
        assert connection.execute("SELECT value FROM fact WHERE name = 'access facts'").fetchone() == ("derived",)
    told = [orjson.loads(line) for line in (vaka.data / "log" / "journal.jsonl").read_bytes().splitlines()]
    assert any(line["event"] == "derived access facts" and line["looked_at"] > 9 for line in told)


def test_a_start_that_is_stopped_goes_on(vaka: Vaka, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks if a stop in the middle leaves a part out, or begins again for ever."""
    whole = _kept(vaka)
    with psycopg.connect(_dsn(vaka), autocommit=True) as connection:
        connection.execute(f"TRUNCATE {', '.join(TABLES)}")
        connection.execute("DELETE FROM fact WHERE name = 'access facts'")
        connection.execute("INSERT INTO fact VALUES ('access facts', 'due')")
    rows, calls = facts.rows, iter(range(100))

    async def dying(*given: Any) -> Any:
        if next(calls) == 2:
            raise ConnectionError
        return await rows(*given)

    monkeypatch.setattr(facts, "rows", dying)

    async def go() -> int:
        journal = await Journal.open(_dsn(vaka))
        try:
            return await deriving.derive(journal, batch=2)
        finally:
            await journal.close()

    with pytest.raises(ConnectionError):
        asyncio.run(go())
    part = _kept(vaka)
    assert part != whole
    told = orjson.loads(_status(vaka, "--json"))
    assert 0 < told["deriving_percent"] < 100
    assert f"{told['deriving_percent']} % done" in _status(vaka)
    assert sum(map(len, part.values())) > 0
    first = asyncio.run(go())
    assert _kept(vaka) == whole
    assert asyncio.run(go()) == 0, "once is enough"
    assert orjson.loads(_status(vaka, "--json"))["deriving_percent"] is None
    assert first > 0


# The last: it leaves the record damaged.
def test_what_cannot_be_derived_refuses_the_start(vaka: Vaka) -> None:
    """Breaks if a block that cannot be read is taken as none."""
    with psycopg.connect(_dsn(vaka), autocommit=True) as connection:
        connection.execute("UPDATE fact SET value = 'due' WHERE name = 'access facts'")
        connection.execute("INSERT INTO fact VALUES ('access facts', 'due') ON CONFLICT DO NOTHING")
        connection.execute(
            "UPDATE version v SET body = '\\x00' FROM block b JOIN resource r USING (rkey) WHERE v.seq = r.seq"
        )
    vaka.stop()
    with pytest.raises(RuntimeError, match="nobody is served"):
        vaka.start()
