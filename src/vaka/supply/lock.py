"""The lock files: every distribution that an installation may consist of, with the hashes of its files.

Invariant: only lines that ``tools/lock.sh`` writes are understood; anything else is refused, not passed over.
Source: https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import vaka
from vaka import errors

_ENTRY: Final = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)(?:\s*;\s*(?P<marker>.+))?")
_HASH: Final = re.compile(r"--hash=sha256:(?P<hex>[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Locked:
    """``name`` is normalised (``normal``); ``marker``: where it applies, empty for everywhere; ``hashes``: SHA-256 in hex of each
    file (one a platform) that may be installed as this version."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]


def normal(name: str) -> str:
    """A distribution's name as all spellings of it agree (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def root() -> Path:
    """The checkout that this Vaka runs from; the lock files lie there."""
    found = Path(vaka.__file__).resolve().parents[2]
    if not (found / "requirements.lock").exists():
        raise errors.Setup("the lock file is not part of an installed Vaka", help="run ./vaka in a checkout")
    return found


def read(path: Path) -> list[Locked]:
    """The entries of a lock file, in its order. One name can stand twice, with markers that exclude each other."""
    found = []
    for number, line in enumerate(path.read_text("utf-8").replace("\\\n", " ").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        head, *tail = re.split(r"\s+(?=--hash=)", line.strip())
        entry, hashes = _ENTRY.fullmatch(head.strip()), [_HASH.fullmatch(part.strip()) for part in tail]
        if entry is None or not all(hashes):
            raise errors.Setup(f"{path.name}: entry {number} is not of a form that is known", help="run tools/lock.sh")
        told = tuple(one["hex"] for one in hashes if one)
        found.append(Locked(normal(entry["name"]), entry["version"], (entry["marker"] or "").strip(), told))
    return found
