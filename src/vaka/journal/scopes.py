"""What a program's scopes let it read and write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vaka.access.filter import AccessFilter
from vaka.errors import Forbidden
from vaka.journal.access import Gate

if TYPE_CHECKING:
    from vaka.journal.pool import Connection
    from vaka.journal.write import Write


def grants_gate(access: AccessFilter, letter: str) -> Gate:
    raise Forbidden(f"{access.principal} has no right to read the record")


async def require_granted(
    connection: Connection, access: AccessFilter, writes: Sequence[Write], standing: dict[int, Any]
) -> None:
    raise Forbidden(f"{access.principal} has no right to change the record")
