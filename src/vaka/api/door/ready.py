"""/health and /ready of a copy: whether it can be read from and where writes go, told apart. Pure but for the clock.

Source for what is told: issue 4, S2. 200 as long as reading works: a copy whose journal is away is one to be sent readers.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson

from vaka import __version__
from vaka.api.http import Response
from vaka.store.version import instant

if TYPE_CHECKING:
    from vaka.api.door.door import Door, Safety
    from vaka.api.server import Server

_BEGAN = time.monotonic()
_JSON = "application/json"
Writing = Literal["journal", "reserve", False]


def health(server: Server) -> Response:
    """200 as long as this process answers at all."""
    told: dict[str, Any] = {"status": "up", "role": "copy", "pid": os.getpid(), "version": __version__}
    told["admission"] = server.admission.told()
    return Response(200, orjson.dumps({**told, "seconds": round(time.monotonic() - _BEGAN, 1)}), content_type=_JSON)


def writing(door: Door) -> Writing:
    """Where a write of this moment goes."""
    reached = door.passing.reaches(door.standing)
    if door.reserve is not None and (door.standing.reserving or not reached):
        return "reserve"
    return "journal" if reached else False


_TAKES: Final = {
    "all": "what is written during a stop stands on this disk alone until the journal is back",
    "people": "what people write during a stop stands on this disk alone until the journal is back; programs get 503 and keep"
    " their queue",
    "nobody": "nothing can be written during a stop, since nothing is to stand on one disk alone",
}


def reserve(safety: Safety) -> dict[str, Any]:
    """Where a write would stand while the journal is away, in words where that is one disk alone."""
    told: dict[str, Any] = {"copies": safety.copies, "takes": safety.takes, "alone": safety.alone}
    if safety.copies > 1:
        return told
    why = "this copy is alone" if safety.alone else "no neighbour of this copy can be reached"
    return {**told, "says": f"{why}: {_TAKES[safety.takes]} (copies=1)"}


def ready(door: Door) -> Response:
    """200 where a read is answered: from here, or, before there is a record here, by the journal."""
    standing = door.standing
    reading = standing.readable or door.passing.reaches(standing)
    told: dict[str, Any] = {
        "ready": reading, "reading": reading, "from": "copy" if standing.readable else "journal", "writing": writing(door),
        "ageSeconds": round(standing.age_s, 3) if standing.age_s < float("inf") else None,
        "asOf": instant(standing.as_of_us) if standing.readable else None,
        "cursor": str(standing.applied), "frozen": standing.frozen,
        "diskFull": standing.disk_full,
        **({"reserve": reserve(door.reserve.safety())} if door.reserve is not None else {}),
        **(door.held() if door.held is not None else {}),
    }  # fmt: skip
    headers = [] if reading else [("Retry-After", "1")]
    return Response(200 if reading else 503, orjson.dumps(told), headers, content_type=_JSON)
