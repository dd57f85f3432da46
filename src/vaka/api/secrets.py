"""Secrets of one installation: files of ``DIR/secret`` that their owner alone can read."""

from __future__ import annotations

import os
from pathlib import Path

from vaka.errors import Setup


def secret(data_dir: Path, name: str) -> bytes:
    """The 32 random bytes of ``DIR/secret/NAME``, made on first use, readable by their owner alone."""
    path = data_dir / "secret" / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        made = path.with_name(f".{name}.{os.getpid()}")
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(made, path)  # whoever is first wins; both then read the same key
        except FileExistsError:
            pass
        made.unlink()
    if path.stat().st_mode & 0o077:
        raise Setup(f"{path} can be read by others", help=f"chmod 600 {path}")
    content = path.read_bytes()
    if len(content) != 32:
        raise Setup(f"{path} does not hold a key", help="restore it from a backup; a new key makes every token void")
    return content
