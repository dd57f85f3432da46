"""The SQL of the journal (``store.statements``), and its migrations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from vaka.store.statements import named


@cache
def statements(file: str) -> Mapping[str, str]:
    """The statements of the journal's ``sql/FILE.sql`` by name."""
    return named("vaka.journal", file)


def migration_files() -> list[tuple[int, str, str]]:
    """(number, phase, SQL) of each migration in order."""
    found = []
    for entry in (files("vaka.journal") / "sql" / "migrations").iterdir():
        if match := re.fullmatch(r"(\d{4})_(pre|post)_\w+\.sql", entry.name):
            found.append((int(match[1]), match[2], entry.read_text("utf-8")))
    return sorted(found)
