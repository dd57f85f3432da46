"""What is taken for the death of a part of a copy."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import pytest

from vaka import assemble
from vaka.assemble import fronted
from vaka.assemble.copies import Copy, parts
from vaka.watch.part import Part
from vaka.watch.probe import beat


@pytest.fixture
def late() -> socket.socket:
    """A port whose server takes who comes, and answers nobody: as one that is asked for far more than it can answer."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    return listening


def probed(part: Part) -> bool:
    async def ask() -> bool:
        return await part.probe()

    return asyncio.run(ask())


def test_who_answers_late_is_not_ended_while_its_loop_runs(tmp_path: Path, late: socket.socket) -> None:
    """Would break: a copy that everybody asks at once is ended by its own supervisor, and then nobody is answered."""
    directory = assemble.directory(tmp_path)
    directory.create()
    serving, *_ = parts(Copy(directory, "http://127.0.0.1:1", port=late.getsockname()[1]))
    beats = directory.run / f"{serving.name}.beat"
    with late:
        beat(beats)
        assert probed(serving) is False
        beats.write_text(str(time.clock_gettime_ns(time.CLOCK_BOOTTIME) - 6 * 10**9))
        with pytest.raises(ConnectionError, match="stands still"):
            probed(serving)
    beat(beats)
    with pytest.raises(OSError, match="Connect call failed"):
        probed(serving)


def test_a_copy_that_answers_late_is_judged_by_its_own_supervisor(tmp_path: Path, late: socket.socket) -> None:
    """Would break: `vaka up` ends a whole copy, with all that serves, for being asked too much."""
    directory = assemble.directory(tmp_path)
    directory.create()
    start = assemble.Start(directory, port=late.getsockname()[1], copies=1)
    behind = fronted.settle(start)
    assert behind is not None
    (part,) = fronted.parts(start, behind)
    with late:
        assert probed(part) is False
    with pytest.raises(OSError, match="Connect call failed"):
        probed(part)
