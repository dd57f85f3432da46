"""Is what is installed what was locked, and is anything known against it?

Two questions, kept apart. The first is answered here, without a network. For the second ``pip-audit`` asks an advisory service;
an answer that was not had is told as that, never as "none known": pip-audit itself passes over packages that the service does not
know and then says that it found nothing.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any, Final

import orjson

from vaka.supply.lock import Locked
from vaka.supply.parts import Part, installed

# Beside what is locked: what installs, and what is installed.
OWN: Final = frozenset({"pip", "vaka"})
# Licences under which something may be part of Vaka (Apache-2.0): permissive ones, and weak copyleft that is used as it comes.
# One of an OR is enough; all of an AND have to be here.
LICENSES: Final = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "LGPL-3.0-only", "MIT", "MIT-0",
        "MPL-2.0", "PSF-2.0", "PostgreSQL", "Unicode-3.0", "Unlicense", "Zlib",
    }
)  # fmt: skip
HASH_FORMS: Final = {"sha256", "sha384", "sha512"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What an advisory service said: ``asked`` names it knew, ``unasked`` it did not or was not reached for, ``known``
    (name, version, advisory, fixed in). ``said``: the tool's last words, where it gave no answer at all."""

    asked: tuple[str, ...]
    unasked: tuple[str, ...]
    known: tuple[tuple[str, str, str, str], ...]
    said: str = ""


def findings(locked: Sequence[Locked], running: Iterable[Part]) -> list[str]:
    """Everything that is not as it was locked, a sentence each. ``locked``: what this environment was installed from;
    ``running``: the parts that Vaka runs with, whose files and licences are looked at too."""
    here = installed()
    found = [*_versions(locked, here), *(f"{one.name}: the lock has no hash" for one in locked if not one.hashes)]
    for part in running:
        found += _changed(here[part.name])
        if not allowed(part.license):
            found.append(
                f"{part.name}: licence {part.license or part.license_text or 'not told'} is not among those allowed"
            )
    return found


def unmet() -> list[str]:
    """Needs of what is installed that are not met, as ``pip check`` says them."""
    checked = subprocess.run(  # nosec B603 # this Python's own pip; no shell
        [sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False
    )
    return [] if checked.returncode == 0 else (checked.stdout or checked.stderr).splitlines()


def allowed(expression: str | None) -> bool:
    """Whether a licence expression can be met with ``LICENSES``. Brackets are refused: none of the parts needs them."""
    if expression is None or "(" in expression:
        return expression == "MPL-2.0 AND (Apache-2.0 OR MIT)"  # orjson
    return any(all(one.strip() in LICENSES for one in way.split(" AND ")) for way in expression.split(" OR "))


def _versions(locked: Sequence[Locked], here: dict[str, Distribution]) -> list[str]:
    wanted: dict[str, list[Locked]] = {}
    for one in locked:
        wanted.setdefault(one.name, []).append(one)
    found = [f"{name} is installed, and not in the lock" for name in sorted(set(here) - set(wanted) - OWN)]
    for name, entries in wanted.items():
        if name not in here:
            if not all(one.marker for one in entries):  # else it may not apply here; pip check says where it is missed
                found.append(f"{name} is in the lock, and not installed")
        elif here[name].version not in (versions := [one.version for one in entries]):
            found.append(f"{name} {here[name].version} is installed, and the lock has {' or '.join(versions)}")
    return found


def _changed(distribution: Distribution) -> list[str]:
    """Files that are no longer as the wheel's own list (RECORD) has them."""
    found = []
    for file in distribution.files or ():
        if file.hash is None or file.hash.mode not in HASH_FORMS:
            continue
        path = Path(str(file.locate()))
        told = base64.urlsafe_b64decode(file.hash.value + "=" * (-len(file.hash.value) % 4))
        if not path.is_file():
            found.append(f"{distribution.name}: {file} is missing")
        elif hashlib.new(file.hash.mode, path.read_bytes()).digest() != told:
            found.append(f"{distribution.name}: {file} has been changed since it was installed")
    return found


def ask(lock: Path, run: Callable[..., subprocess.CompletedProcess[str]] = subprocess.run) -> Answer:
    """Ask the advisory service of pip-audit about every version in ``lock``."""
    asked = run(
        [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--disable-pip", "--require-hashes",
         "--format", "json", "--progress-spinner", "off"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return answer(asked.stdout, asked.stderr)


def answer(stdout: str, stderr: str) -> Answer:
    """Read what pip-audit wrote. Its exit code says less: it is 0 also where nothing could be asked."""
    try:
        told: list[dict[str, Any]] = orjson.loads(stdout)["dependencies"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return Answer((), (), (), (stderr.strip() or "pip-audit said nothing").splitlines()[-1])
    known = tuple(
        (one["name"], one["version"], flaw["id"], ", ".join(flaw.get("fix_versions") or ()) or "nothing yet")
        for one in told
        for flaw in one.get("vulns") or ()
    )
    unasked = tuple(one["name"] for one in told if "skip_reason" in one or "vulns" not in one)
    return Answer(tuple(one["name"] for one in told if one["name"] not in unasked), unasked, known)
