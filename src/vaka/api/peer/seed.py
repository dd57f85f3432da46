"""``GET /peer/seed``: a copy gives its neighbour its record (``copy.seed``). Mounted by a copy's door.

Invariants: one snapshot at a time is made; it is sent no faster than it is read, and removed when its answer ends; what leaves is
encrypted with the key that the neighbour made for this once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import ExitStack

from vaka import config
from vaka.access.scopes import FEED
from vaka.api.http import Request, Response
from vaka.copy import seed
from vaka.copy.files import Folder
from vaka.errors import Busy, Forbidden, NotAllowed

_GIVING = asyncio.Semaphore(1)


async def give(folder: Folder, key: bytes, request: Request) -> Response:
    """200 with the file. Forbidden without the scope ``feed``; Busy while another is given one; NotFound before there is any."""
    if request.method != "GET":
        raise NotAllowed("a seed is only read")
    if FEED not in request.access.scopes:
        raise Forbidden(f"{request.access.principal} has no right to a seed", help="it takes the scope feed")
    transport_key = seed.transport_key(request.header(seed.KEY_HEADER))
    if _GIVING.locked():
        raise Busy("another copy is given a seed", retry_after_s=60)
    await _GIVING.acquire()
    stack = ExitStack()
    stack.callback(_GIVING.release)
    try:
        made = await asyncio.to_thread(stack.enter_context, seed.snapshot(folder, key, transport_key))
    except BaseException:
        stack.close()
        raise
    headers = [(seed.HASH_HEADER, made.digest.hex()), ("Content-Length", str(made.size_bytes))]
    return Response(
        200, headers=headers, content_type="application/octet-stream", stream=_sent(stack, made), paced=True
    )


async def _sent(stack: ExitStack, made: seed.Snapshot) -> AsyncGenerator[bytes, None]:
    with stack, made.path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, config.COPY_SEED_CHUNK_BYTES):
            yield chunk
