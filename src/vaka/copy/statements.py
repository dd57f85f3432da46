"""The SQL of the copy (``store.statements``)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from vaka.store.statements import named


@cache
def statements(file: str) -> Mapping[str, str]:
    """The statements of the copy's ``sql/FILE.sql`` by name."""
    return named("vaka.copy", file)
