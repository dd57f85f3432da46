"""The feed's order and its horizon, with transactions that interleave (traps.md, Feed)."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import httpx
import orjson
import psycopg
import pytest
from tests.client import Api, fresh, patient
from tests.conftest import Instance
from tests.feeding import SYSTEM_FILTER, Held, Line, Stream, dsn, end, opened, read, stream, versions, write

from vaka.journal.journal import Journal, Transaction
from vaka.journal.migrate import schema_number


def of(lines: list[Line], *ids: str) -> list[Line]:
    return [line for line in versions(lines) if line["id"] in ids]


def place(line: Line) -> tuple[int, int]:
    _, xid, seq = line["cursor"].split(".")
    return int(xid), int(seq)


def test_a_version_that_commits_late_is_not_skipped(api: Api, journal: Instance, tag: str) -> None:
    """Would break: a reader past a later version would never see one whose transaction began earlier."""

    async def scenario() -> list[Line]:
        before = await asyncio.to_thread(end, api)
        async with opened(journal.data) as record:
            late = await Held(record).begin()
            quick = await asyncio.to_thread(api.make, patient(tag, id=f"{tag}-quick"))
            await late.write(patient(tag, id=f"{tag}-late"))
            with stream(api, before) as reader:
                assert not of(reader.lines, quick["id"]), "given while an earlier transaction was open"
                seen = read(api, before)
                assert not versions(seen)
                assert seen[-1]["cursor"] == before
                await late.commit()
                return await asyncio.to_thread(reader.until, lambda lines: len(of(lines, quick["id"])) == 1)

    lines = asyncio.run(scenario())
    assert [line["id"] for line in versions(lines)] == [f"{tag}-late", f"{tag}-quick"]


def test_a_higher_number_can_come_first_and_a_reader_that_keeps_it_is_right(
    api: Api, journal: Instance, tag: str
) -> None:
    """Would break: copies that take the feed's order for commit order would end on an older version."""

    async def scenario() -> tuple[list[Line], str]:
        api.make(patient(tag, id=tag))
        before = await asyncio.to_thread(end, api)
        async with opened(journal.data) as record:
            first = await Held(record).begin()
            await asyncio.to_thread(api.make, patient(tag, id=tag, active=True))
            await first.write(patient(tag, id=tag, active=False))
            await first.commit()
        return await asyncio.to_thread(read, api, before), (await asyncio.to_thread(api.get, f"/Patient/{tag}")).text

    lines, current = asyncio.run(scenario())
    assert [line["number"] for line in of(lines, tag)] == [3, 2]
    kept: dict[str, Line] = {}
    for line in of(lines, tag):
        if line["number"] > kept.get(line["id"], {"number": 0})["number"]:
            kept[line["id"]] = line
    assert kept[tag]["body"] == current


@pytest.mark.parametrize("kind", ["write", "copy"])
def test_an_open_write_in_another_database_holds_the_horizon_and_its_age_shows(
    api: Api, journal: Instance, tag: str, kind: str
) -> None:
    """Would break: versions served below a transaction of the same cluster that is still open; or no sign of it."""
    name = f"other_{tag[:8]}"
    superuser = dsn(journal.data, superuser=True)
    with psycopg.connect(superuser, autocommit=True) as administrator:
        administrator.execute(f"CREATE DATABASE {name}".encode())
        try:
            before = end(api)
            with psycopg.connect(superuser, dbname=name, autocommit=True) as other:
                other.execute("CREATE TABLE t (x text)")
                with other.transaction(), other.cursor() as cursor:
                    if kind == "write":
                        cursor.execute("INSERT INTO t VALUES ('x')")
                        held(api, before, tag)
                    else:
                        with cursor.copy("COPY t FROM STDIN") as copy:
                            copy.write(b"a line\n" * 50_000)
                            held(api, before, tag)
            assert of(Stream(api, before, 5).until(lambda lines: bool(of(lines, tag))), tag)
        finally:
            administrator.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def held(api: Api, before: str, tag: str) -> None:
    """While a transaction is open, ``tag`` is made and not given, and the age of the horizon rises."""
    with stream(api, before) as reader:
        api.make(patient(tag, id=tag))
        lines = reader.until(lambda lines: "heartbeat" in lines[-1] and lines[-1]["ageSeconds"] > 1.0)
        assert not versions(lines)
        assert api.get(f"/Patient/{tag}").status_code == 200, "only the feed waits, not the record"


def test_a_commit_that_waits_for_a_standby_is_not_given(api: Api, journal: Instance, tag: str) -> None:
    """Would break: a version that is not acknowledged, and may be lost by a failover, in somebody's copy."""
    before = end(api)
    with (
        psycopg.connect(dsn(journal.data, superuser=True), autocommit=True) as administrator,
        stream(api, before) as reader,
    ):
        administrator.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        administrator.execute("SELECT pg_reload_conf()")
        try:
            attempt = 0
            with suppress(httpx.ReadTimeout):
                while attempt < 20:  # the setting takes hold some moments after it was made
                    attempt += 1
                    api.post("/Patient", json=patient(f"{tag}-{attempt}"), timeout=1.5)
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            row = administrator.execute(waiting.encode()).fetchone()
            assert row is not None
            assert row[0] > 0, "no COMMIT is waiting: this test tests nothing"
            assert len(versions(reader.lines)) == attempt - 1
        finally:
            administrator.execute("ALTER SYSTEM RESET synchronous_standby_names")
            administrator.execute("SELECT pg_reload_conf()")
        reader.until(lambda lines: f"{tag}-{attempt}" in "".join(line["body"] for line in versions(lines)))


def test_after_a_horizon_mark_nothing_below_it_ever_comes(api: Api, journal: Instance, tag: str) -> None:
    """Would break: copies commit whole horizons, and would hold half of what was true at one. Random writers, each
    version looked at; also: every committed version comes once, in (xid, seq) order, and none that was rolled back."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    before = end(api)
    committed: set[str] = set()

    async def writer(record: Journal, number: int, until: float) -> None:
        chance = random.Random(f"{seed}.{number}")
        while time.monotonic() < until:
            ids = [f"{tag[:20]}-{fresh()[:12]}" for _ in range(chance.choice((1, 1, 1, 3)))]
            with suppress(RolledBack):
                await record.run(steps(ids, chance), access=SYSTEM_FILTER)
                committed.update(ids)

    def steps(ids: list[str], chance: random.Random) -> Callable[[Transaction], Awaitable[None]]:
        async def work(transaction: Transaction) -> None:
            if chance.random() < 0.5:
                await transaction.connection.execute("SELECT pg_current_xact_id()")
                await asyncio.sleep(chance.random() * 0.08)
            for id_ in ids:
                await write(transaction, patient(id_, id=id_))
                await asyncio.sleep(chance.random() * 0.05)
            if chance.random() < 0.2:
                raise RolledBack

        return work

    async def scenario() -> None:
        async with opened(journal.data) as record:
            until = time.monotonic() + 3.0
            await asyncio.gather(*[writer(record, number, until) for number in range(6)])

    with stream(api, before) as reader:
        asyncio.run(scenario())
        lines = reader.until(lambda lines: {line["id"] for line in versions(lines)} >= committed, timeout_s=10)
    horizon = 0
    for line in lines:
        if "horizon" in line:
            assert int(line["horizon"]) >= horizon
            horizon = int(line["horizon"])
        elif "hash" in line:
            assert place(line)[0] >= horizon, f"{line['cursor']} came after the mark {horizon}"
    given = versions(lines)
    assert len(committed) > 50
    assert len([line for line in lines if "horizon" in line]) > 20
    assert sorted(line["id"] for line in given) == sorted(committed)
    assert [place(line) for line in given] == sorted(place(line) for line in given)
    assert versions(read(api, before)) == given, "from the database and from memory the feed must be the same"


class RolledBack(Exception):
    pass


def test_from_every_cursor_exactly_the_rest_follows(api: Api, tag: str) -> None:
    """Would break: resuming would lose or repeat a version at some place."""
    before = end(api)
    for number in range(4):
        api.make(patient(tag, id=f"{tag}-{number}"))
    entries = [
        {"resource": patient(tag), "request": {"method": "POST", "url": "Patient"}} for _ in range(30)
    ]  # many versions of one transaction: the cursor must tell them apart
    assert api.transact(*entries).status_code == 200
    api.delete(f"/Patient/{tag}-0")
    given = versions(read(api, before))
    assert len(given) == 35
    for number, line in enumerate(given):
        assert versions(read(api, line["cursor"], line["hash"])) == given[number + 1 :]


def test_a_waiting_reader_gets_a_version_while_it_waits(api: Api, tag: str) -> None:
    """Would break: long polling; a version would come only when the wait is over, or with the next question."""
    with stream(api, end(api), wait_s=30) as reader:
        made = api.make(patient(tag))
        lines = reader.until(lambda lines: bool(of(lines, made["id"])), timeout_s=5)
        assert not reader.ended
        assert lines[-1]["cursor"] == of(lines, made["id"])[-1]["cursor"]
    assert "horizon" in reader.until(lambda lines: "horizon" in lines[-1])[-1]


def test_deletion_and_redaction_are_told_without_a_body(api: Api, journal: Instance, tag: str) -> None:
    """Would break: copies would keep showing what was deleted, or hold what had to be removed (S26)."""
    from vaka.journal.write import Write

    with stream(api, end(api)) as reader:
        api.make(patient(tag, id=f"{tag}-first"))
        for id_ in (f"{tag}-d", f"{tag}-r"):
            api.make(patient(tag, id=id_, active=True))
        api.delete(f"/Patient/{tag}-d")
        reader.until(lambda lines: len(of(lines, f"{tag}-d")) == 2)

        async def redact() -> None:
            async with opened(journal.data) as record:
                change = Write("Patient", f"{tag}-r", redact=True)
                await record.run(lambda transaction: transaction.write([change]), access=SYSTEM_FILTER)

        asyncio.run(redact())
        reader.until(lambda lines: len(of(lines, f"{tag}-r")) == 2)
        # From the memory of the same process, which held the body.
        again = versions(read(api, of(reader.lines, f"{tag}-first")[0]["cursor"]))
    deleted = of(again, f"{tag}-d")
    assert [line["action"] for line in deleted] == ["create", "delete"]
    assert "body" not in deleted[1]
    redacted = of(again, f"{tag}-r")
    assert [line["action"] for line in redacted] == ["create", "redact"]
    assert all("body" not in line and line["redacted"] for line in redacted)
    assert redacted[0]["hash"] == of(reader.lines, f"{tag}-r")[0]["hash"], "the hash stays, as evidence of what was"


def test_whose_a_version_is_stands_in_its_line_before_the_patient_does(api: Api, journal: Instance, tag: str) -> None:
    """Would break: a copy that follows a load whose Patients come last would know no relation and no block of anybody."""

    async def scenario() -> list[Line]:
        before = await asyncio.to_thread(end, api)
        encounter = {
            "resourceType": "Encounter", "id": tag, "status": "finished", "class": {"code": "AMB"},
            "subject": {"reference": f"Patient/{tag}-later"},
        }  # fmt: skip
        async with opened(journal.data) as record:
            first = await Held(record).begin()
            await first.write(encounter)
            await first.commit()
        return await asyncio.to_thread(read, api, before)

    (line,) = of(asyncio.run(scenario()), tag)
    assert line["patient"] == f"{tag}-later"


def test_each_line_has_owner_hash_and_the_stored_bytes(api: Api, tag: str) -> None:
    """Would break: a copy could not prove that it holds the journal's bytes, nor decide who may see them."""
    from hashlib import sha256

    before = end(api)
    api.make(patient(tag, id=tag))
    line = versions(read(api, before))[0]
    assert line["body"] == api.get(f"/Patient/{tag}").text
    assert sha256(line["body"].encode()).hexdigest() == line["hash"]
    assert (line["type"], line["id"], line["version"], line["action"]) == ("Patient", tag, "1", "create")
    assert line["patient"] == tag
    assert line["owner"]["source"] == "tests"
    assert set(line["owner"]) == {"number", "unit", "provider", "kind", "author", "source"}


def test_an_entry_that_came_before_its_patient_has_its_home(api: Api, journal: Instance, tag: str) -> None:
    """Would break: a load commits an encounter before its Patient, and on every copy it is nobody's for ever."""
    from vaka.fhir.parse import parse_resource
    from vaka.journal.accept import write_of

    before = end(api)
    body = orjson.dumps({
        "resourceType": "Encounter", "id": tag, "status": "planned", "class": {"code": "AMB"},
        "subject": {"reference": f"Patient/{tag}-later"},
    })  # fmt: skip

    async def write() -> None:
        async with opened(journal.data) as record:
            change = write_of(parse_resource(body, "Encounter"), tag)
            await record.run(lambda transaction: transaction.write([change]), access=SYSTEM_FILTER)

    asyncio.run(write())
    assert [line["patient"] for line in of(versions(read(api, before)), tag)] == [f"{tag}-later"]


def test_the_schema_is_there(journal: Instance) -> None:
    """Would break: the tests above would pass on a database that is not the server's."""
    with psycopg.connect(dsn(journal.data)) as connection:
        assert schema_number(connection) >= 1
