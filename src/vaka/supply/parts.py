"""The distributions that run, as installed: version, licence, needs, hashes, and what else lies inside them.

Invariant: nothing is guessed. What neither a distribution, nor a bill of materials inside it (PEP 770), nor a file of it
tells has no version here. ``inside.py`` names what lies in wheels without being told anywhere.
Source: https://packaging.python.org/en/latest/specifications/core-metadata/
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final

import orjson

from vaka import errors
from vaka.supply import inside
from vaka.supply.lock import Locked, normal

# What metadata calls a licence in other words than SPDX's.
_WORDS: Final[Mapping[str, str]] = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "ISC License (ISCL)": "ISC",
}
# Licences read by a person from the licence file in the wheel, where metadata does not name one exactly ("BSD").
_READ: Final[Mapping[str, str]] = {
    "apsw-sqlite3mc": "Zlib",
    "flexcache": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    "pint": "BSD-3-Clause",
    "pyasn1-modules": "BSD-2-Clause",
    "pystemmer": "MIT AND BSD-3-Clause",
    "segno": "BSD-3-Clause",
}


@dataclass(frozen=True, slots=True)
class Part:
    """``license``: an SPDX expression, or None; ``license_text``: what the metadata says instead. ``hashes``: of the files that
    the lock allows. ``needs``: names of other parts. ``inside``: components of CycloneDX that came within it."""

    name: str
    version: str
    license: str | None
    license_text: str
    summary: str
    hashes: tuple[str, ...]
    needs: tuple[str, ...]
    inside: tuple[dict[str, Any], ...]


def installed() -> dict[str, metadata.Distribution]:
    """Every distribution of this environment, by its normalised name."""
    return {normal(found.metadata["Name"]): found for found in metadata.distributions() if found.metadata["Name"]}


def parts(locked: Iterable[Locked]) -> list[Part]:
    """Those of ``locked`` that are installed here, by name. What should be here and is not, is the audit's to say."""
    here = installed()
    allowed = {(entry.name, entry.version): entry for entry in locked}
    found = []
    for name in sorted({name for name, _ in allowed} & set(here)):
        distribution = here[name]
        entry = allowed.get((name, distribution.version))
        if entry is None:
            raise errors.Setup(
                f"{name} {distribution.version} is installed, and the lock has another version",
                help="start ./vaka once: it installs what the lock names",
            )
        found.append(_part(distribution, entry, {name for name, _ in allowed} & set(here)))
    return found


def _part(distribution: metadata.Distribution, entry: Locked, here: set[str]) -> Part:
    told, text = license_of(distribution.metadata, entry.name)
    summary = distribution.metadata["Summary"] or ""
    nested = (*_told_inside(distribution), *inside.components(entry.name, distribution), *_libraries(distribution))
    return Part(entry.name, entry.version, told, text, summary, entry.hashes, _needs(distribution, here), nested)


def license_of(said: metadata.PackageMetadata, name: str) -> tuple[str | None, str]:
    """The SPDX expression, and the metadata's own words: License-Expression, else License, else the classifiers."""
    if expression := said["License-Expression"]:
        return expression, expression
    classifiers = [c.rpartition(" :: ")[2] for c in said.get_all("Classifier") or () if c.startswith("License ::")]
    text = (said["License"] or "").strip().partition("\n")[0] or ", ".join(classifiers)
    if name in _READ:
        return _READ[name], text
    for word in (text, *(classifiers if len(classifiers) == 1 else ())):
        if word in _WORDS:
            return _WORDS[word], text
        if inside.SPDX.fullmatch(word) and word not in {"BSD", "Apache", "PSF", "GPL", "LGPL"}:
            return word, text
    return None, text


def _needs(distribution: metadata.Distribution, here: set[str]) -> tuple[str, ...]:
    """Parts that it requires, or can make use of by an extra that is in the lock. Markers of place are not judged: what they
    leave out is not installed either."""
    names = (re.match(r"[A-Za-z0-9._-]+", line) for line in distribution.requires or ())
    return tuple(sorted({normal(name[0]) for name in names if name} & here - {normal(distribution.metadata["Name"])}))


def _told_inside(distribution: metadata.Distribution) -> list[dict[str, Any]]:
    """Components of the bills of materials that the wheel brings (PEP 770), without paths of the machine that built it."""
    found = []
    for file in distribution.files or ():
        if file.parent.name != "sboms" or file.suffix != ".json":
            continue
        for component in orjson.loads(file.read_binary()).get("components", ()):
            if normal(component["name"]) != normal(distribution.metadata["Name"]):
                kept = {
                    key: component[key] for key in ("type", "name", "version", "licenses", "hashes") if key in component
                }
                if purl := component.get("purl"):
                    kept["purl"] = purl.partition("?")[0]
                found.append(kept)
    return found


def _libraries(distribution: metadata.Distribution) -> list[dict[str, Any]]:
    """Shared libraries that were put into the wheel from the machine that built it (``*.libs``), by file and hash."""
    found = []
    for file in distribution.files or ():
        if not file.parts[0].endswith(".libs") or file.hash is None or file.hash.mode != "sha256":
            continue
        digest = base64.urlsafe_b64decode(file.hash.value + "=" * (-len(file.hash.value) % 4)).hex()
        component: dict[str, Any] = {
            "type": "library",
            "name": re.sub(r"-[0-9a-f]{8}(?=\.so)", "", file.name),
            "hashes": [{"alg": "SHA-256", "content": digest}],
        }
        found.append(component | inside.release_of(file))
    return found
