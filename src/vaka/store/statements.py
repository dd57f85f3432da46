"""SQL by name: every statement stands named in a ``.sql`` file of the part that uses it; values are always bound."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_INCLUDE = re.compile(r"^-- include: (\w+)\.(\w+)$", re.MULTILINE)


@cache
def named(package: str, file: str) -> Mapping[str, str]:
    """The statements of ``sql/FILE.sql`` in ``package`` by name; ``-- include: FILE.NAME`` stands for that one, where several
    need it."""
    text = (files(package) / "sql" / f"{file}.sql").read_text("utf-8")
    parts = [_INCLUDE.sub(lambda found: named(package, found[1])[found[2]], part) for part in _NAME.split(text)]
    return {name: sql.strip() for name, sql in zip(parts[1::2], parts[2::2], strict=True)}
