"""Everything in the record as open NDJSON: the way out (docs/operating/loading.md has the format).

A dump is the change feed up to one horizon: every version in the feed's order, each once, each with its exact bytes
and their hash; before a version that names streamed content, that content in pieces. It ends in a mark with the cursor
from which the next dump goes on. Invariants: memory holds one page; a dump without its mark is not complete, and never
takes a finished dump's name.
"""

from __future__ import annotations

import base64
import gzip
import os
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import orjson
import zstandard

from vaka.access.filter import system_filter
from vaka.errors import Setup, Unavailable
from vaka.fhir.content_extension import content_of
from vaka.fhir.keys import resource_key
from vaka.journal import binary
from vaka.journal.journal import Journal
from vaka.store.cursor import Cursor

FORMAT: Final = "vaka-dump-1"
_ZSTD_LEVEL: Final = 6
_ACCESS: Final = system_filter("dump")


@dataclass(slots=True)
class Dumped:
    """What was written. ``cursor``: where the next dump goes on."""

    versions: int = 0
    pieces: int = 0
    bytes: int = 0
    cursor: str = ""


async def dump(
    journal: Journal, write: Callable[[bytes], object], since: str | None, seen: Callable[[Dumped], None]
) -> Dumped:
    """Writes all lines after the cursor ``since``. Conflict if it is of another history; Unavailable if the database goes."""
    done = Dumped()
    start = await journal.feed.start(Cursor.parse(since) if since else None, None, access=_ACCESS)
    write(orjson.dumps({"format": FORMAT, "since": since}, option=orjson.OPT_APPEND_NEWLINE))
    mark: dict[str, Any] | None = None
    async for chunk in journal.feed.lines(start, 0.0):
        mark = None
        for line in chunk.splitlines(keepends=True):
            if line.startswith(b'{"horizon":'):
                mark = orjson.loads(line)
                done.cursor = mark["cursor"]
            else:
                if b'"type":"Binary"' in line:
                    async for piece in pieces(journal, orjson.loads(line)):
                        write(piece)
                        done.pieces += 1
                        done.bytes += len(piece)
                done.versions += 1
            write(line)
            done.bytes += len(line)
        seen(done)
    if mark is None:
        raise Unavailable("the database went away: the dump is not complete", help="run it again")
    return done


async def pieces(journal: Journal, line: dict[str, Any]) -> AsyncIterator[bytes]:
    """The streamed content that a version names, as lines."""
    content = content_of(orjson.loads(line["body"])) if line["type"] == "Binary" and "body" in line else None
    if content is None:
        return
    size = await binary.size_of(journal, content, resource_key(line["type"], line["id"]))
    number = 0
    if size is not None:
        async for piece in binary.read(journal, content, 0, size):
            yield _piece_line(content, number, piece)
            number += 1


def _piece_line(content: uuid.UUID, number: int, piece: bytes) -> bytes:
    line = {"content": str(content), "number": number, "bytes": base64.b64encode(piece).decode()}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


@contextmanager
def output(to: str) -> Iterator[BinaryIO]:
    """Where ``--to`` says: ``-`` standard output; a file appears under its name when it is whole and on disk. ``.zst`` and
    ``.gz`` pack it. Setup error where it exists already."""
    if to == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(to)
    if path.exists():
        raise Setup(f"{path} exists already", help="name a new file: a dump is never written over another")
    partial = path.with_name(path.name + ".partial")
    try:
        with _created(partial) as file:
            with _packed(path, file) as packed:
                yield packed
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _created(path: Path) -> BinaryIO:
    """A file for its owner's eyes only: it holds the whole record."""
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
    except OSError as error:
        raise Setup(f"cannot write {path}: {error.strerror}", help="name a file in a folder that is there") from error


@contextmanager
def _packed(path: Path, file: BinaryIO) -> Iterator[BinaryIO]:
    match path.suffix:
        case ".zst":
            with zstandard.ZstdCompressor(level=_ZSTD_LEVEL).stream_writer(file, closefd=False) as writer:
                yield cast(BinaryIO, writer)
        case ".gz":
            with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as writer:
                yield cast(BinaryIO, writer)
        case _:
            yield file
