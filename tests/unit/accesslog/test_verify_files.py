"""What is found, and what noted, where blocks of a copy's log are not in its files. Writes to a temporary folder only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from vaka.accesslog import blocks, files
from vaka.accesslog.codec import Encoder
from vaka.accesslog.files import Segment
from vaka.accesslog.record import Actor, Record
from vaka.accesslog.verify import verify_files

_FILES, _BLOCKS = 3, 4


@pytest.fixture
def stream(tmp_path: Path) -> str:
    """A log of three files with four blocks each, of which the middle one is gone."""
    name, lock = files.open_folder(tmp_path)
    before, number = blocks.genesis(name), 0
    for place in range(1, _FILES + 1):
        segment, encoder = Segment.create(tmp_path, place, name, number + 1, before, size=65_536), Encoder()
        chapter = number + 1
        for _ in range(_BLOCKS):
            number += 1
            payload = encoder.payload([Record(number, Actor("", "SE-one"), "read", patients=(7,))], number)
            block = blocks.make(number, chapter, number, payload, before)
            segment.append(block.framed)
            before = block.hash
        segment.close()
    lock.close()
    (tmp_path / "00000002.log").unlink()
    return name


@pytest.mark.parametrize(
    ("held", "found"),
    [([(5, 8)], 0), ([(1, 6), (7, 20)], 0), ([(5, 7)], 1), ([(6, 8)], 1), ([(5, 6), (8, 8)], 1), ([], 1)],
)
def test_what_the_journal_alone_has_is_noted(
    tmp_path: Path, stream: str, held: Sequence[tuple[int, int]], found: int
) -> None:
    """Broken: a copy whose disk was full once is said to be changed for ever after; or a file that was taken away, of which the
    journal does not have every block, is not found."""
    told = verify_files(tmp_path, {}, None, None, {stream: held})
    assert [(one.block, "blocks 5 to 8 are missing" in one.what) for one in told.findings] == [(5, True)] * found
    assert any("blocks 5 to 8 are at the journal alone" in note for note in told.notes) is not bool(found)


def test_a_tail_that_is_gone_is_found_unless_it_was_noted_that_it_went_elsewhere(tmp_path: Path, stream: str) -> None:
    """Broken: with the disk still full, the log of that moment is said to be cut off; or one that was cut off is not found, since
    the journal has it too."""
    heads, held = {stream: (14, b"\0" * 32)}, {stream: [(1, 14)]}
    assert ["the tail was cut off" in one.what for one in verify_files(tmp_path, heads, None, None, held).findings] == [
        True
    ]
    files.mark_elsewhere(tmp_path, True)
    assert not verify_files(tmp_path, heads, None, None, held).findings
    held = {stream: [(1, 13)]}
    assert ["the tail was cut off" in one.what for one in verify_files(tmp_path, heads, None, None, held).findings] == [
        True
    ]
