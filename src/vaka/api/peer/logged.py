"""``POST /peer/log``: a copy's access log, brought to the journal's tables (``accesslog.remote`` asks, this answers).

Invariants: a stream is the copy's that first told of it; a block is taken once; what is answered is committed.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Mapping
from typing import Any, Final

from vaka.accesslog import blocks, direct, tables
from vaka.accesslog.codec import Damaged, Described, Lacking
from vaka.accesslog.runs import Run, take
from vaka.accesslog.tables import Connection, statements
from vaka.api.server import Server
from vaka.errors import Forbidden, Invalid

_STREAM: Final = re.compile(r"[0-9a-f]{32}")


async def log(server: Server, copy: str, told: Mapping[str, Any], *, kind: str = "copy") -> dict[str, Any]:
    """``{"answer": …}``. ``kind``: what brings it: a copy, or a PC with a ward snapshot. Forbidden for another's stream; Invalid
    for what is no block."""
    stream = str(told.get("stream"))
    if not _STREAM.fullmatch(stream):
        raise Invalid("stream is 32 hex digits", path="stream")
    try:
        async with server.journal.pool.connection() as connection:
            return {"answer": await _answer(connection, f"{kind} {copy}", stream, told)}
    except (KeyError, ValueError, TypeError, Damaged) as error:
        raise Invalid("this is no part of an access log", why=f"{type(error).__name__} {error}"[:200]) from error


async def _answer(connection: Connection, system: str, stream: str, told: Mapping[str, Any]) -> Any:
    owned = await (await connection.execute(statements()["system_of"], {"stream": stream})).fetchone()
    owner = owned[0] if owned is not None else direct.SYSTEM if stream == direct.STREAM else system
    if owner != system:
        raise Forbidden("this access log is another's", why=f"stream {stream} is of {owner}")
    match told["ask"]:
        case "newest":
            found = await tables.newest(connection, stream)
            return [found[0], found[1].hex()] if found is not None else None
        case "described":
            known = await tables.described(connection, stream, int(told["chapter"]))
            return [(number, one.kind, one.text) for number, one in known.items()]
        case "covered":
            last = int(told["last"]) if told["last"] is not None else None
            return await tables.covered_blocks(connection, stream, first=int(told["first"]), last=last)
        case "head":
            await tables.put_head(connection, stream, system, int(told["block"]), _hash(told["hash"]))
            return True
        case "run":
            run = await asyncio.to_thread(_run, stream, told)
            first = run.blocks[0]
            await tables.put_head(
                connection, stream, system, first.number - 1, first.before
            )  # whose it is, first of all
            try:
                return await tables.put_run(connection, run, whole="described" in told)
            except Lacking as lacking:
                return {"lacking": lacking.numbers}
    raise ValueError(f"{str(told['ask'])[:20]} is not asked here")


def _run(stream: str, told: Mapping[str, Any]) -> Run:
    found = list(blocks.in_run(base64.b64decode(told["blocks"], validate=True), _hash(told["before"])))
    if not found or take(found) != len(found):
        raise ValueError("no run: its blocks are none, not consecutive, or of two chapters")
    described = {int(number): Described(int(kind), str(text)) for number, kind, text in told.get("described", ())}
    for one in described.values():
        one.require()
    return Run(stream, found, described)


def _hash(text: Any) -> bytes:
    found = bytes.fromhex(str(text))
    if len(found) != blocks.HASH_BYTES:
        raise ValueError("a hash has 32 bytes")
    return found
