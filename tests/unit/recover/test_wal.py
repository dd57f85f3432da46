"""Where WAL may end, on pages made by hand as PostgreSQL lays them out."""

from __future__ import annotations

import random
import struct
from itertools import pairwise

import pytest

from vaka.recover.wal import PAGE_BYTES, following, may_end


def written(*lengths: int) -> tuple[bytes, list[int]]:
    """A segment's beginning with records of these lengths, and where each begins and the last ends."""
    out = bytearray(struct.pack("<HHIQI20x", 0xD118, 2, 1, 0, 0))
    starts = []
    for length in lengths:
        if len(out) % PAGE_BYTES == 0:
            out += struct.pack("<HHIQI4x", 0xD118, 0, 1, len(out), 0)
        starts.append(len(out))
        record = struct.pack("<I12xBB2xI", length, 0, 10, 7) + b"\xff" * (length - 24)
        while record:
            if len(out) % PAGE_BYTES == 0:
                out += struct.pack("<HHIQI4x", 0xD118, 1, 1, len(out), len(record))
            room = PAGE_BYTES - len(out) % PAGE_BYTES
            out += record[:room]
            record = record[room:]
        out += bytes(-len(out) % 8)
    return bytes(out), [*starts, len(out)]


def filled(wal: bytes) -> bytes:
    return wal + bytes(8 * PAGE_BYTES - len(wal) % PAGE_BYTES)


LENGTHS = [30, 8100, 57, 20_001, 24, 24, 3_000]


def test_each_record_is_followed_by_the_next() -> None:
    """Broken: the end of the readable WAL is looked for at a wrong place."""
    wal, at = written(*LENGTHS)
    for here, there in pairwise(at):
        found = following(filled(wal), here)
        assert found == there or (found % PAGE_BYTES == 0 and there - found in (24, 40))


def test_a_switch_is_followed_by_the_next_segment() -> None:
    """Broken: an empty rest of a file is called damage."""
    wal, at = written(24)
    switched = bytearray(filled(wal))
    switched[at[0] + 16 : at[0] + 18] = b"\x40\x00"
    assert following(bytes(switched), at[0]) == 16 * 1024 * 1024


def test_wal_ends_after_its_last_record_and_in_a_record_that_is_cut_at_a_page() -> None:
    """Broken: a receiver at work is called damaged."""
    wal, at = written(*LENGTHS)
    assert may_end(filled(wal), at[-1])
    long = at[3]
    for page in range(long // PAGE_BYTES + 1, at[4] // PAGE_BYTES + 1):
        assert may_end(filled(wal[: page * PAGE_BYTES]), long)


@pytest.mark.parametrize("number", range(len(LENGTHS)))
def test_a_whole_record_that_cannot_be_read_is_damage(number: int) -> None:
    """Broken: what follows a damaged record is lost at a restore, and nobody was told."""
    wal, at = written(*LENGTHS)
    assert not may_end(filled(wal), at[number])


def test_any_damage_before_the_last_page_is_seen() -> None:
    """Broken: a damaged length passes for a record that has not arrived."""
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    wal, at = written(*LENGTHS, *[chance.randrange(24, 9_000) for _ in range(20)], 8_192, 100)
    for _ in range(200):
        number = chance.randrange(len(at) - 4)
        damaged = bytearray(filled(wal))
        damaged[at[number] + chance.randrange(4)] ^= chance.randrange(1, 256)
        assert not may_end(bytes(damaged), at[number]), f"seed {seed}"
