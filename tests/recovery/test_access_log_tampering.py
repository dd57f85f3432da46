"""Tampering with the access log, in files and in tables: ``vaka log verify`` finds each, and says where (L3)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import psycopg
import pytest
import zstandard
from bench.running import Vaka, running
from tests.accesses import connect_to, dsn, folder
from tests.recovery.running import vaka as command

from vaka.accesslog import files
from vaka.accesslog.blocks import Block
from vaka.accesslog.record import Actor, Record
from vaka.accesslog.store import TableStore
from vaka.accesslog.tables import statements
from vaka.accesslog.verify import End, Verified, verify
from vaka.accesslog.writer import AccessLog

BLOCKS = 12


@pytest.fixture(scope="module")
def vaka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vaka]:
    with running(tmp_path_factory.mktemp("tampering") / "data") as one:
        yield one


def write(vaka: Vaka, place: Path, *, ship: bool) -> str:
    """A log of ``BLOCKS`` blocks in ``place``, its head told; returns its stream."""

    async def go() -> str:
        log = await AccessLog.open(
            place, TableStore(connect_to(vaka.data)), "test", segment_bytes=65_536, ballast_bytes=1_024
        )
        for task in log._beats:
            task.cancel()
        for number in range(BLOCKS):
            actor = Actor("", f"SE-{number % 3}", "Namn")
            record = Record(time.time_ns() // 1_000, actor, "read", patients=(number % 4 + 1,), seqs=(number,))
            await log.write(record)
        if ship:
            await log.shipper.ship(everything=True)
        await log.close()
        return log.stream

    return asyncio.run(go())


def look(vaka: Vaka, place: Path | None, known: dict[str, End] | None = None) -> Verified:
    async def go() -> Verified:
        async with connect_to(vaka.data)() as connection:
            return await verify(connection, place, known)

    return asyncio.run(go())


def change_byte(blocks: list[Block], content: bytearray, ends: list[int]) -> None:
    content[ends[5] - 40] ^= 1


def change_last_byte(blocks: list[Block], content: bytearray, ends: list[int]) -> None:
    content[ends[-1] - 1] ^= 1


def drop_block(blocks: list[Block], content: bytearray, ends: list[int]) -> None:
    content[ends[4] :] = content[ends[5] :]


def cut_tail(blocks: list[Block], content: bytearray, ends: list[int]) -> None:
    del content[ends[7] :]


def wipe_tail(blocks: list[Block], content: bytearray, ends: list[int]) -> None:
    content[ends[7] :] = bytes(len(content) - ends[7])


def swap_two(blocks: list[Block], content: bytearray, ends: list[int]) -> None:
    content[ends[3] : ends[5]] = blocks[5].framed + blocks[4].framed


def write_anew(blocks: list[Block], content: bytearray, ends: list[int]) -> None:
    """As somebody would who knows the format: one record less, all hashes after it made again."""
    from vaka.accesslog.blocks import make

    before = blocks[4].hash
    del content[ends[4] :]
    for number, block in enumerate(blocks[6:], 6):
        made = make(number, block.chapter, block.time_us, block.payload, before)
        content += made.framed
        before = made.hash


@pytest.mark.parametrize(
    "tamper", [change_byte, change_last_byte, drop_block, cut_tail, wipe_tail, swap_two, write_anew],
    ids=lambda tamper: tamper.__name__,
)  # fmt: skip
def test_a_file_that_was_tampered_with_is_found(
    vaka: Vaka, tmp_path: Path, tamper: Callable[[list[Block], bytearray, list[int]], None]
) -> None:
    """Would break: somebody takes an access out of the file, and the log passes as whole."""
    stream = write(vaka, tmp_path / "log", ship=False)
    assert not [one for one in look(vaka, tmp_path / "log").findings if one.stream == stream]
    path = files.segments(tmp_path / "log")[0][1]
    read = list(files.read_from(path, 0, b""))
    content = bytearray(path.read_bytes())
    tamper([block for block, _ in read], content, [end for _, end in read])
    path.write_bytes(content)
    found = [one for one in look(vaka, tmp_path / "log").findings if one.stream == stream]
    assert found, "tampering was not found"
    assert all(one.where and one.what for one in found)
    assert min(one.block for one in found) in range(5, BLOCKS + 1)


def test_a_file_that_is_gone_is_found(vaka: Vaka, tmp_path: Path) -> None:
    """Would break: the whole file is taken away, and nothing remembers it."""
    stream = write(vaka, tmp_path / "log", ship=False)
    files.segments(tmp_path / "log")[0][1].unlink()
    assert [one for one in look(vaka, tmp_path / "log").findings if one.stream == stream]
    assert [one for one in look(vaka, None).findings if one.stream == stream], "from another machine, too"


def repack(content: bytes, change: Callable[[bytearray], None]) -> bytes:
    plain = bytearray(zstandard.ZstdDecompressor().decompress(content, max_output_size=1 << 26))
    change(plain)
    return zstandard.ZstdCompressor().compress(bytes(plain))


def flip(plain: bytearray) -> None:
    plain[len(plain) // 2] ^= 1


TABLES = {
    "a byte of a run": "UPDATE log.run SET content = %(flipped)s WHERE stream = %(stream)s",
    "a run taken away": "DELETE FROM log.run WHERE stream = %(stream)s",
    "another patient in the index": "UPDATE log.run SET patients = patients[2:] WHERE stream = %(stream)s",
    "another person in the index": "UPDATE log.run SET persons = persons[2:] WHERE stream = %(stream)s",
    "another name": "UPDATE log.described SET content = replace(content, 'SE-1', 'SE-2') WHERE stream = %(stream)s",
    "a person described no more": "DELETE FROM log.described WHERE stream = %(stream)s AND number = 0",
    "another number of records": "UPDATE log.run SET records = records - 1 WHERE stream = %(stream)s",
    "another hash": "UPDATE log.run SET hash = sha256(hash) WHERE stream = %(stream)s",
    "another head": "UPDATE log.head SET hash = sha256(hash) WHERE stream = %(stream)s",
    "a later head": "UPDATE log.head SET block = block + 1 WHERE stream = %(stream)s",
}


@pytest.mark.parametrize("statement", TABLES.values(), ids=TABLES.keys())
def test_tables_that_were_tampered_with_are_found(vaka: Vaka, tmp_path: Path, statement: str) -> None:
    """Would break: who reaches the database changes who read what, or what an extract finds."""
    stream = write(vaka, tmp_path / "log", ship=True)
    assert not [one for one in look(vaka, None).findings if one.stream == stream]
    with psycopg.connect(dsn(vaka.data), autocommit=True) as connection:
        row = connection.execute("SELECT content FROM log.run WHERE stream = %s", (stream,)).fetchone()
        assert row is not None
        for table in ("run", "described"):
            connection.execute(f"ALTER TABLE log.{table} DISABLE TRIGGER USER")
        try:
            values = {"stream": stream, "flipped": repack(bytes(row[0]), flip)}
            done = connection.execute(statement.encode(), values)
            assert done.rowcount >= 1
        finally:
            for table in ("run", "described"):
                connection.execute(f"ALTER TABLE log.{table} ENABLE TRIGGER USER")
    assert [one for one in look(vaka, None).findings if one.stream == stream], "tampering was not found"


def test_a_second_content_of_a_block_is_found(vaka: Vaka, tmp_path: Path) -> None:
    """Would break: a later file says otherwise what stands in an earlier one, and it is passed over."""
    from vaka.accesslog.blocks import make

    place = tmp_path / "log"
    stream = write(vaka, place, ship=False)
    path = files.segments(place)[0][1]
    blocks = [block for block, _ in files.read_from(path, 0, b"")]
    old = blocks[5]
    other = make(old.number, old.chapter, old.time_us, blocks[6].payload, old.before)
    head = files._HEAD.pack(files._MARK, bytes.fromhex(stream), other.number, other.before)
    (place / "00000007.log").write_bytes(head + other.framed)
    found = [one for one in look(vaka, place).findings if one.stream == stream]
    assert [(one.block, one.where) for one in found] == [(old.number, "00000007.log")]
    (place / "00000007.log").write_bytes(head + old.framed)  # the same once more is no harm
    assert not [one for one in look(vaka, place).findings if one.stream == stream]


def test_a_block_that_says_nothing_is_a_finding_not_a_fault(vaka: Vaka, tmp_path: Path) -> None:
    """Would break: whoever adds a block of rubbish with a right hash stops the check for everybody."""
    from vaka.accesslog.blocks import make

    place = tmp_path / "log"
    stream = write(vaka, place, ship=False)
    path = files.segments(place)[0][1]
    last, end = list(files.read_from(path, 0, b""))[-1]
    rubbish = make(last.number + 1, last.chapter, last.time_us, b"\xff" * 40, last.hash)
    content = path.read_bytes()
    path.write_bytes(content[:end] + rubbish.framed + content[end + len(rubbish.framed) :])
    found = [one for one in look(vaka, place).findings if one.stream == stream]
    assert [one.block for one in found] == [rubbish.number]
    assert "cannot be read" in found[0].what


FORGED = {
    "the tail cut off, and the head put back": (
        "DELETE FROM log.run WHERE stream = %(stream)s",
        "DELETE FROM log.head WHERE stream = %(stream)s",
        "DELETE FROM log.described WHERE stream = %(stream)s",
    ),
    "said to be forgotten": (
        "INSERT INTO log.forgotten (stream, block, hash, before, who) SELECT stream, block, hash, '2021-01-01', 'x' FROM log.head WHERE stream = %(stream)s",
        "DELETE FROM log.run WHERE stream = %(stream)s",
    ),
}  # fmt: skip


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED.keys())
def test_what_was_verified_before_cannot_be_forged_away(vaka: Vaka, tmp_path: Path, forged: tuple[str, ...]) -> None:
    """Would break: who writes to the database, and makes all of it fit together, passes even where yesterday's ends were kept."""
    stream = write(vaka, tmp_path / "log", ship=True)
    kept = {name: end for name, end in look(vaka, None).ends.items() if name == stream}
    assert kept[stream].block == BLOCKS
    assert not [one for one in look(vaka, None, kept).findings if one.stream == stream]
    with psycopg.connect(dsn(vaka.data), autocommit=True) as connection:
        for table in ("run", "described"):
            connection.execute(f"ALTER TABLE log.{table} DISABLE TRIGGER USER")
        try:
            for statement in forged:
                assert connection.execute(statement.encode(), {"stream": stream}).rowcount >= 1
        finally:
            for table in ("run", "described"):
                connection.execute(f"ALTER TABLE log.{table} ENABLE TRIGGER USER")
    assert not [one for one in look(vaka, None).findings if one.stream == stream], "what only the kept ends can show"
    assert [one for one in look(vaka, None, kept).findings if one.stream == stream]


def test_a_damaged_file_is_not_thrown_away(vaka: Vaka, tmp_path: Path) -> None:
    """Would break: one bad byte on the disk, and a day later all accesses after it are gone for good, though the file held them."""
    import os

    place = tmp_path / "log"

    async def go() -> list[str]:
        async with asyncio.timeout(60):
            log = await AccessLog.open(
                place, TableStore(connect_to(vaka.data)), "test", segment_bytes=65_536, ballast_bytes=1_024
            )
            await log.write(Record(time.time_ns() // 1_000, Actor("", "SE-1", "Namn"), "read"))
            await log.shipper.ship(everything=True)
            await log.close()
        return [path.name for _, path in files.segments(place)]

    write(vaka, place, ship=False)
    path = files.segments(place)[0][1]
    ends = [end for _, end in files.read_from(path, 0, b"")]
    content = bytearray(path.read_bytes())
    content[ends[5] - 40] ^= 1
    path.write_bytes(content)
    os.utime(path, (1, 1))
    assert path.name in asyncio.run(go())
    content[ends[5] - 40] ^= 1  # mended by a person: then it may go
    path.write_bytes(content)
    os.utime(path, (1, 1))
    assert path.name not in asyncio.run(go())


def test_the_tables_refuse_changes(vaka: Vaka, tmp_path: Path) -> None:
    """Would break: a mistaken statement changes the log."""
    write(vaka, tmp_path / "log", ship=True)
    with psycopg.connect(dsn(vaka.data), autocommit=True) as connection:
        for statement in ("UPDATE log.run SET records = 0", "DELETE FROM log.run"):
            with pytest.raises(psycopg.errors.RestrictViolation):
                connection.execute(statement.encode())


def test_years_later_whole_months_are_forgotten(vaka: Vaka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Would break: what is older than the law asks for stays, younger goes too, or the chain cannot be verified any more."""
    real, streams = time.time_ns, {}
    for years in (7, 6, 1):
        monkeypatch.setattr(time, "time_ns", lambda years=years: real() - years * 365 * 86_400 * 10**9)
        streams[years] = write(vaka, tmp_path / str(years), ship=True)
        if years == 7:  # the same stream goes on a year later
            monkeypatch.setattr(time, "time_ns", lambda: real() - 6 * 365 * 86_400 * 10**9)
            assert write(vaka, tmp_path / "7", ship=True) == streams[7]
    monkeypatch.undo()

    def kept(stream: str) -> int:
        with psycopg.connect(dsn(vaka.data)) as connection:
            row = connection.execute(
                "SELECT coalesce(sum(records), 0) FROM log.run WHERE stream = %s", (stream,)
            ).fetchone()
        assert row is not None
        return int(row[0])

    assert [kept(streams[years]) for years in (7, 6, 1)] == [2 * BLOCKS, BLOCKS, BLOCKS]
    before = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 6.5 * 365 * 86_400))
    done = command("log", "forget", "--data", vaka.data, "--before", before)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 months dropped")
    assert [kept(streams[years]) for years in (7, 6, 1)] == [BLOCKS, BLOCKS, BLOCKS]
    assert not [one for one in look(vaka, None).findings if one.stream in streams.values()]
    again = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 4.9 * 365 * 86_400))
    assert command("log", "forget", "--data", vaka.data, "--before", again).returncode == 65
    assert kept(streams[6]) == BLOCKS


async def told_of(vaka: Vaka, block: int) -> None:
    """Returns once the head of the journal's own log is at ``block`` or beyond."""
    own = {"stream": files.stream_name(folder(vaka.data))}
    async with connect_to(vaka.data)() as connection, asyncio.timeout(60):
        while (row := await (await connection.execute(statements()["head"], own)).fetchone()) is None or row[0] < block:
            await asyncio.sleep(0.05)


def test_the_command_tells_where_and_exits_with_1(tmp_path: Path) -> None:
    """Would break: a scheduled check passes over tampering."""
    with running(tmp_path / "data") as vaka:
        import httpx

        with httpx.Client(headers={"Authorization": f"Bearer {vaka.token('x')}"}) as client:
            for number in range(8):
                client.get(f"{vaka.url}/fhir/Patient/{number}")
        asyncio.run(told_of(vaka, 8))
        sound = command("log", "verify", "--data", vaka.data, "--json")
        assert sound.returncode == 0, sound.stdout + sound.stderr
        assert orjson.loads(sound.stdout)["records"] >= 8
        path = files.segments(folder(vaka.data))[0][1]
        ends = [end for _, end in files.read_from(path, 0, b"")]
        with path.open("r+b") as file:
            file.seek(ends[3] - 50)
            byte = file.read(1)
            file.seek(ends[3] - 50)
            file.write(bytes([byte[0] ^ 1]))
        broken = command("log", "verify", "--data", vaka.data)
        assert broken.returncode == 1
        assert f"block 4 (00000001.log, byte {ends[2]})" in broken.stdout, broken.stdout
        with path.open("r+b") as file:
            file.seek(ends[3] - 50)
            file.write(byte)
        assert command("log", "verify", "--data", vaka.data).returncode == 0
        kept = tmp_path / "ends.json"
        kept.write_text(sound.stdout)
        assert command("log", "verify", "--data", vaka.data, "--since", kept).returncode == 0
        told = orjson.loads(sound.stdout)
        stream = next(iter(told["ends"]))
        told["ends"][stream]["hash"] = "0" * 64
        kept.write_bytes(orjson.dumps(told))
        changed = command("log", "verify", "--data", vaka.data, "--since", kept)
        assert changed.returncode == 1
        assert "another block than when it was verified before" in changed.stdout
        kept.write_text("{}")
        assert command("log", "verify", "--data", vaka.data, "--since", kept).returncode == 65
