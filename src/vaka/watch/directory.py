"""DIR: the folder in which one Vaka lives, its layout, and the lock that lets one supervisor at a time use it.

Layout: ``pg`` the cluster; ``run`` lock, status.json and sockets; ``log``; ``secret`` keys; ``cores`` where processes
leave core dumps; ``backup`` the second place until a better one is named. Invariants: the lock is the kernel's and goes
with its process, so nothing is stale after ``kill -9``; secrets and logs are closed to others.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from vaka import errors

# Enough for the WAL of a busy hour and for the logs: below it a start would soon stop for want of space.
DISK_FREE_MIN_BYTES: Final = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Directory:
    """``path`` is absolute. The properties are the fixed names in it."""

    path: Path

    @property
    def pgdata(self) -> Path:
        return self.path / "pg"

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def log(self) -> Path:
        return self.path / "log"

    @property
    def secret(self) -> Path:
        return self.path / "secret"

    @property
    def cores(self) -> Path:
        return self.path / "cores"

    @property
    def backup(self) -> Path:
        return self.path / "backup"

    @property
    def status(self) -> Path:
        return self.run / "status.json"

    def create(self) -> None:
        """Make what is missing. Idempotent; nothing in it is changed but modes."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # As root, PostgreSQL is another user and passes through; it reads nothing but its own folders.
            self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
            for folder, mode in ((self.run, 0o711), (self.log, 0o711), (self.secret, 0o700), (self.cores, 0o700)):
                folder.mkdir(exist_ok=True)
                folder.chmod(mode)
        except OSError as failed:
            raise errors.Setup(
                f"cannot use {self.path}: {failed.strerror}", help="give a folder of your own with --data"
            ) from failed

    def keep_backups_in(self, place: Path | None) -> None:
        """Make ``backup`` a link to ``place``, the second place. Setup error where backups lie in DIR already.

        Null: as it is, or a folder in DIR.
        """
        if place is None:
            if not self.backup.exists() and not self.backup.is_symlink():
                self.backup.mkdir(mode=0o700)
            return
        place = place.absolute()
        if self.backup.is_symlink():
            self.backup.unlink()
        elif self.backup.is_dir() and self.backup != place:
            try:
                self.backup.rmdir()
            except OSError as filled:
                raise errors.Setup(
                    f"{self.backup} holds backups already", help=f"move them first: mv {self.backup}/* {place}/"
                ) from filled
        try:
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self.backup != place:
                self.backup.symlink_to(place)
        except OSError as failed:
            raise errors.Setup(
                f"cannot keep backups in {place}: {failed.strerror}", help="give another folder with --backup-dir"
            ) from failed

    def lock(self, name: str = "lock") -> IO[str]:
        """Take DIR (or the part of it that ``name`` stands for) for this process, until the returned file closes.

        Setup error naming the pid that has it.
        """
        handle = (self.run / name).open("a+")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            handle.seek(0)
            pid = handle.read().strip() or "unknown"
            handle.close()
            raise errors.Setup(
                f"{self.path} is in use by process {pid}",
                help=f"stop it first (kill {pid}), or give another folder with --data",
            ) from taken
        handle.truncate(0)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        return handle

    def check_disk(self, needed_bytes: int = DISK_FREE_MIN_BYTES) -> None:
        """Setup error where less than ``needed_bytes`` are free."""
        free = shutil.disk_usage(self.path).free
        if free < needed_bytes:
            raise errors.Setup(
                f"the disk of {self.path} is full: {free >> 20} MB free, {needed_bytes >> 20} MB needed",
                help="make room, or give a folder on another disk with --data",
            )

    def collect_cores(self) -> None:
        """Move core dumps that PostgreSQL left in its data directory to ``cores``."""
        for core in self.pgdata.glob("core*"):
            if core.is_file():
                shutil.move(core, self.cores / f"postgres-{core.name}-{int(core.stat().st_mtime)}")
