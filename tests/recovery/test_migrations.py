"""Migrations: a record of any earlier schema, with what it holds, becomes one of this release.

The first schema is number 1; what a release has once brought out is never changed (sql/migrations/README.md).
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from bench.running import running
from psycopg import sql
from tests.access.wards import build
from tests.client import Api

from vaka.access.filter import system_filter
from vaka.journal import cluster, deriving, migrate
from vaka.journal.cluster import Cluster
from vaka.journal.journal import Journal
from vaka.journal.statements import migration_files

EARLIER = [number for number, _, _ in migration_files()][:-1]
DERIVED = ("care_relation", "block", "consent", "protected")
PRIVATE = "SELECT topic, key, row::text FROM private_change ORDER BY topic, key"
IDS = [("Patient", "old0"), ("Patient", "old1")]


@pytest.fixture(scope="module")
def now(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A record of this release's schema, its PostgreSQL running without Vaka."""
    with running(tmp_path_factory.mktemp("migrations") / "data") as vaka:
        with Api(vaka.url, vaka.token("tests")) as api:
            for number, (type_, id_) in enumerate(IDS):
                assert api.transact(*build(f"t{number}", protected=number == 1)).status_code == 200
                assert api.put(f"/{type_}/{id_}", json={"resourceType": type_, "id": id_}).status_code == 201
        found = cluster.at(vaka.data / "pg")
        with psycopg.connect(found.dsn()) as connection:
            connection.execute(BESIDE)
    with found.started():
        yield found


# What copies need beside the record, and what must not reach them.
BESIDE = """
INSERT INTO opening VALUES (gen_random_uuid(), 1, 'P', 'u', 'v', 3, NULL, 'why', 's', 1, 2, NULL);
INSERT INTO alias VALUES (1, 'a', 2, 'b', 2);
INSERT INTO apart VALUES (1, 2, 3, 4);
INSERT INTO revocation (session, person, at_us, until_us, reason) VALUES ('s', 'P', 1, 2, 'why'), (NULL, 'P', 1, 2, 'why');
INSERT INTO passkey (credential, person, site, public_key, signs, demo) VALUES ('c', 'P', 'localhost', 'k', 0, false);
INSERT INTO passphrase VALUES ('P', 'hash', 'secret');
INSERT INTO client (name, keys, scopes, provider) VALUES ('lab', '{"keys": []}', 'system/Patient.r', NULL);
"""


def tables(connection: psycopg.Connection) -> dict[str, list[str]]:
    """The columns of each table of the record that is no partition."""
    rows = connection.execute(
        "SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
        " AND a.attnum > 0 AND NOT a.attisdropped GROUP BY c.relname"
    )
    return {str(name): list(columns) for name, columns in rows}


def database(now: Cluster, name: str) -> str:
    """A new one; its address."""
    with psycopg.connect(now.superuser_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER vaka").format(sql.Identifier(name)))
    return now.dsn(database=name)


@pytest.fixture(scope="module")
def fresh(now: Cluster) -> list[str]:
    """The schema that a first start makes."""
    dsn = database(now, "fresh")
    migrated(dsn)
    return schema(now, dsn)


def migrated(dsn: str) -> None:
    migrate.migrate(dsn, "pre")
    migrate.migrate(dsn, "post")


def earlier(now: Cluster, number: int) -> str:
    """A database as a release with schema ``number`` has left it, with what this record holds of its tables; its address."""
    dsn = database(now, f"from_{number}")
    with psycopg.connect(dsn) as old, psycopg.connect(now.dsn()) as new:
        for its, _, text in migration_files():
            if its <= number:
                old.execute(text.encode())
        migrate.make_partitions(old)
        there = tables(new)
        for table, columns in tables(old).items():
            if table in ("fact", "private_change"):  # the second is kept by triggers
                continue
            common = sql.SQL(", ").join(map(sql.Identifier, [one for one in columns if one in there.get(table, ())]))
            query = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(common, sql.Identifier(table))
            into = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), common)
            with new.cursor().copy(query) as read, old.cursor().copy(into) as write:
                for rows in read:
                    write.write(rows)
        old.execute("SELECT setval('version_seq', (SELECT max(seq) FROM version))")
        old.execute("INSERT INTO fact VALUES ('schema', %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (str(number),))  # fmt: skip
    return dsn


def schema(now: Cluster, dsn: str) -> list[str]:
    done = subprocess.run(
        [now.programs.program("pg_dump"), "--schema-only", f"--dbname={dsn}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in done.stdout.splitlines() if line and not line.startswith(("--", "\\"))]


def derived(dsn: str) -> dict[str, list[Any]]:
    with psycopg.connect(dsn) as connection:
        return {name: sorted(map(str, connection.execute(f"SELECT * FROM {name}").fetchall())) for name in DERIVED}


def changes(dsn: str) -> list[Any]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(PRIVATE).fetchall()


def held(dsn: str) -> set[str]:
    """The topics whose tables hold anything."""
    with psycopg.connect(dsn) as connection:
        topics = {topic for topic, *_ in connection.execute("SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'private'")}  # fmt: skip
        return {one for one in topics if connection.execute(f"SELECT 1 FROM {one} LIMIT 1").fetchone()}


async def read(dsn: str) -> list[bytes]:
    """Brings up what is derived; the bodies of ``IDS``."""
    journal = await Journal.open(dsn)
    try:
        await deriving.derive(journal)
        found = await journal.searching(system_filter("test")).read_many(IDS)
        return sorted(one.body for one in found if one.body is not None)
    finally:
        await journal.close()


@pytest.mark.parametrize("number", EARLIER)
def test_a_record_of_an_earlier_schema_is_brought_up(now: Cluster, fresh: list[str], number: int) -> None:
    """Broken: an upgrade works on an empty record only, or leads to another schema than a first start, or loses what was derived."""
    dsn = earlier(now, number)
    migrated(dsn)
    with psycopg.connect(dsn) as connection:
        assert migrate.schema_number(connection) == EARLIER[-1] + 1
    assert schema(now, dsn) == fresh
    bodies = asyncio.run(read(dsn))
    assert bodies == asyncio.run(read(now.dsn()))
    assert len(bodies) == len(IDS)
    whole = derived(now.dsn())
    assert all(whole.values())
    assert derived(dsn) == whole
    had = held(dsn)
    assert changes(dsn) == [one for one in changes(now.dsn()) if one[0] in had], (
        "copies are told what an upgrade has found"
    )
    migrated(dsn)
    assert schema(now, dsn) == fresh, "again changes nothing"
