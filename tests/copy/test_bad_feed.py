"""A feed that is cut, repeated, reordered, forged, too large, of another journal, or too much at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any

import apsw
import orjson
import pytest
from tests.copy.fake import copy, journal
from tests.copy.feedlines import NOW_US, mark, version

from vaka import config
from vaka.api.door.told import Told
from vaka.copy import beside
from vaka.copy.apply import Applied, Applier
from vaka.copy.board import Distrust, Field, Journal, boottime_ns
from vaka.copy.brake import Limits
from vaka.copy.hold import Hold
from vaka.copy.lease import Lease
from vaka.copy.lines import Line, instant_us
from vaka.errors import Invalid
from vaka.store.version import instant

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def note(id_: str, text: str = "hosta") -> dict[str, Any]:
    return {"resourceType": "Observation", "id": id_, "status": "final", "code": {"text": text}}


def notes(count: int, first: int = 1) -> list[bytes]:
    return [version(note(f"n{n}"), xid=n, seq=n) for n in range(first, first + count)]


async def test_a_feed_that_is_cut_anywhere_is_gone_on_with(tmp_path: Path) -> None:
    """Broken: half a line is taken for one, or what follows is skipped."""
    async with journal() as fake:
        fake.lines = notes(30)
        lengths = iter(range(40, 100_000, 331))
        fake.spoil = lambda content: content[: next(lengths)]
        async with copy(tmp_path, fake.url) as made:
            await made.whole(30)
            found = await made.follower.in_thread(
                lambda: made.follower.applier.connection.execute("SELECT count(*) FROM resource").get
            )
            assert found == 30


@pytest.mark.parametrize(("on_its_way_s", "open_s"), [(0, 0), (30, 0), (0, 40)])
async def test_what_was_long_on_its_way_is_old(tmp_path: Path, on_its_way_s: int, open_s: int) -> None:
    """Broken: a copy that lags calls what it has applied at last fresh, and nobody asks the journal for the drugs (S1, S2)."""
    async with journal() as fake:
        fake.lines = notes(3)
        told = orjson.loads(mark(4, "1.3.3"))
        fake.began = instant(instant_us(told["at"]) + on_its_way_s * 1_000_000)
        fake.spoil = lambda content: content.replace(b'"ageSeconds":0.0', b'"ageSeconds":%d' % open_s)
        async with copy(tmp_path, fake.url) as made:
            await made.whole(3)
            await made.until(lambda: made.board.age_s() is not None)
            age_s = made.board.age_s()
            assert age_s is not None
            old_s = on_its_way_s + open_s
            assert old_s <= age_s < old_s + 15
            assert Told(made.folder.board).heard


async def test_a_copy_whose_lease_has_ended_is_dark_until_it_hears_its_journal(tmp_path: Path) -> None:
    """Broken: a stolen copy is read from for ever; or one that was long alone stays dark though its journal is back."""
    lease = Lease(tmp_path / "lease", bytes(32))
    async with journal() as fake:
        fake.lines = notes(3)
        async with copy(tmp_path / "copy", fake.url, lease=lease) as made:
            await made.whole(3)
            told = Told(made.folder.board)
            assert not told.readable
            keeping = asyncio.create_task(beside.keep_lease(made.follower, lease))
            made.board[Field.PRIVATE_NS] = boottime_ns()
            made.board[Field.HORIZON_US] = time.time_ns() // 1_000
            await made.until(lambda: told.readable)
            assert lease.holds
            keeping.cancel()


async def test_repeated_and_reordered_lines_change_nothing(tmp_path: Path) -> None:
    """Broken: an older version is shown because it came again."""
    async with journal() as fake:
        fake.lines = [version(note("a", f"text{n}"), n, xid=n, seq=n) for n in range(1, 6)]

        def spoil(content: bytes) -> bytes:
            *lines, last = content.splitlines(keepends=True)
            return b"".join([*lines[2:], *lines[:2], *lines[-1:]] * 2 + [last])

        fake.spoil = spoil
        async with copy(tmp_path, fake.url) as made:
            await made.whole(5)
            row = await made.row("Observation", "a")
            assert row is not None
            assert row["version"] == 5


async def test_a_missing_line_is_noticed_by_the_mark(tmp_path: Path) -> None:
    """Broken: the last versions are taken out on the way, and the copy says that it has all."""
    async with journal() as fake:
        fake.lines = notes(5)
        fake.spoil = lambda content: b"".join(line for line in content.splitlines(True) if b'"n5"' not in line)
        async with copy(tmp_path, fake.url) as made:
            await made.until(lambda: made.board[Field.JOURNAL] == Journal.AWAY)
            assert not made.board[Field.WHOLE]
            fake.spoil = None
            await made.whole(5)


async def test_a_forged_body_is_asked_for_again_and_then_set_aside(tmp_path: Path) -> None:
    """Broken: what was changed on the way is shown, or it stops the feed for ever."""
    async with journal() as fake:
        fake.lines = notes(3)
        fake.spoil = lambda content: content.replace(b'"id\\":\\"n2', b'"id\\":\\"x2')
        async with copy(tmp_path, fake.url) as made:
            await made.whole(3)
            assert await made.row("Observation", "n2") is None
            assert list(await made.asides()) == ["n2"]
            assert made.board[Field.ASIDE] == 1
            asked = [after for method, after in fake.asked if method == "GET"]
            assert len(asked) >= config.COPY_BROKEN_TRIES


@pytest.mark.parametrize("size", [pytest.param(30, marks=pytest.mark.slow), 50, 80])
async def test_a_row_of_many_megabytes(tmp_path: Path, size: int) -> None:
    """Broken: one huge line ends the follower, or the feed goes no further."""
    big = note("big", "x" * (size * 1024 * 1024))
    async with journal() as fake:
        fake.lines = [version(note("a"), xid=1, seq=1), version(big, xid=2, seq=2), version(note("b"), xid=3, seq=3)]
        async with copy(tmp_path, fake.url) as made:
            await made.whole(3)
            assert await made.row("Observation", "b") is not None
            there, asides = await made.row("Observation", "big"), await made.asides()
            if size > 64:
                assert there is None
                assert asides == {"big": "the line cannot be read"}
            else:
                assert there is not None


@pytest.mark.parametrize(
    "answer", [b"<html>not a journal</html>\n", b"{}\n", b'{"hash":1}\n', b"\x00" * 5_000 + b"\n", b""]
)
async def test_what_is_no_feed_is_not_followed(tmp_path: Path, answer: bytes) -> None:
    """Broken: another program at the journal's address ends the follower or fills its record."""
    async with journal() as fake:
        fake.spoil = lambda _: answer
        async with copy(tmp_path, fake.url) as made:
            await made.until(lambda: made.board[Field.JOURNAL] == Journal.AWAY)
            fake.spoil = None
            fake.add(*notes(1))
            await made.whole(1)


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        (b'"ageSeconds":0.0', b'"ageSeconds":-1e6'), (b'"ageSeconds":0.0', b'"ageSeconds":"inf"'),
        (b'"ageSeconds":0.0', b'"ageSeconds":"nan"'), (b'"ageSeconds":0.0', b'"ageSeconds":1e308'),
        (b'"at":"2', b'"at":"0'), (b'"at":"2', b'"at":"9'),
    ],
)  # fmt: skip
async def test_a_mark_of_no_time_that_can_be_makes_nothing_fresh(tmp_path: Path, said: bytes, instead: bytes) -> None:
    """Broken: a forged mark makes old data fresh for weeks, through restarts, or ends the follower each time that it comes (S2)."""
    async with journal() as fake:
        fake.lines, fake.began = notes(3), instant(NOW_US)
        fake.spoil = lambda content: content.replace(said, instead)
        async with copy(tmp_path, fake.url) as made:
            await made.until(lambda: made.board[Field.JOURNAL] == Journal.AWAY)
            assert made.board[Field.HEARD_NS] == 0
            fake.spoil = None
            await made.whole(3)
            await made.until(lambda: made.board.age_s() is not None)
            assert made.board[Field.HEARD_NS] <= boottime_ns()


async def test_another_journal_is_not_believed(tmp_path: Path) -> None:
    """Broken: a copy that is pointed at the wrong region mixes two records."""
    async with journal() as fake:
        fake.lines = notes(5)
        async with copy(tmp_path, fake.url) as made:
            await made.whole(5)
        fake.lines = [version(note(f"other{n}"), xid=n, seq=n) for n in range(1, 9)]
        async with copy(tmp_path, fake.url) as made:
            await made.until(lambda: made.board[Field.DISTRUSTING] == Distrust.HISTORY)
            await asyncio.sleep(0.3)
            assert await made.row("Observation", "n5") is not None
            assert await made.row("Observation", "other8") is None
            assert made.follower.lost.count() == 0
            made.follower.hold.decided("anew", {"name": "Asa Ek", "reason": "it is ours now"})
            made.follower.anew = True
            made.follower.wake()
            await made.whole(8)
            assert await made.row("Observation", "n5") is None
            assert made.folder.current() == 2


async def test_what_a_restored_journal_lost_is_kept_and_given_back(tmp_path: Path) -> None:
    """Broken: a copy that is the last to hold an entry forgets it, or shows another in its place."""
    async with journal() as fake:
        fake.lines = notes(5)
        lost = [version(note("n2", "forlorad"), 2, xid=6, seq=6), version(note("n7", "ocksa"), xid=7, seq=7)]
        fake.lines += lost
        async with copy(tmp_path, fake.url) as made:
            await made.whole(7)
            fake.lines = fake.lines[:5]
            fake.epoch = 2
            fake.lines.append(version(note("n8"), xid=6, seq=6, epoch=2))
        async with copy(tmp_path, fake.url) as made:
            await made.until(lambda: made.board[Field.LOST] == 2)
            await made.until(lambda: made.board[Field.DISTRUSTING] == Distrust.NONE)
            await made.whole(6)
            waiting = made.follower.lost.waiting()
            assert {one.line["id"]: one.line["number"] for one in waiting} == {"n2": 2, "n7": 1}
            assert "forlorad" in waiting[0].line["body"]
            assert orjson.loads(lost[0])["body"] == waiting[0].line["body"]
            row = await made.row("Observation", "n2")
            assert row is not None
            assert row["version"] == 2  # what is held is served until the journal has it again
            assert await made.row("Observation", "n8") is not None
            made.follower.lost.given(waiting)
            assert made.follower.lost.count() == 0


async def test_an_epoch_that_rose_with_nothing_lost_goes_on(tmp_path: Path) -> None:
    """Broken: after a failover a copy stands still, or takes what it has for lost."""
    async with journal() as fake:
        fake.lines = notes(5)
        async with copy(tmp_path, fake.url) as made:
            await made.whole(5)
            fake.epoch = 2
            fake.lines.append(version(note("n6"), xid=6, seq=6, epoch=2))
        async with copy(tmp_path, fake.url) as made:
            await made.whole(6)
            assert made.follower.lost.count() == 0
            assert made.board[Field.DISTRUSTING] == Distrust.NONE


async def test_a_version_that_vanished_in_the_middle_is_found(tmp_path: Path) -> None:
    """Broken: after a failover one that was committed after its neighbours is missing, and nobody notices (feed.md, 5)."""
    async with journal() as fake:
        fake.lines = notes(6)
        async with copy(tmp_path, fake.url) as made:
            await made.whole(6)
            del fake.lines[3]
            fake.epoch = 2
        async with copy(tmp_path, fake.url) as made:
            await made.until(lambda: made.board[Field.LOST] == 1)
            assert made.follower.lost.waiting()[0].line["id"] == "n4"


async def test_the_brake_holds_a_mass_deletion_until_a_person_lets_it_go(tmp_path: Path) -> None:
    """Broken: a bad mass change is on all copies before anybody can say stop (S30)."""
    async with journal() as fake:
        fake.lines = notes(50)
        limits = Limits(deletes=10, updates=10, exempt=frozenset({"announced"}))
        async with copy(tmp_path, fake.url, limits=limits) as made:
            await made.whole(50)
            known = {"number": 9, "unit": None, "provider": None, "kind": "note", "author": None, "source": "announced"}
            fake.add(*(version(note(f"n{n}"), 2, xid=50 + n, seq=50 + n, owner=known) for n in range(1, 21)))
            await made.whole(70)
            fake.add(*(version(note(f"n{n}"), 3, xid=100 + n, seq=100 + n, action="delete") for n in range(1, 21)))
            await made.until(lambda: made.board[Field.BRAKED])
            row = await made.row("Observation", "n1")
            assert row is not None
            assert not row["deleted"]
        async with copy(tmp_path, fake.url, limits=limits) as made:
            await made.until(lambda: made.board[Field.BRAKED] and made.board[Field.JOURNAL] == Journal.HEARD)
            with pytest.raises(Invalid):
                made.follower.hold.freeze({"name": "", "reason": "nobody"})
            made.follower.hold.freeze({"name": "Eva Ek", "reason": "we look at it"})
            made.follower.holds_changed()
            held = made.follower.hold.held
            assert held is not None and held.by == "Eva Ek"
            assert held.reason.startswith("we look at it (braked: 20 deletions"), "who releases it knows of both"
            assert (made.board[Field.FROZEN], made.board[Field.BRAKED]) == (1, 1)
        Hold(tmp_path).release({"name": "Asa Ek", "reason": "it was ordered"})  # while no follower runs
        async with copy(tmp_path, fake.url, limits=limits) as made:
            await made.whole(120)
            row = await made.row("Observation", "n1")
            assert row is not None
            assert row["deleted"]
            assert not made.board[Field.BRAKED]


async def test_a_copy_that_is_held_back_takes_nothing_younger(tmp_path: Path) -> None:
    """Broken: the copy that was to be an hour behind is not (S30)."""
    import time

    age_s = time.time() - NOW_US / 1e6
    async with journal() as fake:
        fake.lines = notes(5)
        async with copy(tmp_path, fake.url, hold_back_s=age_s + 3_600) as made:
            await asyncio.sleep(1)
            assert await made.row("Observation", "n1") is None
        async with copy(tmp_path, fake.url, hold_back_s=max(age_s - 3_600, 0.0)) as made:
            await made.whole(5)


async def test_a_full_disk_is_told_and_gone_on_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: a full disk ends the follower, or leaves half a batch."""
    monkeypatch.setattr(config, "COPY_DISK_RETRY_S", 0.05)
    async with journal() as fake:
        fake.lines = notes(5)
        async with copy(tmp_path, fake.url) as made:
            await made.whole(5)
            connection = made.follower.applier.connection
            pages: Any = await made.follower.in_thread(lambda: connection.pragma("page_count"))
            await made.follower.in_thread(lambda: connection.pragma("max_page_count", pages))
            fake.add(*(version(note(f"long{n}", token_hex(20_000)), xid=10 + n, seq=10 + n) for n in range(5)))
            await made.until(lambda: made.board[Field.DISK_FULL])
            assert made.board[Field.SEQ] == 5
            row = await made.row("Observation", "n5")
            assert row is not None
            await made.follower.in_thread(lambda: connection.pragma("max_page_count", 1_000_000))
            await made.whole(14)
            assert not made.board[Field.DISK_FULL]


async def test_a_damaged_file_is_set_aside_and_seeded_again(tmp_path: Path) -> None:
    """Broken: a damaged page stops the copy for good, or is served as if it were whole."""
    async with journal() as fake:
        fake.lines = notes(200)
        async with copy(tmp_path, fake.url) as made:
            await made.whole(200)
        path = made.folder.record(1)
        content = bytearray(path.read_bytes())
        for place in range(4_096 + 100, len(content), 4_096):
            content[place] ^= 0xFF
        path.write_bytes(content)
        async with copy(tmp_path, fake.url) as made:
            await made.until(lambda: made.folder.current() == 2)
            await made.whole(200)
            assert [entry.name for entry in sorted(made.folder.seeds.iterdir())] == ["0001-damaged", "0002"]
            assert not made.board[Field.DAMAGED]


async def test_a_first_page_that_is_damaged_is_no_wrong_key(tmp_path: Path) -> None:
    """Broken: an operator is told of a wrong key, and the copy stands still."""
    async with journal() as fake:
        fake.lines = notes(3)
        async with copy(tmp_path, fake.url) as made:
            await made.whole(3)
        path = made.folder.record(1)
        path.write_bytes(b"\x5a" * 4_096 + path.read_bytes()[4_096:])
        async with copy(tmp_path, fake.url) as made:
            await made.until(lambda: made.folder.current() == 2)


async def test_a_reader_keeps_its_file_while_another_is_seeded(tmp_path: Path) -> None:
    """Broken: reading stops while a copy is seeded."""
    from vaka.copy import engine

    async with journal() as fake:
        fake.lines = notes(3)
        async with copy(tmp_path, fake.url) as made:
            await made.whole(3)
            reader = engine.reader(made.folder.record(1), made.key)
            assert reader.execute("SELECT count(*) FROM resource").get == 3
            made.follower.anew = True
            made.follower.wake()
            fake.add(*notes(1, 4))
            await made.until(lambda: made.folder.current() == 2)
            assert isinstance(reader, apsw.Connection)
            assert reader.execute("SELECT count(*) FROM resource WHERE body IS NOT NULL").get >= 3
            reader.close()


async def test_horizons_that_came_together_are_committed_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken: a copy that is behind commits each horizon by itself, and stays behind; or the last of them is never applied."""
    sizes: list[int] = []
    apply = Applier.apply

    def counted(self: Applier, lines: Sequence[Line]) -> Applied:
        sizes.append(len(lines))
        return apply(self, lines)

    monkeypatch.setattr(Applier, "apply", counted)
    async with journal() as fake:
        fake.lines = notes(40)
        answers = iter([b"".join(line + mark(n + 1, f"1.{n}.{n}") for n, line in enumerate(fake.lines, 1))])
        fake.spoil = lambda _: next(answers, b"")
        async with copy(tmp_path, fake.url) as made:
            await made.whole(40)
    assert sum(sizes) >= 80
    assert len(sizes) < 20
