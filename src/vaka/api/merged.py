"""Who asks for a patient whose record goes on in another's gets that record, by the old id too, for ever (S23).

A read of the old Patient itself, its history and its versions are of itself: it says by ``link`` where its record goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vaka.api.http import Request
from vaka.api.server import Server

_PATIENT: Final = ("patient", "subject")
_OF_ITSELF: Final = frozenset(
    {"$times", "$visibility", "$validate", "$redact", "$sign", "$countersign", "$correct", "$lock", "$acknowledge", "$annul",
     "$misfiled"}
)  # fmt: skip


def follow(server: Server, request: Request) -> None:
    """Sends ``Patient/[id]/…`` (a compartment, ``$everything``, opening, attesting) to where the record goes on."""
    path = request.path
    if len(path) > 2 and path[0] == "Patient" and path[2] not in _OF_ITSELF and not path[2].startswith("_"):
        request.path = ("Patient", server.journal.writer.aliases.resolve(path[1]), *path[2:])


def followed(server: Server, parameters: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Search parameters; whose entries are asked for by ``patient`` or ``subject`` is whom that patient's record goes on in."""
    into = server.journal.writer.aliases.into
    if not into:
        return list(parameters)
    return [(name, _value(server, name, value)) for name, value in parameters]


def _value(server: Server, name: str, value: str) -> str:
    parameter, _, modifier = name.partition(":")
    if parameter not in _PATIENT or modifier not in ("", "Patient"):
        return value
    made = []
    for one in value.split(","):
        type_, slash, id_ = one.rpartition("/")
        resolved = server.journal.writer.aliases.resolve(id_) if type_ in ("", "Patient") else id_
        made.append(type_ + slash + resolved)
    return ",".join(made)
