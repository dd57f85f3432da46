"""/health: this process lives. /ready: a write commits and is read back. Neither needs a token, neither tells of the record."""

from __future__ import annotations

import os
import time

import orjson

from vaka import __version__
from vaka.api.http import Response
from vaka.api.server import Server
from vaka.errors import VakaError

_BEGAN = time.monotonic()


def health(server: Server) -> Response:
    """200 as long as this process answers at all. ``admission``: how many it lets in, and whom it has refused (numbers alone)."""
    told = {
        "status": "up",
        "role": "journal",
        "pid": os.getpid(),
        "version": __version__,
        "seconds": round(time.monotonic() - _BEGAN, 1),
        "admission": server.admission.told(),
    }
    return Response(200, orjson.dumps(told), content_type="application/json")


async def ready(server: Server) -> Response:
    """200 after a real commit was read back; 503 with the reason if not."""
    from vaka.journal import chores

    began = time.monotonic()
    try:
        await chores.probe(server.journal, f"ready-{os.getpid()}")
    except VakaError as error:
        told = {"ready": False, "reason": error.message}
        return Response(503, orjson.dumps(told), [("Retry-After", "1")], content_type="application/json")
    told = {"ready": True, "epoch": server.journal.epoch, "ms": round((time.monotonic() - began) * 1_000, 2)}
    return Response(200, orjson.dumps(told), content_type="application/json")
