"""A copy that was upgraded: what another release has made is not read as if it were of this one."""

from __future__ import annotations

import asyncio
import re
from hashlib import sha256
from pathlib import Path

import pytest
from tests.copy.fake import copy, journal
from tests.copy.test_bad_feed import notes
from tests.copy.test_derived import Copied, html

from vaka.access.ownership import kind_of
from vaka.api.door import opening
from vaka.api.door.told import Told
from vaka.copy import apply, derived, engine, files
from vaka.copy.apply import SCHEMA
from vaka.copy.board import Board, Field
from vaka.copy.files import Folder
from vaka.copy.scope import Scope
from vaka.copy.statements import statements
from vaka.copy.store import CopyStore
from vaka.errors import OnlyJournal

KEY = bytes(32)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def of_another_release(folder: Folder, number: int) -> None:
    connection = engine.writer(folder.record(number), files.key(folder))
    connection.execute(statements("apply")["keep_fact"], ("schema", str(SCHEMA + 1)))
    connection.close()


def test_the_form_of_the_record_has_a_number_of_its_own(tmp_path: Path) -> None:
    """Broken: a release reads a file whose tables another one has made, since nobody has raised ``SCHEMA`` with them."""
    connection = engine.writer(tmp_path / "record.db", KEY)
    apply.make(connection, Scope(("SE2321000016-1ABC",), ("unit",), 3.0))
    derived.prepare(connection, apply.codec(connection))
    made = connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").fetchall()
    text = "\n".join(" ".join(re.sub(r"--[^\n]*", "", str(sql)).split()) for (sql,) in made)
    connection.close()
    assert (SCHEMA, sha256(text.encode()).hexdigest()[:16]) == (1, "f6a411aa22585980"), (
        "raise SCHEMA, and change both here"
    )


@pytest.mark.anyio
async def test_a_record_of_another_release_is_not_read_and_another_is_made(tmp_path: Path) -> None:
    """Broken: after an upgrade within one boot a copy answers from tables that it takes for others, or fails at each read; or it
    never comes back."""
    async with journal() as fake:
        fake.lines = notes(5)
        async with copy(tmp_path, fake.url) as made:
            await made.whole(5)
        of_another_release(made.folder, 1)
        board = Board(made.folder.board)
        assert board[Field.SEED] == 1, "the board is of this boot, and names it"
        told = Told(made.folder.board)
        store = CopyStore(opening._Source(made.folder, made.key, told))
        assert told.readable
        with pytest.raises(OnlyJournal, match="another release"):
            store.readers.here()
        assert not told.readable, "/ready says so, and all is passed on"
        async with copy(tmp_path, fake.url) as made:
            await made.until(lambda: made.folder.current() == 2)
            await made.until(lambda: told.seed == 2)
            assert told.readable and store.readers.here().seed == 2
        store.close()
        board.close()


@pytest.mark.anyio
async def test_a_seed_that_is_being_filled_after_an_upgrade_is_gone_on_with(tmp_path: Path) -> None:
    """Broken: a copy that is stopped while it is seeded anew begins from nothing each time."""
    async with journal() as fake:
        fake.lines = notes(5)
        async with copy(tmp_path, fake.url) as made:
            await made.whole(5)
        of_another_release(made.folder, 1)
        fake.spoil = lambda content: b"".join(content.splitlines(keepends=True)[:2])
        async with copy(tmp_path, fake.url) as made:
            await made.until(lambda: made.folder.record(2).exists() and ("GET", "1.2.2") in fake.asked)
        fake.spoil = None
        async with copy(tmp_path, fake.url) as made:
            await made.until(lambda: made.folder.current() == 2)


@pytest.mark.anyio
async def test_seeds_that_somebody_has_removed_are_made_again(tmp_path: Path) -> None:
    """Broken: who does what the message of a wrong key says (remove DIR/seeds) has a copy that never holds a record again."""
    async with journal() as fake:
        fake.lines = notes(5)
        async with copy(tmp_path, fake.url) as made:
            await made.whole(5)
        for path in (*made.folder.seed(1).iterdir(), made.folder.seed(1), made.folder.seeds):
            path.rmdir() if path.is_dir() else path.unlink()
        async with copy(tmp_path, fake.url) as made:
            await made.until(lambda: made.folder.current() == 2)  # a number is never used twice
            await made.until(lambda: made.board[Field.SEED] == 2)


def test_a_server_waits_for_a_record_that_it_can_read(tmp_path: Path) -> None:
    """Broken: a process that starts on a record that it cannot read never reads from the next one either."""
    folder = Folder(tmp_path)
    folder.establish("http://127.0.0.1:9")
    board, key = Board(folder.board, make=True), files.key(folder)
    for number in (1, 2):
        folder.seed(number).mkdir()
        connection = engine.writer(folder.record(number), key)
        apply.make(connection)
        connection.close()
    of_another_release(folder, 1)
    board[Field.SEED] = 1
    told = Told(folder.board)
    store = CopyStore(opening._Source(folder, key, told))

    async def work() -> None:
        waiting = asyncio.create_task(opening._readable(told, store))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        board[Field.SEED] = 2
        await asyncio.wait_for(waiting, 10)

    asyncio.run(work())
    store.close()
    board.close()


def test_sheets_and_lists_of_another_release_are_made_again(tmp_path: Path) -> None:
    """Broken: sheets show pieces that another release has made in its own way, beside pieces of this one."""
    made = Copied(tmp_path)
    owner = {"number": 1, "unit": "u1", "provider": "v1", "kind": "patient", "author": None, "source": "tests"}
    made.give({"resourceType": "Patient", "id": "p1", "name": [{"family": "Ek"}]}, owner, "p1")
    for id_, text in (("p1", "Penicillin"), ("p2", "Nuts")):
        allergy = {"resourceType": "AllergyIntolerance", "id": f"a-{id_}", "code": {"text": text}}
        made.give(
            {**allergy, "patient": {"reference": f"Patient/{id_}"}},
            {**owner, "number": 2, "kind": kind_of(allergy)},
            id_,
        )
    assert made.make()
    before = html(made.reader(), "p1")
    kept = made.writer.execute("SELECT number, sv FROM fragment_body").fetchall()
    for (number, _), (_, other) in zip(kept, reversed(kept), strict=True):
        made.writer.execute("UPDATE fragment_body SET sv = ? WHERE number = ?", (other, number))
    assert "Penicillin" in before and "Penicillin" not in html(made.reader(), "p1"), "it is read as it is kept"
    made.writer.execute("UPDATE fact SET value = '0.0.9' WHERE name = 'fragments'")
    assert html(made.reader(), "p1") == before, "made in memory, by whoever reads"
    derived.prepare(made.writer, made.codec)
    assert made.make()
    assert html(made.reader(), "p1") == before
    derived.prepare(made.writer, made.codec)
    assert not made.make(), "once"
