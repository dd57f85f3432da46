"""The SQL of the journal: every statement is named in a ``.sql`` file; values are always bound."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_INCLUDE = re.compile(r"^-- include: (\w+)\.(\w+)$", re.MULTILINE)


@cache
def statements(file: str) -> Mapping[str, str]:
    """The statements of ``sql/FILE.sql`` by name; ``-- include: FILE.NAME`` stands for that one, where several need it."""
    text = (files("vaka.journal") / "sql" / f"{file}.sql").read_text("utf-8")
    parts = [_INCLUDE.sub(lambda found: statements(found[1])[found[2]], part) for part in _NAME.split(text)]
    return {name: sql.strip() for name, sql in zip(parts[1::2], parts[2::2], strict=True)}


def migration_files() -> list[tuple[int, str, str]]:
    """(number, phase, SQL) of each migration in order."""
    found = []
    for entry in (files("vaka.journal") / "sql" / "migrations").iterdir():
        if match := re.fullmatch(r"(\d{4})_(pre|post)_\w+\.sql", entry.name):
            found.append((int(match[1]), match[2], entry.read_text("utf-8")))
    return sorted(found)
