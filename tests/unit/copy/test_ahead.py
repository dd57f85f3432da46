"""Lines that are read while those before them are applied."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from vaka.copy.ahead import ahead

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_an_error_comes_after_what_came_before_it() -> None:
    """Broken: lines that arrived whole are thrown away with an answer that was cut behind them, or the cut is not noticed."""

    async def source() -> AsyncIterator[bytes]:
        for line in (b"1", b"2", b"3"):
            yield line
        raise ConnectionError

    found: list[bytes] = []

    async def take() -> None:
        async with ahead(source()) as lines:
            async for line in lines:
                found.append(line)

    with pytest.raises(ConnectionError):
        await take()
    assert found == [b"1", b"2", b"3"]


async def test_no_more_is_read_than_may_wait() -> None:
    """Broken: a copy that is slow keeps a whole feed in memory."""
    read = []

    async def source() -> AsyncIterator[bytes]:
        for number in range(100):
            read.append(number)
            yield b"x" * 10

    async with ahead(source(), limit_bytes=50) as lines:
        taken = 0
        async for _ in lines:
            taken += 1
            for _ in range(3):  # whatever the reader can do now, it does
                await asyncio.sleep(0)
            assert len(read) <= taken + 6
            assert lines.waiting is (len(read) > taken)
    assert taken == len(read) == 100
    assert not lines.waiting


async def test_a_stop_is_not_taken_for_the_end_of_what_was_read() -> None:
    """Broken: a follower that is stopped while an answer ends goes on, and has to be killed."""

    async def source() -> AsyncIterator[bytes]:
        yield b"1"
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)  # it takes a moment to end

    async def follow() -> None:
        async with ahead(source()) as lines:
            await anext(lines)
        await asyncio.sleep(60)

    following = asyncio.create_task(follow())
    await asyncio.sleep(0.02)
    following.cancel()
    done, _ = await asyncio.wait({following}, timeout=5)
    following.cancel()
    assert done
    assert following.cancelled()
