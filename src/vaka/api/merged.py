"""An address below a patient whose record goes on in another's means that record, by the old id too, for ever (S23).

A read of the old Patient itself, its history and its versions are of itself: it says by ``link`` where its record goes on.
Searches know both ids by themselves (``Journal.same``).
"""

from __future__ import annotations

from typing import Final

from vaka.api.http import Request
from vaka.api.server import Server

_OF_ITSELF: Final = frozenset(
    {"$times", "$visibility", "$validate", "$redact", "$sign", "$countersign", "$correct", "$lock", "$acknowledge", "$annul",
     "$misfiled"}
)  # fmt: skip


def follow(server: Server, request: Request) -> None:
    """Sends ``Patient/[id]/…`` (a compartment, ``$everything``, opening, attesting) to where the record goes on."""
    path = request.path
    if len(path) > 2 and path[0] == "Patient" and path[2] not in _OF_ITSELF and not path[2].startswith("_"):
        request.path = ("Patient", server.store.resolve(path[1]), *path[2:])
