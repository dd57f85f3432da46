"""Compiles an access filter to SQL. Every statement that reads the record passes through here."""

from __future__ import annotations

from vaka.access.filter import AccessFilter
from vaka.errors import Forbidden


def access_sql(access: AccessFilter) -> str:
    """A condition on ``r`` (resource). So far programs with full rights alone may read."""
    if "system/*.*" not in access.scopes:
        raise Forbidden(f"{access.principal} has no right to read the record")
    return "TRUE"


def require_writing(access: AccessFilter) -> None:
    """Forbidden unless ``access`` lets its principal change the record."""
    if "system/*.*" not in access.scopes:
        raise Forbidden(f"{access.principal} has no right to change the record")
