"""The folder of one copy (decision 0013): its name, its keys, and which seed of the followed record is in use.

Invariants
- A seed has a numbered directory of its own; ``current`` names the one in use and is renamed into place, so that a reader
  finds either the old or the new, never a mixture (traps: Reseeding).
- A number is never used twice, so that who holds an old file open can tell that another has taken its place.
- Keys are 32 bytes in hexadecimal, in files that only their owner reads.
"""

from __future__ import annotations

import os
import secrets
import shutil
import uuid
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

import orjson

from vaka.copy.scope import REGION, Scope
from vaka.errors import Setup

RECORD: Final = "record.db"
DAMAGED: Final = "damaged"
"""Stands beside a record that was found damaged."""
KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class About:
    """``copy.json``: ``journal``: its address; ``scope``: None for the region."""

    name: str
    id: str
    journal: str
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder ``path`` of a copy."""

    path: Path

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def seeds(self) -> Path:
        return self.path / "seeds"

    @property
    def board(self) -> Path:
        return self.path / "board"

    @property
    def changes(self) -> Path:
        return self.path / "changes"

    @property
    def control(self) -> Path:
        return self.path / "control"

    @property
    def reserve(self) -> Path:
        return self.path / "reserve.db"

    @property
    def recovery(self) -> Path:
        """The reserve's key, as the region's recovery key opens it (``copy.reserve.recovery``)."""
        return self.path / "reserve.recovery"

    @property
    def own(self) -> Path:
        return self.path / "own.db"

    @property
    def lost(self) -> Path:
        return self.path / "lost.db"

    @property
    def lease(self) -> Path:
        return self.keys / "lease"

    @property
    def revoked(self) -> Path:
        """The certificates of copies that the journal has removed (``copy.revoked``)."""
        return self.keys / "revoked.pem"

    @property
    def token(self) -> Path:
        return self.keys / "token"

    def prepare(self) -> None:
        """Makes what is missing of it."""
        for directory in (self.path, self.keys, self.seeds):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def about(self) -> About:
        """Setup error where there is no copy here."""
        try:
            told = orjson.loads((self.path / "copy.json").read_bytes())
            scope = None if told["scope"] == [REGION] else Scope(
                tuple(told["scope"]), tuple(told["units"]), float(told["years"])
            )  # fmt: skip
            return About(told["name"], told["id"], told["journal"], scope)
        except (FileNotFoundError, KeyError, TypeError, ValueError) as error:
            raise Setup(
                f"there is no copy in {self.path}", help="make one with `vaka copy --from URL --data DIR`"
            ) from error

    def establish(self, journal: str, *, name: str | None = None, scope: Scope | None = None) -> About:
        """What this copy is: as it was, or with the journal, name and scope given now. The id stays."""
        self.prepare()
        try:
            before = self.about()
            about = About(name or before.name, before.id, journal, scope)
        except Setup:
            about = About(name or f"copy-{secrets.token_hex(3)}", str(uuid.uuid4()), journal, scope)
        told: dict[str, object] = {"name": about.name, "id": about.id, "journal": about.journal, "scope": [REGION]}
        if scope is not None:
            told |= {"scope": scope.named, "units": scope.units, "years": scope.years}
        replace(self.path / "copy.json", orjson.dumps(told, option=orjson.OPT_INDENT_2))
        return about

    def seed(self, number: int) -> Path:
        """The directory of that seed."""
        return self.seeds / f"{number:04}"

    def record(self, number: int) -> Path:
        return self.seed(number) / RECORD

    def current(self) -> int | None:
        """The number of the seed in use, None before the first, and where somebody has removed it."""
        number = self._named()
        return number if number is not None and self.record(number).exists() else None

    def _named(self) -> int | None:
        try:
            return int((self.path / "current").read_text())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise Setup(
                f"{self.path / 'current'} names no seed", help="remove it, and let the copy be seeded again"
            ) from error

    def use(self, number: int) -> None:
        """Makes that seed the one in use."""
        replace(self.path / "current", f"{number:04}\n".encode())

    def numbers(self) -> list[int]:
        """The seeds that have a directory, in order; those set aside as damaged too."""
        names = [entry.name.partition("-")[0] for entry in self.seeds.iterdir()] if self.seeds.is_dir() else []
        return sorted({int(name) for name in names if name.isdecimal()})

    def make_seed(self) -> int:
        """A new, empty seed with a number that none had."""
        number = max([*self.numbers(), self._named() or 0]) + 1
        self.seed(number).mkdir(mode=0o700)
        return number

    def set_aside(self, number: int) -> Path:
        """Keeps a damaged seed under another name, as evidence, and removes those that were set aside before it."""
        for entry in self.seeds.glob("*-damaged"):
            shutil.rmtree(entry)
        return self.seed(number).rename(self.seeds / f"{number:04}-damaged")

    def mark_damaged(self, number: int) -> None:
        """From now on nobody reads that seed, whatever is restarted, until it is set aside. OSError where that cannot be kept."""
        replace(self.seed(number) / DAMAGED, b"")

    def damaged(self) -> int | None:
        """The newest seed that was found damaged, and is not set aside yet."""
        return next((one for one in reversed(self.numbers()) if (self.seed(one) / DAMAGED).exists()), None)

    def clear(self, *kept: int | None) -> None:
        """Removes the seeds that are not in use, and not among ``kept``. Who still reads one goes on: its files live until they
        are closed."""
        used = self.current()
        for number in self.numbers():
            if number != used and number not in kept and self.seed(number).is_dir():
                shutil.rmtree(self.seed(number))


def key(folder: Folder, given: Path | None = None) -> bytes:
    """The key of the copy's files: from ``given``, else from systemd's credentials, else from DIR/keys, where the first start
    makes it."""
    found = _key(folder, given)
    check = folder.keys / "copy.key.check"  # tells a wrong key from a damaged file
    digest = blake2b(b"vaka copy", key=found, digest_size=16).hexdigest().encode() + b"\n"
    if not check.exists():
        replace(check, digest)
    elif check.read_bytes() != digest:
        raise Setup(
            "this is not the key of the copy's files",
            help="give the key file that this copy was made with; to begin anew without it, choose another --data",
        )
    return found


def reserve_key(key: bytes) -> bytes:
    """The key of the reserve, of the copy's: whoever is given it opens nothing else."""
    return blake2b(b"vaka reserve", key=key, digest_size=KEY_BYTES).digest()


def log_key(key: bytes) -> bytes:
    """The key of the access log's files, of the copy's."""
    return blake2b(b"vaka access log", key=key, digest_size=KEY_BYTES).digest()


def marks_key(key: bytes) -> bytes:
    """The key of the marks in the request log, of the copy's."""
    return blake2b(b"vaka request log", key=key, digest_size=KEY_BYTES).digest()


def _key(folder: Folder, given: Path | None) -> bytes:
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if given is None and credentials is not None and (passed := Path(credentials) / "copy.key").exists():
        given = passed
    if given is not None:
        return _read(given)
    path = folder.keys / "copy.key"
    if not path.exists():
        if folder.numbers() or folder.reserve.exists():
            raise Setup(
                f"{path} is missing, and there are files that it opens",
                help="bring it back, or give --key-file; without it they cannot be read again",
            )
        replace(path, secrets.token_bytes(KEY_BYTES).hex().encode() + b"\n")
    return _read(path)


def _read(path: Path) -> bytes:
    try:
        found = bytes.fromhex(path.read_text().strip())
    except FileNotFoundError as error:
        raise Setup(f"there is no key file {path}", help="name the file that this copy was made with") from error
    except (ValueError, UnicodeDecodeError) as error:
        raise Setup(f"{path} is not a key", help=f"a key is {KEY_BYTES} bytes in hexadecimal") from error
    if len(found) != KEY_BYTES:
        raise Setup(f"{path} is not a key", help=f"a key is {KEY_BYTES} bytes in hexadecimal")
    return found


def replace(path: Path, content: bytes) -> None:
    """Writes a whole file or nothing, for its owner alone, and on the disk."""
    beside = path.with_name(f".{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    beside.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
