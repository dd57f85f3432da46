"""/health and /ready of a copy: whether it can be read from and where writes go, told apart. Pure but for the clock.

Source for what is told: issue 4, S2. 200 as long as reading works: a copy whose journal is away is one to be sent readers.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Literal

import orjson

from vaka import __version__
from vaka.api.http import Response
from vaka.store.version import instant

if TYPE_CHECKING:
    from vaka.api.door.door import Door
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
    if door.reserve is not None and (door.standing.reserving or not door.standing.heard):
        return "reserve"
    return "journal" if door.standing.heard else False


def ready(door: Door) -> Response:
    """200 where a read is answered: from here, or, before there is a record here, by the journal."""
    standing = door.standing
    heard = standing.heard
    reading = standing.readable or heard
    told: dict[str, Any] = {
        "ready": reading, "reading": reading, "from": "copy" if standing.readable else "journal", "writing": writing(door),
        "ageSeconds": round(standing.age_s, 3) if standing.age_s < float("inf") else None,
        "asOf": instant(standing.as_of_us) if standing.readable else None,
        "cursor": str(standing.applied), "frozen": standing.frozen,
        **(door.held() if door.held is not None else {}),
    }  # fmt: skip
    headers = [] if reading else [("Retry-After", "1")]
    return Response(200 if reading else 503, orjson.dumps(told), headers, content_type=_JSON)
