"""Is the log as it was written? The chain of every stream over tables and files, against the heads.

What a kill tore is no finding: a block that was never whole was never acknowledged, and no head tells of it. Invariant: a
changed byte, a missing, added, moved or doubled block, a cut-off tail and a changed description are each found, and told
where. What lies past the newest head (a second's worth) rests on the hash alone. What another machine (a copy) has told of
and brings later is not yet here, and no finding, for as long as that may take; what it brings then has to follow. Who can
write to the database can make a chain and its head anew, or say that its beginning was forgotten: that is found against what
an earlier ``verify`` told (``known``), where that was kept out of their reach.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from vaka import config
from vaka.accesslog import blocks, files, runs, tables
from vaka.accesslog.blocks import Block
from vaka.accesslog.codec import Damaged, Described
from vaka.accesslog.forget import oldest_allowed
from vaka.accesslog.tables import Connection, statements

_RUNS_AT_ONCE = 50
_BROUGHT = ("copy ", "snapshot ")
"""How the systems are called whose logs are written on another machine, and brought here later."""


@dataclass(frozen=True, slots=True)
class Finding:
    """``where``: a table's run or a file's byte; ``block``: the first that is concerned."""

    stream: str
    block: int
    where: str
    what: str


@dataclass(frozen=True, slots=True)
class End:
    """Where a stream ended when it was verified."""

    block: int
    hash: str
    time_us: int


@dataclass(slots=True)
class Verified:
    """``notes``: what is as it may be, but worth telling (a torn tail). ``ends``: the last block of each stream, with the hex of
    its hash and its time, to be kept and compared with later."""

    blocks: int = 0
    records: int = 0
    streams: int = 0
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ends: dict[str, End] = field(default_factory=dict)


@dataclass(slots=True)
class _Chain:
    """One stream as far as it has been followed. ``elsewhere``: of a copy, what the journal holds, from first to last."""

    stream: str
    number: int
    hash: bytes
    head: tuple[int, bytes] | None
    told: Verified
    known: End | None = None
    elsewhere: Sequence[tuple[int, int]] = ()

    def find(self, block: int, where: str, what: str) -> None:
        self.told.findings.append(Finding(self.stream, block, where, what))

    def follow(self, block: Block, where: str) -> None:
        """The next block, wherever it stands."""
        if block.number != self.number + 1:
            if block.number <= self.number:
                self.find(self.number + 1, where, "blocks are out of order")
            elif not self.at_the_journal(block.number - 1, where):
                self.find(self.number + 1, where, f"blocks {self.number + 1} to {block.number - 1} are missing")
        elif block.before != self.hash:
            self.find(block.number, where, "does not follow the block before it")
        self.number, self.hash = block.number, block.hash
        self.told.blocks += 1
        self.told.ends[self.stream] = End(block.number, block.hash.hex(), block.time_us)
        if self.known is not None and block.number == self.known.block and block.hash.hex() != self.known.hash:
            self.find(block.number, where, "is another block than when it was verified before")
        if self.head is not None and block.number == self.head[0] and block.hash != self.head[1]:
            self.find(block.number, where, "is not the block that the head tells of")

    def at_the_journal(self, last: int, where: str) -> bool:
        """Whether the next blocks, up to ``last``, went to the journal alone, as no file took them: it has them all."""
        at = self.number
        for first, end in sorted(self.elsewhere):
            if first <= at + 1:
                at = max(at, end)
        if at < last:
            return False
        self.told.notes.append(
            f"{where}: blocks {self.number + 1} to {last} are at the journal alone: verify there that they follow"
        )
        return True


async def verify(connection: Connection, folder: Path | None, known: Mapping[str, End] | None = None) -> Verified:
    """Follows every stream. ``folder``: this machine's files, if it has some. ``known``: the ``ends`` of an earlier time."""
    known = known or {}
    sql = statements()
    told = Verified()
    # The heads first: what they tell of is in files or tables by then, and stays there.
    rows = await (await connection.execute(sql["heads"])).fetchall()
    heads = {row[0]: (int(row[2]), bytes(row[3])) for row in rows}
    tellers = {row[0]: (str(row[1]), float(row[4])) for row in rows}
    names = {row[0] for row in await (await connection.execute(sql["streams"])).fetchall()} | set(heads) | set(known)
    own = await asyncio.to_thread(files.stream_name, folder) if folder is not None else None
    for stream in sorted(names | ({own} if own else set())):
        told.streams += 1
        row = await (await connection.execute(sql["forgotten"], {"stream": stream})).fetchone()
        number, hash_ = (int(row[0]), bytes(row[1])) if row else (0, blocks.genesis(stream))
        chain = _Chain(stream, number, hash_, heads.get(stream), told, known.get(stream))
        if number:
            told.ends[stream] = End(number, hash_.hex(), 0)
        if chain.known is not None and chain.known.block <= number and chain.known.time_us > _may_be_forgotten_us():
            chain.find(number, "tables", "what was verified before, and is younger than the law keeps, was forgotten")
        shipped = await _tables(connection, chain)
        if stream == own and folder is not None:
            await asyncio.to_thread(_files, folder, chain, shipped)
        if chain.known is not None and chain.number < chain.known.block:
            what = f"blocks {chain.number + 1} to {chain.known.block}, verified before, are missing"
            chain.find(chain.number + 1, "the end", what)
        elif chain.head is not None and chain.number < chain.head[0]:
            _tail(chain, *tellers[stream])
    return told


def verify_files(
    folder: Path,
    heads: Mapping[str, tuple[int, bytes]],
    known: Mapping[str, End] | None = None,
    key: bytes | None = None,
    elsewhere: Mapping[str, Sequence[tuple[int, int]]] | None = None,
) -> Verified:
    """Follows the logs of a copy in its own folder, without the tables. ``heads``: the newest block of each stream that the
    journal knows of, ``elsewhere``: which blocks it holds, from first to last, where it could be asked. What was shipped and is
    old is not here any more: a chain begins where its files do. ``key``: as of ``blocks.sealed``."""
    told = Verified()
    for place in files.logs(folder):
        stream = files.stream_name(place)
        assert stream is not None
        told.streams += 1
        first = next((found for _, path in files.segments(place) if (found := files.scan(path, key)) is not None), None)
        number, hash_ = (first.first - 1, first.before) if first is not None else (0, blocks.genesis(stream))
        head, before = heads.get(stream), (known or {}).get(stream)
        chain = _Chain(stream, number, hash_, head, told, before, (elsewhere or {}).get(stream, ()))
        if number:
            told.notes.append(f"{place.name}: blocks 1 to {number} were shipped, and are at the journal alone")
        elif hash_ != blocks.genesis(stream):
            chain.find(1, place.name, "does not begin as this log began")
        _files(place, chain, {}, key)
        last = max(head[0] if head is not None else 0, before.block if before is not None else 0)
        if chain.number < last and not (files.is_elsewhere(place) and chain.at_the_journal(last, "the end")):
            chain.find(
                chain.number + 1, "the end", f"blocks {chain.number + 1} to {last} are missing: the tail was cut off"
            )
    return told


def _tail(chain: _Chain, system: str, age_s: float) -> None:
    """Says of blocks that the head tells of and that are not here what can be known. ``age_s``: how long ago ``system`` told of
    the newest: on another machine it brings them later."""
    assert chain.head is not None
    first, last = chain.number + 1, chain.head[0]
    if not system.startswith(_BROUGHT):
        chain.find(first, "the end", f"blocks {first} to {last} are missing: the tail was cut off")
        return
    if age_s < config.LOG_BROUGHT_S:
        chain.told.notes.append(
            f"stream {chain.stream}, blocks {first} to {last}: not yet here; {system} told of them {age_s:.0f} s ago, and brings"
            f" them within {config.LOG_BROUGHT_S / 60:.0f} minutes"
        )
        return
    what = f"blocks {first} to {last} are missing: {system} has not brought them, or the tail was cut off; verify its own folder"
    chain.find(first, "the end", what)


def _may_be_forgotten_us() -> int:
    return runs.microseconds(oldest_allowed(datetime.now(UTC)))


async def _tables(connection: Connection, chain: _Chain) -> dict[int, bytes]:
    """Follows the stream through the tables; the hash of each of its blocks there."""
    hashes: dict[int, bytes] = {}
    chapters: dict[int, dict[int, Described]] = {}
    after = chain.number
    while True:
        values = {"stream": chain.stream, "after": after, "limit": _RUNS_AT_ONCE}
        rows = await (await connection.execute(statements()["runs_of"], values)).fetchall()
        for first, last, chapter, records, _, _, before, hash_, patients, persons, content in rows:
            where = f"tables, run {first}-{last}"
            after = first
            if chapter not in chapters:
                chapters = {chapter: await tables.described(connection, chain.stream, chapter)}
            try:
                found = list(blocks.in_run(runs.unpacked(bytes(content)), bytes(before)))
                _check_run(chain, where, found, chapters[chapter], (records, patients, persons))
            except (ValueError, Damaged) as error:
                chain.find(first, where, f"cannot be read: {error}")
                chain.number, chain.hash = last, bytes(hash_)
                continue
            if not found or (found[0].number, found[-1].number, found[-1].hash) != (first, last, bytes(hash_)):
                chain.find(first, where, "does not end in the hash, or not at the numbers, that it was stored with")
            for block in found:
                chain.follow(block, where)
                hashes[block.number] = block.hash
        if len(rows) < _RUNS_AT_ONCE:
            return hashes


def _check_run(
    chain: _Chain, where: str, found: Sequence[Block], described: dict[int, Described],
    stored: tuple[int, list[int], list[int]],
) -> None:  # fmt: skip
    """That the run's indexes and descriptions are what its blocks say."""
    records, patients, persons = 0, set[int](), set[int]()
    for block in found:
        told = block.contents()
        records += told.records
        patients.update(told.patients)
        if any(described.get(number) != one for number, one in told.described.items()):
            chain.find(block.number, where, "people or forms are described otherwise than when it was written")
        if missing := sorted(number for number in told.named if number not in described):
            chain.find(block.number, where, f"nothing tells who or what {missing[0]} is")
        persons.update(described[actor].actor().key for actor in told.actors if actor in described)
    chain.told.records += records
    if (records, sorted(patients), sorted(persons)) != (stored[0], sorted(stored[1]), sorted(stored[2])):
        chain.find(found[0].number if found else 0, where, "is indexed under others than its records name")


def _files(folder: Path, chain: _Chain, shipped: dict[int, bytes], key: bytes | None = None) -> None:
    """Follows the stream on through the files, and compares what is in both."""
    known = files.segments(folder)
    followed: dict[int, bytes] = {}
    for place, (_, path) in enumerate(known):
        found = files.scan(path, key)
        if found is None or found.stream != chain.stream:
            chain.find(chain.number + 1, path.name, "is no segment of this log")
            continue
        for block in found.blocks:
            if block.number in shipped:
                if shipped[block.number] != block.hash:
                    chain.find(block.number, path.name, "is not what the tables have")
            elif block.number > chain.number:
                chain.follow(block, path.name)
                followed[block.number] = block.hash
                try:
                    chain.told.records += block.contents().records
                except Damaged as error:
                    chain.find(block.number, path.name, f"cannot be read: {error}")
            elif followed.get(block.number, block.hash) != block.hash:
                chain.find(block.number, path.name, "stands twice, with two contents")
        if found.torn:
            next_block = found.blocks[-1].number + 1 if found.blocks else found.first
            where = f"{path.name}, byte {found.used}"
            head = chain.head[0] if chain.head is not None else 0
            again = next_block in shipped or _next_first(known[place + 1 :]) == next_block
            if found.whole_after or not (again or head < next_block):
                chain.find(next_block, where, "has been changed: it does not follow from what is before it")
            else:
                chain.told.notes.append(f"{where}: a torn block, {'written again' if again else 'never acknowledged'}")


def _next_first(later: Sequence[tuple[int, Path]]) -> int | None:
    """The first block of the next segment."""
    for _, path in later:
        found = files.scan(path)
        if found is not None:
            return found.first
    return None
