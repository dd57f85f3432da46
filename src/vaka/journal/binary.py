"""Content that is streamed in and out, in pieces beside the record, so that the feed and a search stay small.

Invariants: each piece is committed by itself, so that no upload holds back the feed's horizon; content counts only once a
version names it in the same transaction (``name``); memory holds one piece. All pieces but the last are of
``config.BINARY_CHUNK_BYTES``.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from vaka import config
from vaka.errors import Fault, TooLarge
from vaka.journal.statements import statements

if TYPE_CHECKING:
    from vaka.journal.journal import Journal, Transaction

ORPHAN_HOURS: Final = 24


@dataclass(frozen=True, slots=True)
class Content:
    """Stored content. ``hash``: SHA-256."""

    id: uuid.UUID
    size_bytes: int
    hash: bytes


async def store(
    journal: Journal, stream: AsyncIterator[bytes], *, limit_bytes: int = config.BINARY_MAX_BYTES
) -> Content:
    """Keeps what comes. TooLarge beyond ``limit_bytes``; then, and when the sender leaves, what was kept is dropped."""
    content = uuid.uuid4()
    digest, size, number = sha256(), 0, 0
    waiting = bytearray()
    try:
        async for piece in stream:
            size += len(piece)
            if size > limit_bytes:
                raise TooLarge(f"a file can have {limit_bytes >> 20} MB at most")
            digest.update(piece)
            waiting += piece
            while len(waiting) >= config.BINARY_CHUNK_BYTES:
                await _keep(journal, content, number, bytes(waiting[: config.BINARY_CHUNK_BYTES]))
                del waiting[: config.BINARY_CHUNK_BYTES]
                number += 1
        if waiting:
            await _keep(journal, content, number, bytes(waiting))
    except BaseException:
        await drop(journal, content)
        raise
    return Content(content, size, digest.digest())


async def _keep(journal: Journal, content: uuid.UUID, number: int, piece: bytes) -> None:
    values = {"content": content, "number": number, "bytes": piece}
    async with journal.pool.connection() as connection:
        await connection.execute(statements("binary")["keep_piece"], values)


async def drop(journal: Journal, content: uuid.UUID) -> None:
    """Drops content that no version names."""
    async with journal.pool.connection() as connection:
        await connection.execute(statements("binary")["drop_content"], {"content": content})


async def name(transaction: Transaction, content: Content, rkey: int) -> None:
    """Makes ``content`` that of the resource ``rkey``, whose version the same transaction writes."""
    values = {"content": content.id, "rkey": rkey, "size": content.size_bytes}
    await transaction.connection.execute(statements("binary")["name_content"], values)


async def size_of(journal: Journal, content: uuid.UUID, rkey: int) -> int | None:
    """Its size in bytes, None if the resource ``rkey`` has no such content."""
    async with journal.reading.connection() as connection:
        values = {"content": content, "rkey": rkey}
        row = await (await connection.execute(statements("binary")["content_size"], values)).fetchone()
    return int(row[0]) if row else None


async def read(journal: Journal, content: uuid.UUID, first: int, end: int) -> AsyncGenerator[bytes, None]:
    """The bytes from ``first`` up to, not including, ``end``, piece by piece."""
    at = first
    while at < end:
        number, offset = divmod(at, config.BINARY_CHUNK_BYTES)
        async with journal.reading.connection() as connection:
            values = {"content": content, "number": number}
            row = await (await connection.execute(statements("binary")["piece"], values)).fetchone()
        if row is None:
            raise Fault(f"piece {number} of content {content} is missing")
        piece = bytes(row[0])[offset : offset + end - at]
        at += len(piece)
        yield piece


async def forget_orphans(journal: Journal) -> None:
    """Drops what uploads left that never ended."""
    async with journal.pool.connection() as connection:
        await connection.execute(statements("binary")["forget_pieces"], {"hours": ORPHAN_HOURS})
