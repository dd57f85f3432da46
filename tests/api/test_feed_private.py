"""The private feed: what copies need beside the record, in the feed's order; and what never leaves the journal."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
from tests.client import Api, patient
from tests.conftest import Instance
from tests.feeding import Held, Stream, dsn, opened

Line = dict[str, Any]
TOPICS = {"opening", "alias", "apart", "revocation", "passkey", "client", "owner", "dictionary", "copy_key"}


@pytest.fixture(scope="module")
def copy(client: Callable[..., Api]) -> Api:
    return client("copy", frozenset({"feed-private"}))


def read(api: Api, after: str | None = None) -> list[Line]:
    """All lines up to the end, in as many answers as it takes."""
    lines: list[Line] = []
    while True:
        answer = api.get(api.root + "/feed/private", params={"after": after} if after else {})
        assert answer.status_code == 200, answer.text
        lines += [orjson.loads(line) for line in answer.content.splitlines()]
        if "topic" not in lines[-1]:
            return lines
        after = lines[-1]["cursor"]


def end(api: Api) -> str:
    return str(read(api)[-1]["cursor"])


def of(lines: list[Line], topic: str) -> dict[str, Any]:
    """The newest row of each key of a topic."""
    return {line["key"]: line["row"] for line in lines if line.get("topic") == topic}


def do(journal: Instance, *statements: str) -> None:
    with closing(psycopg.connect(dsn(journal.data), autocommit=True)) as connection:
        for one in statements:
            connection.execute(one.encode())


def revoke(person: str) -> str:
    return (
        "INSERT INTO revocation (session, person, at_us, until_us, reason)"
        f" VALUES ('s-{person}', '{person}', 5, 4000000000000000, 'secret words')"
    )


def test_it_needs_its_own_scope(api: Api, client: Callable[..., Api], copy: Api) -> None:
    """Broken: whoever reads the record's feed, or all of the record, gets what sessions and programs are verified with."""
    assert api.get(api.root + "/feed/private").status_code == 403
    assert client("f", frozenset({"feed"})).get(api.root + "/feed/private").status_code == 403
    assert copy.get(copy.root + "/feed").status_code == 403
    assert copy.get("/Patient").json().get("entry") is None
    assert copy.post(copy.root + "/feed/private").status_code == 405
    assert copy.get(copy.root + "/feed/private?hash=00").status_code == 400
    forwarded = copy.get(copy.root + "/feed/private", headers={"X-Forwarded-For": "10.0.0.1"})
    assert forwarded.status_code == 403, "it leaves this machine to peers with a certificate only"
    assert copy.head(copy.root + "/feed/private").headers["vaka-epoch"] == "1"


def test_a_reader_from_nothing_gets_the_state_and_then_what_changes(
    journal: Instance, api: Api, copy: Api, tag: str
) -> None:
    """Broken: a row that was there, was changed or was taken away is not told, or an old state comes after a new one."""
    api.make(patient(tag))
    do(
        journal,
        revoke(tag),
        f"INSERT INTO passkey (credential, person, site, public_key, signs, demo) VALUES ('{tag}', '{tag}', 'x', 'k', 0, false)",
        f"INSERT INTO client (name, keys, scopes) VALUES ('{tag}', '{{\"keys\": []}}', 'system/Patient.r')",
        f"INSERT INTO opening VALUES (gen_random_uuid(), 9223372036854775807, '{tag}', 'u', 'v', 3, NULL, 'secret words', 's', 1, 2, NULL)",
    )
    lines = read(copy)
    assert {line["topic"] for line in lines if "cursor" in line and "topic" in line} <= TOPICS
    assert {"owner", "dictionary"} <= {line["topic"] for line in lines if "topic" in line}
    passkey = of(lines, "passkey")["\\x" + tag.encode().hex()]
    assert (passkey["person"], passkey["signs"]) == (tag, 0)
    opening = next(row for row in of(lines, "opening").values() if row["person"] == tag)
    assert opening["patient"] == 2**63 - 1
    assert of(lines, "revocation")[f"{tag}|s-{tag}|5"]["until_us"] == 4_000_000_000_000_000
    after = lines[-1]["cursor"]
    do(
        journal,
        f"UPDATE passkey SET used = now() WHERE person = '{tag}'",  # does not travel: no line
        f"UPDATE client SET removed = now() WHERE name = '{tag}'",
        f"UPDATE client SET removed = removed WHERE name = '{tag}'",
        f"DELETE FROM passkey WHERE person = '{tag}'",
        f"UPDATE opening SET closed_us = 77 WHERE person = '{tag}'",
        f"DELETE FROM revocation WHERE person = '{tag}'",
    )
    changed = read(copy, after)
    told = [line["topic"] for line in changed if "cursor" in line and "topic" in line]
    assert told == ["client", "passkey", "opening"]
    assert next(iter(of(changed, "passkey").values())) is None
    assert next(iter(of(changed, "opening").values()))["closed_us"] == 77
    whole = read(copy)
    assert f"{tag}|s-{tag}|5" not in of(whole, "revocation"), "what is past its time is forgotten by its reader"
    keys = [(line["topic"], line["key"]) for line in whole if "cursor" in line and "topic" in line]
    assert len(keys) == len(set(keys)), "one line of each key"
    assert b"secret words" not in copy.get(copy.root + "/feed/private").content


def test_a_change_that_commits_late_is_not_skipped(journal: Instance, copy: Api, tag: str) -> None:
    """Broken: a revocation whose transaction began early and ended late never reaches a copy."""

    async def scenario() -> list[Line]:
        before = await asyncio.to_thread(end, copy)
        async with opened(journal.data) as record:
            late = await Held(record).begin()
            await asyncio.to_thread(do, journal, revoke(tag))
            assert not of(await asyncio.to_thread(read, copy, before), "revocation"), (
                "told while one before it was open"
            )
            await late.commit()
        return await asyncio.to_thread(read, copy, before)

    assert f"{tag}|s-{tag}|5" in of(asyncio.run(scenario()), "revocation")


def test_a_waiting_reader_is_told_within_a_second(journal: Instance, copy: Api, tag: str) -> None:
    """Broken: a session that was ended goes on for long on every copy."""
    reader = Stream(copy, end(copy), 20.0, path="/feed/private")
    reader.until(lambda lines: any("horizon" in line for line in lines))
    do(journal, revoke(tag))
    reader.until(lambda lines: any(line.get("topic") == "revocation" for line in lines), 1.0)
    reader.close()


def test_keys_come_first_and_secrets_never(journal: Instance, copy: Api) -> None:
    """Broken: a copy cannot verify what the journal signs, or gets what would let it sign as the journal."""
    answer = copy.get(copy.root + "/feed/private")
    first = orjson.loads(answer.content.splitlines()[0])
    assert (first["topic"], set(first["row"])) == ("keys", {"session", "token", "form", "page"})
    assert all(len(bytes.fromhex(key)) == 32 for key in first["row"]["session"].values())
    secrets = {path.name: path.read_bytes() for path in Path(journal.data / "secret").glob("*.key")}
    assert {"session.key", "token.key", "login.key"} <= set(secrets)
    for name in ("session.key", "token.key", "login.key"):
        content = secrets[name]
        for form in (content.hex(), base64.b64encode(content).decode(), base64.urlsafe_b64encode(content).decode()):
            assert form.encode() not in answer.content, name
    do(journal, "INSERT INTO passphrase VALUES ('nobody', 'argon2-hash', 'sealed-secret') ON CONFLICT DO NOTHING")
    assert b"argon2-hash" not in copy.get(copy.root + "/feed/private").content
    do(journal, "DELETE FROM passphrase WHERE person = 'nobody'")


def test_a_cursor_of_another_history_is_refused(copy: Api) -> None:
    """Broken: after a restore a copy goes on with openings and passkeys that the journal does not know any more."""
    _, xid, seq = end(copy).split(".")
    for cursor in (f"2.{xid}.{seq}", f"1.{2**40}.1"):
        assert copy.get(copy.root + "/feed/private", params={"after": cursor}).status_code == 409
