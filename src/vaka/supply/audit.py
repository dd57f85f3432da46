"""Is what is installed what was locked, and is anything known against it?

Two questions, kept apart. The first is answered here, without a network. For the second ``pip-audit`` asks an advisory service;
an answer that was not had is told as that, never as "none known": pip-audit itself passes over packages that the service does not
know and then says that it found nothing.
"""

from __future__ import annotations

import base64
import hashlib
import re
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
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC", "LGPL-3.0-only", "MIT", "MIT-0",
        "MPL-2.0", "PSF-2.0", "PostgreSQL", "Unicode-3.0", "Unlicense", "Zlib",
    }
)  # fmt: skip
Run = Callable[..., subprocess.CompletedProcess[str]]
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
            found.append(f"{part.name}: licence {part.license or part.license_text or 'not told'} is not allowed")
        # What came inside is asked where it tells a licence; libraries of the machine that built the wheel do not.
        for inner in part.inside:
            for told in inner.get("licenses") or ():
                expression = told.get("expression") or told.get("license", {}).get("id")
                if expression and not allowed(expression):
                    found.append(f"{part.name}: licence {expression} of {inner['name']} in it is not allowed")
    return found


def unmet() -> list[str]:
    """Needs of what is installed that are not met, as ``pip check`` says them."""
    checked = subprocess.run(  # nosec B603 # this Python's own pip; no shell
        [sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False
    )
    return [] if checked.returncode == 0 else (checked.stdout or checked.stderr).splitlines()


def allowed(expression: str | None) -> bool:
    """Whether a licence expression (SPDX) can be met with ``LICENSES``. What cannot be read is not allowed."""
    words = re.findall(r"[()]|[A-Za-z0-9.+-]+", (expression or "").replace("/", " OR "))  # as old crates write it
    at = 0

    def one() -> bool:
        nonlocal at
        word, at = words[at], at + 1
        if word == "(":
            met = either()
            if words[at] != ")":
                raise IndexError
            at += 1
            return met
        if words[at : at + 1] == ["WITH"]:  # an exception gives more than the licence alone
            at += 2
        return word in LICENSES

    def both() -> bool:
        nonlocal at
        met = one()
        while words[at : at + 1] == ["AND"]:
            at += 1
            met = one() and met
        return met

    def either() -> bool:
        nonlocal at
        met = both()
        while words[at : at + 1] == ["OR"]:
            at += 1
            met = both() or met
        return met

    try:
        return either() and at == len(words)
    except IndexError:
        return False


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


def ask(lock: Path, run: Run = subprocess.run) -> Answer:
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


def withdrawn(lock: Path, run: Run = subprocess.run) -> list[str] | None:
    """Versions of ``lock`` that their projects have withdrawn (PEP 592), as the package index of this pip says; None where it
    could not be asked. Fetches their files, as an installation would, and installs nothing."""
    asked = run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet", "install", "--dry-run",
         "--ignore-installed", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--report", "-", "-r", str(lock)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    try:
        told: list[dict[str, Any]] = orjson.loads(asked.stdout)["install"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    if asked.returncode != 0 or not told:
        return None
    return [f"{one['metadata']['name']} {one['metadata']['version']}" for one in told if one.get("is_yanked")]
