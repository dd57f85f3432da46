"""Seeding a copy from a neighbour's file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from tests.copy.fake import Copy, copy, journal
from tests.copy.test_bad_feed import note, notes

from vaka import errors
from vaka.copy import seed
from vaka.copy.board import Field

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def giving(made: Copy, *, spoil: bool = False) -> AsyncIterator[str]:
    """The neighbour's door, as far as seeds go."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        text = next(line.split(": ")[1] for line in head.splitlines() if line.startswith(seed.KEY_HEADER))

        def make() -> tuple[bytes, str]:
            with seed.snapshot(made.folder, made.key, seed.transport_key(text)) as snapshot:
                return snapshot.path.read_bytes(), snapshot.digest.hex()

        content, digest = await asyncio.to_thread(make)
        assert b"hosta" not in content
        if spoil:
            content = content[:-100] + bytes(100)
        writer.write(f"HTTP/1.1 200 X\r\n{seed.HASH_HEADER}: {digest}\r\nConnection: close\r\n\r\n".encode() + content)
        with suppress(ConnectionError):
            await writer.drain()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_a_copy_is_seeded_from_its_neighbour(tmp_path: Path) -> None:
    """Broken: a new copy reads the whole feed for two days though its neighbour has it all."""
    async with journal() as fake:
        fake.lines = notes(40)
        async with copy(tmp_path / "north", fake.url) as north:
            await north.whole(40)
            async with giving(north) as url, copy(tmp_path / "south", fake.url, neighbours=(url,)) as south:
                await south.whole(40)
                fake.add(*notes(1, 41))
                await south.whole(41)
                gets = [after for method, after in fake.asked if method == "GET"]
                assert gets.count(None) == 1  # only the first copy has read from the beginning
                assert (await south.row("Observation", "n40")) is not None
                assert south.key != north.key
                assert not list(north.folder.seeds.glob("out-*"))


async def test_a_seed_that_was_changed_on_the_way_is_not_used(tmp_path: Path) -> None:
    """Broken: whoever sits between two copies gives one a record of his own."""
    async with journal() as fake:
        fake.lines = notes(10)
        async with copy(tmp_path / "north", fake.url) as north:
            await north.whole(10)
            async with giving(north, spoil=True) as url, copy(tmp_path / "south", fake.url, neighbours=(url,)) as south:
                await south.whole(10)
                assert [after for method, after in fake.asked if method == "GET"].count(None) == 2


async def test_a_neighbour_of_another_journal_is_found_out(tmp_path: Path) -> None:
    """Broken: a seed is believed because it is whole."""
    async with journal() as one, journal() as other:
        one.lines, other.lines = notes(5), [*notes(3), *notes(9, 14)]
        async with copy(tmp_path / "north", other.url) as north:
            await north.whole(22)
            async with giving(north) as url, copy(tmp_path / "south", one.url, neighbours=(url,)) as south:
                await south.until(lambda: south.board[Field.LOST] > 0)
                assert note("n1")["id"] == "n1"


@pytest.mark.parametrize("text", [None, "", "abc", "00" * 31, "zz" * 32])
async def test_a_seed_needs_a_key_made_for_it(text: str | None) -> None:
    """Broken: a record leaves its copy encrypted with nothing."""
    with pytest.raises(errors.Invalid):
        seed.transport_key(text)
