"""The composition root: which processes make one Vaka, and what each is given.

Invariants: everything that can refuse a start does so before the first process runs, and says what to do; nothing below
this module chooses a path, a port or a neighbour by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from vaka import errors, log, process
from vaka.access.settings import CLOSED, Settings
from vaka.api.wire import Wire
from vaka.assemble import fronted
from vaka.assemble.copies import address
from vaka.assemble.place import check_port, child, end_survivors
from vaka.watch.directory import Directory
from vaka.watch.part import Part
from vaka.watch.probe import READY_WAIT_S, http_status
from vaka.watch.supervisor import Supervisor

DATABASE_WAIT_S: Final = 30.0
EMBEDDED_WAIT_S: Final = 3600.0
API_SILENT_MAX_S: Final = 15.0
DSN_VARIABLE: Final = "VAKA_DATABASE"
API: Final = "journal"
POSTGRES: Final = "postgres"


@dataclass(frozen=True, slots=True)
class Start:
    """What ``vaka up`` was asked for. ``database``: null for the embedded PostgreSQL; ``copies``: in front of the journal,
    the first at ``port``; ``journal_port``: where the journal listens behind them, None for any that is free."""

    directory: Directory
    host: str = "127.0.0.1"
    port: int = 8080
    demo: bool = False
    database: str | None = None
    backup_dir: Path | None = None  # null: DIR/backup, or where it already points
    wire: Wire = field(default_factory=Wire)
    law: Settings = CLOSED
    copies: int = 0
    journal_port: int | None = None

    @property
    def url(self) -> str:
        """Where people and programs come."""
        return address(self.wire, self.host, self.port)


def up(start: Start, on_ready: Callable[[float], None]) -> None:
    """Run everything until a signal asks for the end. Setup error where this place or a part refuses."""
    began = time.monotonic()
    directory = start.directory
    directory.create()
    with process.Interrupt() as interrupt, directory.lock():
        end_survivors(directory, but=(POSTGRES,))
        directory.check_disk()
        start.wire.check(start.host, demo=start.demo)
        check_port(start.host, start.port)
        if start.wire.peer_port is not None:
            check_port(start.host, start.wire.peer_port)
        behind = fronted.settle(start)
        process.prepare("watch", directory.log)
        log.setup("watch", directory.log / "watch.jsonl")
        dsn, parts = _parts(start if behind is None else behind.journal)
        parts = [*parts, *(fronted.parts(start, behind) if behind is not None else ())]
        supervisor = Supervisor(
            parts, log_folder=directory.log, status_path=directory.status,
            dsn=None if start.database else dsn, url=start.url, law=asdict(start.law), on_ready=on_ready,
            journal=start.url if behind is None else behind.journal.url,
        )  # fmt: skip
        interrupt.only_hear()
        asyncio.run(supervisor.run(began, interrupt))


def _parts(start: Start) -> tuple[str, Sequence[Part]]:
    if start.database is not None:
        return start.database, [_api(start, start.database, ())]
    from vaka.journal import cluster
    from vaka.recover import backup, restore

    directory = start.directory
    found = cluster.at(directory.pgdata)
    found.end_leftovers()
    restore.finish_swap(directory.path)
    directory.collect_cores()
    found.ensure()
    directory.keep_backups_in(start.backup_dir)
    source = backup.source(found, directory.backup)

    async def accepting() -> bool:
        return found.accepting()

    async def receiving() -> bool:
        return backup.receiving(source)

    async def running() -> bool:
        return True

    def clear() -> None:
        found.end_leftovers(grace_s=0.0)

    postgres = Part(
        POSTGRES, "database", found.command(), accepting, address=str(found.socket),
        prepare=clear, popen=found.popen_arguments(), stop_signal=signal.SIGINT,
        death_signal=signal.SIGINT, stop_max_s=cluster.STOP_TIMEOUT_S,
    )  # fmt: skip
    # The receiver ends after PostgreSQL, which sends it the last of a clean stop.
    wal = Part(
        "wal", "backup", child("receive-wal", directory), receiving, address=str(source.place.wal),
        needs=(POSTGRES,), essential=False, lingers=True, popen={"cwd": directory.cores}, stop_max_s=10.0,
    )  # fmt: skip
    keeper = Part(
        "backup", "backup", child("keep-backups", directory), running, address=str(source.place.base),
        needs=(POSTGRES,), essential=False, popen={"cwd": directory.cores}, stop_max_s=10.0,
    )  # fmt: skip
    dsn = found.dsn()
    return dsn, [postgres, _api(start, dsn, (POSTGRES,)), wal, keeper]


def _api(start: Start, dsn: str, needs: tuple[str, ...]) -> Part:
    async def ready() -> bool:
        try:
            async with asyncio.timeout(READY_WAIT_S):
                return await http_status(start.host, start.port, "/ready", tls=start.wire.secure) == 200
        except TimeoutError:
            # Not able to commit is not the same as not alive.
            await http_status(start.host, start.port, "/health", tls=start.wire.secure)
            return False

    command = [
        *child("serve", start.directory),
        "--host",
        start.host,
        "--port",
        str(start.port),
        *start.wire.arguments(),
        *(part for text in start.law.arguments for part in ("--law", text)),
    ]
    if start.demo:
        command.append("--demo")
    return Part(
        API, "journal", command, ready, address=start.url, needs=needs, silent_max_s=API_SILENT_MAX_S,
        popen={"cwd": start.directory.cores, "env": process.environment() | {DSN_VARIABLE: dsn}},
        death_signal=signal.SIGTERM,
    )  # fmt: skip


def serve(start: Start) -> None:
    """The journal's API in this process: wait for the database, refuse what is not safe, migrate, serve."""
    dsn = start.database or os.environ.get(DSN_VARIABLE)
    if dsn is None:
        raise errors.Setup("vaka serve is a part of vaka up", help="start with vaka up")
    process.prepare(API, start.directory.log)
    log.setup(API, start.directory.log / f"{API}.jsonl")
    # Imported while PostgreSQL starts.
    from vaka.api.serve import serve as serve_api
    from vaka.journal import durability, migrate, redactions
    from vaka.web import routes

    _await_database(dsn, wait_s(start.directory, dsn))
    durability.check(dsn)
    migrate.migrate(dsn, "pre")
    # One supervisor at a time has DIR, so no older release is serving when the second half runs.
    migrate.migrate(dsn, "post")
    # However the record was restored: what was redacted is out again before anybody is served (S26).
    if again := redactions.apply_again(dsn, redactions.Redactions(start.directory.path).read()):
        log.warning("redacted again", resources=again)
    serve_api(
        dsn, start.host, start.port, start.directory.path, demo=start.demo, web=routes, wire=start.wire, law=start.law
    )


def wait_s(directory: Directory, dsn: str) -> float:
    """How long a start waits for the database: our own may recover for long, and a dead one is started again beside us."""
    from vaka.journal import cluster

    own = directory.pgdata.exists() and cluster.at(directory.pgdata).dsn() == dsn
    return EMBEDDED_WAIT_S if own else DATABASE_WAIT_S


def _await_database(dsn: str, wait_s: float) -> None:
    import psycopg

    deadline = time.monotonic() + wait_s
    while True:
        try:
            psycopg.connect(dsn, connect_timeout=5).close()
            return
        except psycopg.OperationalError as away:
            if time.monotonic() > deadline:
                raise errors.Setup(
                    f"the database does not answer: {str(away).splitlines()[0]}",
                    help="look at the address in --database, and whether that PostgreSQL runs",
                ) from away
        time.sleep(0.02)
