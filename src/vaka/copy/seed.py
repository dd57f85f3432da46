"""A seed of the followed record from a neighbour: a snapshot of its file, sent over HTTP, verified before it is used.

Invariants: a snapshot is one moment's, made without stopping reads or writes; it leaves its copy encrypted with a key that the
one who asks has made for this once, never with the copy's own; it is not used before its hash is that of the header, it opens
with that key, every page is whole, and it is of this schema. The journal verifies the rest: it is asked on from its cursor and
hash.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vaka import config, log
from vaka.copy import engine
from vaka.copy.apply import SCHEMA, is_ours
from vaka.copy.files import KEY_BYTES, RECORD, Folder
from vaka.copy.held import scope_of
from vaka.copy.statements import statements
from vaka.errors import Fault, Invalid, NotFound, Unavailable

if TYPE_CHECKING:
    import httpx

KEY_HEADER: Final = "vaka-seed-key"
HASH_HEADER: Final = "vaka-seed-hash"
PATH: Final = "/peer/seed"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``digest``: SHA-256 of the file's bytes."""

    path: Path
    digest: bytes
    size_bytes: int


@contextmanager
def snapshot(folder: Folder, key: bytes, transport_key: bytes) -> Iterator[Snapshot]:
    """The record in use as a file of its own, encrypted with ``transport_key``; removed at the end. NotFound without a record."""
    number = folder.current()
    if number is None:
        raise NotFound("this copy has no record to give")
    path = folder.seeds / f"out-{secrets.token_hex(8)}.db"
    source = engine.reader(folder.record(number), key)
    try:
        with engine.told(folder.record(number)):
            if not source.execute(statements("apply")["cursor"]).get[6]:
                raise NotFound("this copy is catching up itself")
            if scope_of(source) is not None:
                raise NotFound("this copy holds some units' patients only")
            address = f"file:{path}?cipher={engine.CIPHER}&key=raw:{transport_key.hex()}"
            source.execute(statements("seed")["snapshot"], (address,))
        source.close()
        yield described(path)
    finally:
        source.close()
        path.unlink(missing_ok=True)


def transport_key(text: str | None) -> bytes:
    """The key of a request's header. Invalid where it is none."""
    try:
        key = bytes.fromhex(text or "")
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise Invalid(f"{KEY_HEADER} is {KEY_BYTES} bytes in hexadecimal, made for this once")
    return key


def described(path: Path) -> Snapshot:
    """The file that is sent, with the hash that who gets it compares."""
    made, size = sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(config.COPY_SEED_CHUNK_BYTES):
            made.update(chunk)
            size += len(chunk)
    return Snapshot(path, made.digest(), size)


async def fetch(client: httpx.AsyncClient, neighbour: str, directory: Path) -> bytes:
    """The neighbour's record as ``record.db`` in ``directory``, and the key that it has until it is adopted. Unavailable, Fault:
    it is not there."""
    return await receive(client, neighbour.rstrip("/") + PATH, directory / RECORD)


async def receive(client: httpx.AsyncClient, address: str, path: Path) -> bytes:
    """The file that ``address`` gives, at ``path``, and the key that was made for it. Unavailable, Fault: it is not there."""
    import httpx  # what gives a file needs none of it

    sent_key = secrets.token_bytes(KEY_BYTES)
    made, size = sha256(), 0
    try:
        async with client.stream(
            "GET", address, headers={KEY_HEADER: sent_key.hex()}, timeout=config.COPY_SEED_TIMEOUT_S
        ) as answer:
            if answer.status_code != httpx.codes.OK:
                raise NotGiven(f"{address} gives no file ({answer.status_code})", status=answer.status_code)
            expected = answer.headers.get(HASH_HEADER, "")
            with path.open("wb") as file:
                path.chmod(0o600)  # noqa: ASYNC240  a moment
                async for chunk in answer.aiter_raw():
                    file.write(chunk)  # to the page cache: there is nothing to wait for
                    made.update(chunk)
                    size += len(chunk)
    except (httpx.HTTPError, OSError) as error:
        path.unlink(missing_ok=True)  # noqa: ASYNC240
        why = getattr(error, "strerror", None) or type(error).__name__
        raise Unavailable(
            f"the file of {address} did not arrive: {why}",
            help="look whether a copy answers at that address, and whether there is room here",
        ) from error
    if made.hexdigest() != expected:
        path.unlink(missing_ok=True)  # noqa: ASYNC240
        raise Fault(f"the file of {address} is not what was sent")
    log.info("file received", size_bytes=size)
    return sent_key


class NotGiven(Unavailable):
    """Who was asked for a file answers with another status than 200."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.answered = status


def adopt(directory: Path, sent_key: bytes, key: bytes) -> None:
    """Verifies a snapshot that was fetched and makes it this copy's own. Damaged, WrongKey, Fault: it is not to be used."""
    take(directory / RECORD, sent_key, key)


def take(path: Path, sent_key: bytes, key: bytes) -> None:
    """Verifies the file that was received at ``path``, and encrypts it with ``key`` from now on. Damaged, WrongKey, Fault."""
    connection = engine.writer(path, sent_key)
    try:
        engine.check(connection, path)
        if not is_ours(connection):
            raise Fault(f"the record is of another release: this one reads the form {SCHEMA}")
        with engine.told(path):
            connection.pragma("journal_mode", "delete")
            connection.pragma("rekey", f"raw:{key.hex()}")
    finally:
        connection.close()
