"""The embedded PostgreSQL cluster: made, configured, started, found, ended.

Invariants: PostgreSQL runs as our own child in the foreground, never through pg_ctl; its working directory is its data
directory and every path it gets is relative to that, so no parent folder needs to be open to its user and no socket
path can be too long for it; a new cluster appears by one rename, so a killed first start leaves nothing half made;
before a start nothing of an earlier server on this data directory is alive. Why: docs/decisions/0003.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from psycopg import conninfo

from vaka import errors, process
from vaka.journal import binaries, settings

# The kernel's name for "the directory this process is in": valid without passing any folder above it.
HERE: Final = "/proc/self/cwd"
SOCKET_PATH_MAX_BYTES: Final = 107
LEFTOVER_GRACE_S: Final = 3.0
START_TIMEOUT_S: Final = 600.0
STOP_TIMEOUT_S: Final = 60.0
_READY_LINE: Final = 7


@dataclass(frozen=True, slots=True)
class Cluster:
    """A data directory ``pgdata``. ``home`` (its parent) also holds ``run/pg`` for the socket and ``log/postgres``."""

    pgdata: Path
    owner: binaries.Owner
    programs: binaries.Binaries

    @property
    def socket(self) -> Path:
        return self.pgdata.parent / "run" / "pg"

    @property
    def log(self) -> Path:
        return self.pgdata.parent / "log" / "postgres"

    @property
    def host(self) -> str:
        """The socket's folder as a client names it; a short link where its path is too long."""
        return socket_alias(self.socket)

    def dsn(self, *, role: str = settings.ROLE, database: str = settings.DATABASE) -> str:
        """The address for a client on this machine."""
        return conninfo.make_conninfo(
            host=self.host, port=settings.PORT, user=role, dbname=database, application_name="vaka"
        )

    @property
    def superuser_dsn(self) -> str:
        return self.dsn(role=settings.SUPERUSER, database="postgres")

    def command(self) -> list[str]:
        """What to run, with ``popen_arguments``, to have the server in the foreground."""
        return [self.programs.program("postgres"), "-D", HERE]

    def popen_arguments(self) -> dict[str, Any]:
        """User, directory and environment for every program that touches the data directory."""
        arguments: dict[str, Any] = {"cwd": self.pgdata, "env": dict(binaries.ENVIRONMENT)}
        if os.geteuid() != self.owner.uid:
            arguments |= {"user": self.owner.uid, "group": self.owner.gid, "extra_groups": []}
        return arguments

    def ensure(self) -> None:
        """Make the cluster if there is none, and write its configuration. Setup error on another major version."""
        self._folders()
        if not self.pgdata.exists():
            self._initialise()
        self.check_version()
        users = {"root", self.owner.name, pwd.getpwuid(os.geteuid()).pw_name}
        self._write("postgresql.conf", settings.postgresql_conf(settings.memory_bytes()))
        self._write("pg_hba.conf", settings.pg_hba_conf())
        self._write("pg_ident.conf", settings.pg_ident_conf(users))
        if not (self.pgdata / "local.conf").exists():
            self._write("local.conf", "# Own settings of PostgreSQL: read last, kept by Vaka as they are.\n")

    def check_version(self) -> None:
        try:
            major = int((self.pgdata / "PG_VERSION").read_text())
        except FileNotFoundError as missing:
            raise errors.Setup(
                f"{self.pgdata} is not a PostgreSQL data directory",
                help="it has been changed from outside: put it back, or take the last backup with vaka restore",
            ) from missing
        if major != self.programs.major:
            raise errors.Setup(
                f"{self.pgdata} is of PostgreSQL {major}, this release of Vaka brings {self.programs.major}",
                help="start the release that made it, write everything out with vaka dump, and load it here",
            )

    def accepting(self) -> bool:
        """Whether the server has said that it takes connections (what pg_ctl looks at, too)."""
        try:
            lines = (self.pgdata / "postmaster.pid").read_text().split("\n")
        except OSError:
            return False
        return len(lines) > _READY_LINE and lines[_READY_LINE].strip() == "ready"

    def leftovers(self) -> list[int]:
        """The pids of every PostgreSQL process that is in this data directory."""
        try:
            here = self.pgdata.stat()
        except FileNotFoundError:
            return []
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                inside = (entry / "cwd").stat()
                name = (entry / "comm").read_text().strip()
            except OSError:
                continue
            if (inside.st_dev, inside.st_ino) == (here.st_dev, here.st_ino) and name == "postgres":
                found.append(int(entry.name))
        return found

    def end_leftovers(self, grace_s: float = LEFTOVER_GRACE_S) -> list[int]:
        """End what an earlier start left behind; returns the pids. A busy backend would hold the next start out.

        A postmaster whose supervisor died is stopping by itself: it gets ``grace_s``. Orphaned backends get none.
        """
        found = pids = self.leftovers()
        for number, wait_s in ((signal.SIGINT, grace_s), (signal.SIGQUIT, 0.5), (signal.SIGKILL, 5.0)):
            if not pids:
                break
            if number == signal.SIGINT and self._postmaster() not in pids:
                continue
            for pid in [self._postmaster()] if number == signal.SIGINT else pids:
                _signal(pid or 0, number)
            deadline = time.monotonic() + wait_s
            while (pids := self.leftovers()) and time.monotonic() < deadline:
                time.sleep(0.01)
        if pids:
            raise errors.Setup(f"processes {pids} of {self.pgdata} cannot be ended", help="restart the machine")
        # Nothing is alive here. A pid that is a zombie's, or has since been given to another program, must not keep
        # the server from starting.
        name = f".s.PGSQL.{settings.PORT}"
        for lock in (self.pgdata / "postmaster.pid", self.socket / f"{name}.lock", self.socket / name):
            lock.unlink(missing_ok=True)
        return found

    def _postmaster(self) -> int | None:
        try:
            return int((self.pgdata / "postmaster.pid").read_text().split("\n")[0])
        except (OSError, ValueError):
            return None

    @contextmanager
    def started(
        self, overrides: Mapping[str, str] | None = None, *, timeout_s: float = START_TIMEOUT_S
    ) -> Iterator[subprocess.Popen[bytes]]:
        """The server, ready, for as long as the block lasts: for restores, checks and tests. ``up`` has its own way."""
        options = [part for name, value in (overrides or {}).items() for part in ("-c", f"{name}={value}")]
        self.end_leftovers()
        said = self.log / "postgres.stderr"
        with said.open("wb") as output:
            server = subprocess.Popen(  # nosec B603 # the wheel's own program by its full path; no shell
                [*self.command(), *options],
                stderr=output, stdin=subprocess.DEVNULL, preexec_fn=process.before_exec(signal.SIGINT),  # noqa: PLW1509
                **self.popen_arguments(),
            )  # fmt: skip
        try:
            deadline = time.monotonic() + timeout_s
            while not self.accepting():
                if server.poll() is not None or time.monotonic() > deadline:
                    raise errors.Setup(
                        f"PostgreSQL does not start on {self.pgdata}: {said.read_text(errors='replace')[-2000:]}",
                        help=f"more of what it said is in {self.log}; what local.conf beside the data sets is yours to mend",
                    )
                time.sleep(0.01)
            yield server
        finally:
            stop(server)

    def _folders(self) -> None:
        for folder in (self.socket, self.log):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.chown(folder, self.owner.uid, self.owner.gid)
            folder.chmod(0o700)

    def _initialise(self) -> None:
        new = self.pgdata.with_name(self.pgdata.name + ".new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        os.chown(new, self.owner.uid, self.owner.gid)
        arguments = self.popen_arguments() | {"cwd": new}
        _run([self.programs.program("initdb"), "-D", HERE, "--data-checksums", "--encoding=UTF8", "--locale=C",
              "--locale-provider=builtin", "--builtin-locale=C.UTF-8", f"--username={settings.SUPERUSER}",
              "--auth=peer", "--no-instructions"], arguments)  # fmt: skip
        # Not a superuser: it owns its database, and sees the activity of all.
        statements = (
            f"CREATE ROLE {settings.ROLE} LOGIN IN ROLE pg_monitor;\n"
            f"CREATE DATABASE {settings.DATABASE} OWNER {settings.ROLE};\n"
        )
        _run([self.programs.program("postgres"), "--single", "-j", "-D", HERE, "postgres"], arguments,
             statements.replace("\n", "\n\n"))  # fmt: skip
        new.rename(self.pgdata)
        _sync_folder(self.pgdata.parent)

    def _write(self, name: str, text: str) -> None:
        path = self.pgdata / name
        partial = path.with_name(name + ".new")
        partial.write_text(text)
        os.chown(partial, self.owner.uid, self.owner.gid)
        partial.chmod(0o600)
        partial.rename(path)


def at(pgdata: Path) -> Cluster:
    """The cluster in ``pgdata``, with its user and the programs of the wheel."""
    owner = binaries.owner_for(pgdata if pgdata.exists() else pgdata.parent)
    return Cluster(pgdata, owner, binaries.find(owner))


def socket_alias(socket: Path) -> str:
    """The folder's path, or a short link to it where a client's address would not fit in 107 bytes."""
    if len(os.fsencode(socket / f".s.PGSQL.{settings.PORT}")) <= SOCKET_PATH_MAX_BYTES:
        return str(socket)
    known = socket.parent / "alias"
    if not (known.is_symlink() and Path(os.readlink(known), "pg").resolve() == socket.resolve()):
        short = Path(tempfile.mkdtemp(prefix="vaka-", dir="/tmp"))
        (short / "pg").symlink_to(socket.resolve())
        known.unlink(missing_ok=True)
        known.symlink_to(short)
    return str(Path(os.readlink(known), "pg"))


def stop(server: subprocess.Popen[bytes], timeout_s: float = STOP_TIMEOUT_S) -> None:
    """Fast shutdown: sessions end, everything is written out. After ``timeout_s`` at once, with recovery later."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if server.poll() is not None:
            return
        server.send_signal(number)
        try:
            server.wait(timeout_s)
        except subprocess.TimeoutExpired:
            timeout_s = 5.0


def _run(command: list[str], arguments: dict[str, Any], text: str = "") -> None:
    done = subprocess.run(  # nosec B603 # callers give initdb or postgres by its full path; no shell
        command, input=text, text=True, capture_output=True, check=False,
        preexec_fn=process.before_exec(signal.SIGKILL), **arguments,
    )  # fmt: skip
    if done.returncode != 0 or "ERROR:" in done.stderr:
        raise errors.Setup(
            f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()[-2000:]}",
            help="nothing was made; mend what it says, and start again",
        )


def _signal(pid: int, number: signal.Signals) -> None:
    if pid > 1:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
