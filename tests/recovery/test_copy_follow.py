"""Following a real journal: what is written there is here, whatever was stopped in between."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import orjson
import pytest
from tests.client import Api, Resource
from tests.conftest import Instance
from tests.copy.following import Following, caught_up, following

from vaka.copy import engine, files
from vaka.copy.apply import codec
from vaka.copy.board import Field

FEED = frozenset({"feed", "feed-private"})


def patient(tag: str, family: str = "Lindqvist") -> Resource:
    return {"resourceType": "Patient", "identifier": [{"system": "urn:t", "value": tag}], "name": [{"family": family}]}


def change(api: Api, resource: Resource) -> Resource:
    answer = api.put(f"/{resource['resourceType']}/{resource['id']}", json=resource)
    assert answer.status_code == 200, answer.text
    changed: Resource = answer.json()
    return changed


def cursor_of(api: Api) -> str:
    """The cursor of what was written last."""
    from tests.feeding import end

    return end(api)


def body(copy: Following, type_: str, id_: str) -> bytes | None:
    row = copy.row(type_, id_)
    if row is None or row["body"] is None:
        return None
    connection = copy.reader()
    try:
        return codec(connection).decompress(row["dictionary"], row["body"])
    finally:
        connection.close()


@pytest.fixture
def copy(journal: Instance, tmp_path: Path) -> Iterator[Following]:
    with following(tmp_path / "copy", journal.url, journal.token("copy", FEED)) as made:
        yield made


def test_what_is_written_is_here_and_byte_for_byte(copy: Following, api: Api, tag: str) -> None:
    """Broken: a copy shows other bytes than the journal has."""
    copy.until(caught_up)
    made = api.make(patient(tag))
    copy.until(lambda _: copy.row("Patient", made["id"]) is not None)
    stored = body(copy, "Patient", made["id"])
    assert stored == api.get(f"/Patient/{made['id']}").content
    row = copy.row("Patient", made["id"])
    assert row is not None
    assert row["hash"] == sha256(stored or b"").digest()
    change(api, {**made, "name": [{"family": "Ek"}]})
    copy.until(lambda _: b"Ek" in (body(copy, "Patient", made["id"]) or b""))
    api.delete(f"/Patient/{made['id']}")
    copy.until(lambda _: body(copy, "Patient", made["id"]) is None)
    status = copy.until(lambda s: s["ageSeconds"] is not None)
    assert status["ageSeconds"] < 3


def test_a_session_waits_for_what_it_has_written(copy: Following, api: Api, tag: str) -> None:
    """Broken: who has just written reads what was before."""
    copy.until(caught_up)
    api.make(patient(tag))
    end = cursor_of(api)
    assert copy.ask(wait=end, ms=5_000) == {"reached": True}
    epoch, xid, seq = end.split(".")
    assert copy.ask(wait=f"{epoch}.{xid}.{int(seq) + 1_000_000}", ms=50) == {"reached": False}
    assert "error" in copy.ask(wait="nonsense")
    assert "error" in copy.ask(nonsense=1)


def test_nothing_is_plain_on_the_disk(copy: Following, api: Api, tag: str) -> None:
    """Broken: who takes the disk reads the record."""
    copy.until(caught_up)
    made = api.make(patient(tag, "Hemligsson" + tag))
    copy.until(lambda _: copy.row("Patient", made["id"]) is not None)
    looked = 0
    for path in copy.folder.path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            looked += 1
            assert b"Hemligsson" not in content, path
            assert made["id"].encode() not in content, path
            assert tag.encode() not in content, path
    assert looked > 5


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_nothing_is_lost_or_doubled_by_kills_while_applying(
    journal: Instance, api: Api, tag: str, tmp_path: Path, kills: int
) -> None:
    """Broken: a stop in the middle of a batch leaves half of it, or a cursor without its rows."""
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    ids = []
    with following(tmp_path / "copy", journal.url, journal.token("copy", FEED), start=False) as copy:
        for n in range(kills):
            copy.start()
            made = api.make(patient(f"{tag}-{n}"))
            ids.append(made["id"])
            for m in range(6):
                made = change(api, {**made, "name": [{"family": f"Namn{m}"}]})
            time.sleep(chance.uniform(0.0, 1.2))
            copy.kill()
        copy.start()
        assert copy.until(lambda s: caught_up(s) and s["seed"] is not None)
        assert copy.ask(wait=cursor_of(api), ms=5_000) == {"reached": True}
        connection = copy.reader()
        engine.check(connection, copy.folder.path)
        for id_ in ids:
            answer = api.get(f"/Patient/{id_}")
            row = copy.row("Patient", id_)
            assert row is not None
            assert (row["version"], row["hash"]) == (7, sha256(answer.content).digest())
        twice = connection.execute(
            "SELECT count(*) FROM (SELECT id, type FROM resource GROUP BY 1, 2 HAVING count(*) > 1)"
        ).get
        assert twice == 0
        # What each row is found by is what a fresh copy of the same journal finds it by.
        with following(tmp_path / "fresh", journal.url, journal.token("fresh", FEED)) as fresh:
            fresh.until(caught_up)
            assert fresh.ask(wait=cursor_of(api), ms=5_000) == {"reached": True}
            assert copy.ask(wait=cursor_of(api), ms=5_000) == {"reached": True}
            for table in (
                "token",
                "search_date",
                "search_string",
                "care_relation",
                "block",
                "consent",
                "protected",
                "owner",
            ):
                other = fresh.reader()
                query = (
                    f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4" if table != "token" else "SELECT key, rkey FROM token"
                )
                query = query if table != "protected" else "SELECT patient, rkey FROM protected"
                assert connection.execute(query).fetchall() == other.execute(query).fetchall(), table
                other.close()
        connection.close()


def test_it_stops_cleanly(copy: Following) -> None:
    """Broken: a stop needs a kill, or leaves a log behind that must be recovered."""
    copy.until(caught_up)
    assert copy.stop() == 0
    assert not copy.folder.control.exists()
    assert not list(copy.folder.seeds.rglob("*-wal"))


def test_two_followers_in_one_folder_are_refused(copy: Following) -> None:
    """Broken: two writers take each other's place."""
    copy.until(caught_up)
    second = Following(copy.folder)
    second.start()
    assert second.process is not None
    assert second.process.wait(30) == 78


def test_a_copy_is_frozen_by_a_person_and_says_so(copy: Following, api: Api, tag: str) -> None:
    """Broken: nobody can hold a copy, or a restart lets it go (S31)."""
    copy.until(caught_up)
    assert "error" in copy.ask(freeze=True)
    held = copy.ask(freeze=True, name="Asa Ek", reason="a wrong load")["held"]
    assert (held["by"], held["reason"], held["braked"]) == ("Asa Ek", "a wrong load", False)
    assert "Asa Ek" in copy.ask(freeze=True, name="Bo Ek", reason="me too")["error"], "one holds it, and is named"
    made = api.make(patient(tag))
    copy.kill()
    copy.start()
    copy.until(lambda s: s["held"] == held and s["journal"] == 1)
    asked = copy.until(lambda s: (s["ageSeconds"] or 0) > 2)
    assert copy.row("Patient", made["id"]) is None, "it has asked its journal all the time"
    assert asked["journal"] == 1 and copy.field(Field.FROZEN) == 1
    assert copy.ask(release=True, name="Bo Ek", reason="it was right") == {"held": held}
    copy.until(lambda _: copy.row("Patient", made["id"]) is not None)
    assert "error" in copy.ask(release=True, name="Bo Ek", reason="again"), "nothing holds it"
    told = [orjson.loads(line) for line in (copy.folder.path / "decisions.ndjson").read_bytes().splitlines()]
    assert [(one["what"], one["by"]) for one in told] == [("freeze", "Asa Ek"), ("release", "Bo Ek")]


def test_a_journal_that_is_away_is_told_and_found_again(journal: Instance, api: Api, tmp_path: Path) -> None:
    """Broken: a dead journal stops the copy, or is taken for one that has nothing to say."""
    with following(tmp_path / "copy", journal.url, journal.token("copy", FEED)) as copy:
        copy.until(caught_up)
        copy.stop()
        copy.folder.establish("http://127.0.0.1:9", name="copy")
        copy.start()
        copy.until(lambda s: s["journal"] == 2 and s["seed"] == 1)
        copy.stop()
        copy.folder.establish(journal.url, name="copy")
        copy.start()
        assert copy.until(caught_up)["seed"] == 1


def test_a_token_that_is_refused_is_told(journal: Instance, tmp_path: Path) -> None:
    """Broken: a copy without the right hammers the journal, and nobody learns why it stands still."""
    token = journal.token("wrong", frozenset({"system/*.*"}))
    with following(tmp_path / "copy", journal.url, token) as copy:
        copy.until(lambda s: s["journal"] == 2)
        assert "refuses this copy" in copy.log()


def test_the_key_file_is_its_own(copy: Following) -> None:
    """Broken: a key is lying about for others to read."""
    copy.until(caught_up)
    assert (copy.folder.keys / "copy.key").stat().st_mode & 0o777 == 0o600
    assert len(files.key(copy.folder)) == 32
