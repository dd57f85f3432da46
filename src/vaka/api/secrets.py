"""Secrets of one installation: files of ``DIR/secret`` that their owner alone can read."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from vaka.errors import Setup

SECRET_BYTES: Final = 32
LOOK_EVERY_S: Final = 1.0
_SETTLED_NS: Final = 50_000_000  # a folder changed later than this before it was read may have changed again since


def secret(data_dir: Path, name: str) -> bytes:
    """The 32 random bytes of ``DIR/secret/NAME``, made on first use, readable by their owner alone."""
    return kept(data_dir / "secret" / name)


def kept(path: Path) -> bytes:
    """The 32 random bytes in ``path``, made on first use, readable by their owner alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        made = _made(path)
        try:
            os.link(made, path)  # whoever is first wins; both then read the same key
        except FileExistsError:
            pass
        made.unlink()
    return read(path)


def read(path: Path) -> bytes:
    """The secret in ``path``. Setup error where others can read it, or it is none."""
    if path.stat().st_mode & 0o077:
        raise Setup(f"{path} can be read by others", help=f"chmod 600 {path}")
    content = path.read_bytes()
    if len(content) != SECRET_BYTES:
        raise Setup(f"{path} does not hold a key", help="restore it from a backup; a new key makes every token void")
    return content


def renew(data_dir: Path, name: str) -> None:
    """Puts a new secret in the place of the old one, at once and whole."""
    path = data_dir / "secret" / name
    _made(path).rename(path)


def _made(path: Path) -> Path:
    """A new secret beside ``path``."""
    made = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(os.urandom(SECRET_BYTES))
        file.flush()
        os.fsync(file.fileno())
    return made


class Watched:
    """Whether ``DIR/secret`` has changed: asked often, looked up once a second."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "secret"
        self._looked = self._stamp = 0.0

    def changed(self) -> bool:
        """True if what was read of the folder may be old: read it again now."""
        now = time.monotonic()
        if now - self._looked < LOOK_EVERY_S:
            return False
        self._looked = now
        stamp = self._folder.stat().st_mtime_ns
        changed = stamp != self._stamp
        self._stamp = stamp if time.time_ns() - stamp > _SETTLED_NS else 0.0
        return changed


class Secret:
    """One secret of a process that goes on running while it is renewed."""

    def __init__(self, data_dir: Path, name: str) -> None:
        self._data_dir, self._name = data_dir, name
        self._watched = Watched(data_dir)
        self._content = secret(data_dir, name)

    def __call__(self) -> bytes:
        if self._watched.changed():
            self._content = secret(self._data_dir, self._name)
        return self._content
