"""What people of a unit wrote in a stop and the journal has refused: they hear of it where they look, and why.

Invariant: the reason is told to whom its author's unit is, and to nobody else."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from vaka.api.http import Request
from vaka.api.server import Server
from vaka.copy.reserve.entry import State
from vaka.copy.sheet.page import Reader, refused

_MOST: Final = 20
"""Refused entries that are named at once, the oldest ones: all are on `vaka reserve list`."""


def told(server: Server, request: Request, reader: Reader, *, of: Collection[str] | None = None) -> Reader:
    """The reader, who is told of entries that the journal refused. ``of``: ids of the patients whose they are; None: all."""
    session, reserve = request.access.session, server.door.reserve if server.door is not None else None
    if session is None or reserve is None or not reserve.store.has((State.REFUSED,)):
        return reader
    if of is not None and not any(map(reserve.holds, of)):
        return reader
    found = [
        refused(", ".join(sorted({part.type for part in one.parts})), one.recorded_us, one.reason, reader.language)
        for one in reserve.store.listed((State.REFUSED,))
        if one.unit == session.assignment.unit and (of is None or not one.patients.isdisjoint(of))
    ]
    return replace(reader, notices=(*reader.notices, *found[:_MOST])) if found else reader
