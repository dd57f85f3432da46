"""The copy's database engine: SQLite with page encryption (apsw-sqlite3mc), opened in one way everywhere.

Invariants
- No file of the copy is plain: a key is set before anything is read or written, temporary tables stay in memory, and a file
  that opens without a key is refused.
- One connection writes (WAL, synchronous FULL: a commit that returned is on the disk); all others are opened read-only.
- Nothing is memory-mapped (traps: Copy); each connection has a page cache of a named size.
- SQLite is new enough: before 3.51.3 a write-ahead log could be lost when a checkpoint met a writer.
- What was deleted is overwritten (secure_delete; S26).

The cipher is ChaCha20-Poly1305 (RFC 8439): each page is authenticated, so a changed byte is noticed. The key is used as it is,
without derivation, so that opening takes a millisecond.
Source: https://utelle.github.io/SQLite3MultipleCiphers/, https://www.sqlite.org/wal.html.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from vaka import config
from vaka.errors import Busy, Fault, Setup

SQLITE_MIN: Final = (3, 51, 3)
CIPHER: Final = "chacha20"
_EMPTY_WAIT_S: Final = 2.0
_EMPTY_LOOK_S: Final = 0.02
_PLAIN: Final = b"SQLite format 3\x00"


_UNREADABLE: Final = frozenset({
    apsw.SQLITE_IOERR_READ, apsw.SQLITE_IOERR_SHORT_READ, apsw.SQLITE_IOERR_DATA, apsw.SQLITE_IOERR_CORRUPTFS
})  # fmt: skip
"""What SQLite says of sectors that cannot be read."""


class WrongKey(Setup):
    """The first page does not open with this key: it is of another, or the page is damaged."""


class Damaged(Fault):
    """A file of the copy is damaged: it is set aside and seeded again."""


class Lasting(Setup):
    """A file that nothing can make again (own.db, reserve.db, lost.db) is damaged: it is left as it is, for a person."""


class DiskFull(Busy):
    """A commit of the copy did not fit on its disk; nothing of it was kept."""


def require_version() -> None:
    """Setup error unless the SQLite that is linked in is one that may be used."""
    found = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if found < SQLITE_MIN or not hasattr(apsw, "mc_version"):
        raise Setup(
            f"SQLite {apsw.sqlite_lib_version()} is not the encrypting SQLite {'.'.join(map(str, SQLITE_MIN))} or newer",
            help="install the versions of requirements.lock",
        )


def writer(
    path: Path, key: bytes, *, cache_bytes: int = config.COPY_WRITER_CACHE_BYTES, shrinks: bool = False
) -> apsw.Connection:
    """The one writing connection of the file at ``path``, which is made where it is missing; ``shrinks``: such that what it does
    not need any more can be given back (``filled``)."""
    made = not path.exists()
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = _open(path, key, flags, cache_bytes)
    with told(path):
        if made:
            connection.pragma("page_size", config.COPY_PAGE_BYTES)
            if shrinks:
                connection.pragma("auto_vacuum", "incremental")
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full")
        connection.pragma("secure_delete", True)
        connection.pragma("wal_autocheckpoint", config.COPY_WAL_BYTES // config.COPY_PAGE_BYTES)
        connection.pragma("journal_size_limit", config.COPY_WAL_BYTES)
        connection.pragma("foreign_keys", False)
    if made:
        path.chmod(0o600)
    return connection


def lasting(path: Path, key: bytes, *, cache_bytes: int = config.COPY_WRITER_CACHE_BYTES) -> apsw.Connection:
    """The writing connection of a file that nothing can make again. Lasting: it is damaged, or was emptied."""
    waits = _EMPTY_WAIT_S / _EMPTY_LOOK_S  # another process is perhaps making it at this moment
    while path.exists() and not path.stat().st_size:
        if waits <= 0:
            raise _lasts(path, "is empty")
        waits -= 1
        time.sleep(_EMPTY_LOOK_S)
    try:
        connection = writer(path, key, cache_bytes=cache_bytes)
    except (Damaged, WrongKey) as error:
        raise _lasts(path, "is damaged") from error
    try:
        with kept(connection):
            if connection.pragma("quick_check") != "ok":
                raise _lasts(path, "is damaged")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def kept(connection: apsw.Connection) -> Iterator[None]:
    """Of a ``lasting`` file: what cannot be read of it is never taken for damage of the record."""
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise _lasts(Path(connection.filename), "is damaged") from error
    except apsw.IOError as error:
        if getattr(error, "extendedresult", None) in _UNREADABLE:
            raise _lasts(Path(connection.filename), "cannot be read: its disk fails") from error
        raise


def _lasts(path: Path, how: str) -> Lasting:
    return Lasting(
        f"{path} {how}",
        help=f"stop this copy, keep what is there (move {path.name}, {path.name}-wal and {path.name}-shm to another folder;"
        " remove nothing), put the newest whole file of a backup in its place, or none to go on without, and start it again;"
        " docs/operating/following.md says what the file holds",
    )


def fill(connection: apsw.Connection) -> None:
    """For a file that is filled before anybody reads it: whatever stops it, it is whole as of some commit, not of the last."""
    connection.pragma("synchronous", "normal")
    connection.pragma("cache_size", -(config.COPY_FILL_CACHE_BYTES // 1024))


def filled(connection: apsw.Connection) -> None:
    """All of it is on the disk, with no more room than it needs, and from now on each commit."""
    connection.execute("PRAGMA incremental_vacuum").fetchall()
    connection.pragma("synchronous", "full")
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    connection.pragma("cache_size", -(config.COPY_WRITER_CACHE_BYTES // 1024))


def reader(path: Path, key: bytes, *, cache_bytes: int = config.COPY_READER_CACHE_BYTES) -> apsw.Connection:
    """A connection that can only read. Setup error where the file is missing, or the key another."""
    if not path.exists():
        raise Setup(f"there is no {path}", help="start `vaka copy` and let it be seeded")
    return _open(path, key, apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI, cache_bytes)


def _open(path: Path, key: bytes, flags: int, cache_bytes: int) -> apsw.Connection:
    require_version()
    if len(key) != 32:
        raise Setup("the copy's key is not 32 bytes", help="give the key file that this copy was made with")
    with told(path):
        plain = _is_plain(path)
    if plain:
        raise Setup(f"{path} is not encrypted", help="remove it; `vaka copy` makes and seeds a new one")
    connection = apsw.Connection(str(path), flags=flags)
    try:
        with told(path):
            connection.pragma("cipher", CIPHER)
            connection.pragma("key", f"raw:{key.hex()}")
            connection.set_busy_timeout(config.COPY_BUSY_TIMEOUT_MS)
            try:
                connection.execute("SELECT count(*) FROM sqlite_schema").get  # noqa: B018  reads the first page
            except apsw.NotADBError as error:
                raise WrongKey(
                    f"{path} cannot be opened with this key",
                    help="give the key file that this copy was made with, or remove DIR/seeds to seed it anew",
                ) from error
            connection.pragma("mmap_size", 0)
            connection.pragma("temp_store", "memory")
            connection.pragma("cache_size", -(cache_bytes // 1024))
            connection.pragma("trusted_schema", False)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_plain(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_PLAIN)) == _PLAIN
    except FileNotFoundError:
        return False


@contextmanager
def told(path: Path) -> Iterator[None]:
    """SQLite's errors that an operator can do something about, as ours."""
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise Damaged(f"{path} is damaged", help="it is set aside and seeded again by itself") from error
    except apsw.FullError as error:
        raise DiskFull(f"no room for {path}", help="free some room on its disk; the copy goes on by itself") from error
    except apsw.IOError as error:
        if is_full(error):
            raise DiskFull(
                f"no room for {path}", help="free some room on its disk; the copy goes on by itself"
            ) from error
        if getattr(error, "extendedresult", None) in _UNREADABLE:
            raise _failing(path) from error
        raise
    except OSError as error:
        if error.errno == errno.EIO:
            raise _failing(path) from error
        raise


def _failing(path: Path) -> Damaged:
    return Damaged(
        f"{path} cannot be read: its disk fails", help="it is set aside and seeded again by itself; replace the disk"
    )


def is_full(error: apsw.IOError) -> bool:
    """Whether the disk, or this user's part of it, had no room."""
    cause = error.__cause__ or error.__context__
    return isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """All or nothing, and on the disk when it has returned. IMMEDIATE: there is one writer, and it never has to wait."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:  # SQLite has ended it already where the disk was full
            connection.execute("ROLLBACK")
        raise
    try:
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def require_filled(connection: apsw.Connection, path: Path) -> None:
    """Damaged where a file that was in use holds nothing: any key opens one that was cut off at its beginning."""
    with told(path):
        if not connection.execute("SELECT count(*) FROM sqlite_schema").get:
            raise Damaged(f"{path} is empty", help="it is set aside and seeded again by itself")


def check(connection: apsw.Connection, path: Path) -> None:
    """Damaged unless every page of the file is whole, and what it says fits together."""
    require_filled(connection, path)
    with told(path):
        found = connection.pragma("quick_check")
        if found != "ok":
            raise Damaged(f"{path} is damaged", help="it is set aside and seeded again by itself")
