"""The database that a local load or dump works on."""

from __future__ import annotations

import asyncio

import psycopg

from vaka.errors import Setup
from vaka.journal import cluster, migrate
from vaka.journal.journal import Journal
from vaka.journal.standing import settle as _settle
from vaka.journal.statements import migration_files
from vaka.watch.directory import Directory


def dsn_of(data: Directory, database: str | None) -> str:
    """The address of the running journal's database. Setup error where it does not run, or has another schema."""
    if database is None and not data.pgdata.exists():
        raise Setup(f"there is no record in {data.path}", help="start it with vaka up, or name its folder with --data")
    dsn = database if database is not None else cluster.at(data.pgdata).dsn()
    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
            have = migrate.schema_number(connection)
    except psycopg.OperationalError as away:
        raise Setup(
            f"the database does not answer: {str(away).splitlines()[0]}", help="start Vaka first, with vaka up"
        ) from away
    known = migration_files()[-1][0]
    if have != known:
        raise Setup(
            f"the journal's schema is number {have}, this release has number {known}",
            help="load with the release that serves the record; vaka up brings an older schema up to date",
        )
    return dsn


def settle(dsn: str) -> None:
    """Statistics and visibility brought up to date, after a load."""

    async def work() -> None:
        journal = await Journal.open(dsn)
        try:
            await _settle(journal)
        finally:
            await journal.close()

    asyncio.run(work())
