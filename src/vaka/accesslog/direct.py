"""What Vaka's own commands do with the record (load, dump, backup, restore, reading the log) goes straight into the tables.

They have one stream for all machines, whose blocks and heads commit together. Invariant: a command that gives out or takes in
a record's content is logged before it does.
"""

from __future__ import annotations

import asyncio
import getpass
import time
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import psycopg

from vaka import config
from vaka.accesslog import blocks, tables
from vaka.accesslog.codec import Encoder
from vaka.accesslog.record import Actor, Record, cut
from vaka.accesslog.runs import Run
from vaka.accesslog.tables import Connection, statements
from vaka.errors import Unavailable

STREAM: Final = blake2b(b"vaka commands", digest_size=16).hexdigest()
SYSTEM: Final = "commands"


def command_record(activity: str, reason: str, *, patients: Sequence[int] = ()) -> Record:
    """What a command did; the machine's user is named as who did it."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "unknown"
    actor = Actor(f"vaka:{activity}", name=cut(user), way="command")
    return Record(time.time_ns() // 1_000, actor, activity, reason=cut(reason), patients=tuple(sorted(set(patients))))


def log_command(dsn: str, activity: str, reason: str) -> None:
    """Logs what a command is about to do (or has done) with the database at ``dsn``. Unavailable where that cannot be."""

    async def work() -> None:
        async with await psycopg.AsyncConnection.connect(
            dsn, autocommit=True, connect_timeout=int(config.CONNECT_TIMEOUT_S)
        ) as connection:
            await append(connection, [command_record(activity, reason)])

    try:
        asyncio.run(work())
    except psycopg.Error as error:
        raise Unavailable(f"the access log cannot be written: {error.diag.message_primary or error}") from error


async def append(connection: Connection, records: Sequence[Record]) -> None:
    """Returns when ``records`` are committed."""
    async with connection.transaction():
        await connection.execute(statements()["lock_stream"], {"stream": STREAM})
        number, before = await tables.newest(connection, STREAM) or (0, blocks.genesis(STREAM))
        time_us, encoder = time.time_ns() // 1_000, Encoder()
        payload = encoder.payload([part for record in records for part in record.parts()], time_us)
        block = blocks.make(number + 1, number + 1, time_us, payload, before)
        await tables.put_run(connection, Run(STREAM, [block], encoder.described))
        await tables.put_head(connection, STREAM, SYSTEM, block.number, block.hash)
