"""Runs the front door of a copy in this process until SIGTERM or SIGINT, within one event loop.

Invariants: it opens whether or not the journal can be reached; its first answers wait for nothing that they do not need, and what
later ones need is imported beside them; several of these share one port (SO_REUSEPORT); it beats as
long as its loop runs, for who looks after it; on a stop, requests under way get their answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import uvloop

from vaka import log, process
from vaka.api.app import Application, Web
from vaka.api.door.door import Door
from vaka.api.front import Front
from vaka.api.http1 import Tls
from vaka.api.listen import Listeners, until_stopped
from vaka.api.request_log import RequestLog
from vaka.api.server import Server
from vaka.api.wire import Wire
from vaka.process import take_turns

_BEAT_S: Final = 0.5
_REST_AFTER_S: Final = 1.0
_COMPLETED_AGAIN_S: Final = 2.0
_REST: Final = (
    "vaka.api.routes", "vaka.web.routes", "vaka.api.interactions.unit", "vaka.api.interactions.notes", "httpcore", "httpx",
)  # fmt: skip
"""What somebody will ask for soon: pages, logins, reads, what is passed on."""


@dataclass(frozen=True, slots=True)
class Opened:
    """``waiting``: what answers before the copy holds a record: it passes all on. ``complete``: makes what answers then;
    ``beside``: work that goes on all the time; ``close``: closes all; ``marks_key``: of the request log's marks."""

    waiting: Server
    door: Door
    complete: Callable[[], Awaitable[Server]]
    beside: Sequence[Coroutine[Any, Any, None]]
    close: Callable[[], Awaitable[None]]
    marks_key: bytes


def serve(
    open_: Callable[[], Awaitable[Opened]], host: str, port: int, data_dir: Path, *, name: str, beat: Callable[[], None],
    web: Web | None, wire: Wire, peers: Tls | None = None,
) -> None:  # fmt: skip
    """Serves what ``open_`` opens on ``host:port``, as ``wire`` says. ``peers``: how other copies are met at its ``peer_port``.
    Returns after a clean stop."""
    take_turns()
    uvloop.run(_serve(open_, host, port, data_dir, name, beat, web, wire, peers))


async def _serve(
    open_: Callable[[], Awaitable[Opened]], host: str, port: int, data_dir: Path, name: str, beat: Callable[[], None],
    web: Web | None, wire: Wire, peers: Tls | None,
) -> None:  # fmt: skip
    opened = await open_()
    door = opened.door
    admission = opened.waiting.admission
    admission.start()
    behind: list[tuple[Application, Front]] = []
    requests = RequestLog(data_dir / "log" / f"{name}.requests.log", opened.marks_key)
    process.settle_memory(collect=False)

    def application(front: Front) -> Application:
        made = Application(replace(opened.waiting, wire=front), requests, web)
        behind.append((made, front))
        return made

    async def complete() -> None:
        """Once the copy holds a record; and from then on who was ended elsewhere is known here."""
        server = await _completed(opened.complete)
        for made, front in behind:
            made.server = replace(server, wire=front)
        rest = asyncio.create_task(_import_the_rest())
        try:
            await server.callers.revocations.follow()
        finally:
            rest.cancel()

    listeners = Listeners(wire, host, port, data_dir, application, peers)
    log.info("serving", host=host, port=port, scheme=wire.scheme, copy=name)
    try:
        beside = (_beat(beat), listeners.follow(), complete(), door.passing.look(door.standing), *opened.beside)
        await until_stopped(listeners, beside, admission)
    finally:
        await door.passing.close()
        await opened.close()
        requests.flush()
        log.info("stopped", copy=name)


async def _completed(complete: Callable[[], Awaitable[Server]]) -> Server:
    """What answers here, once it can be made; until then all is passed on, and each time it is told why."""
    while True:
        try:
            return await complete()
        except Exception as error:
            log.error("this copy cannot answer by itself", exception=error)
            await asyncio.sleep(_COMPLETED_AGAIN_S)


async def _import_the_rest() -> None:
    """What the first answers could do without, before it is asked for, in a thread of its own. Who asks before waits for it."""
    await asyncio.sleep(_REST_AFTER_S)
    for name in _REST:
        try:
            await asyncio.to_thread(import_module, name)
        except Exception as error:  # who asks for it is told; the rest goes on
            log.error("a part cannot be used", part=name, exception=error)
    process.settle_memory(collect=False)
    process.survivors.stay()


async def _beat(beat: Callable[[], None]) -> None:
    while True:
        try:
            beat()
        except OSError as full:  # a disk that is full makes nobody dead
            log.warning("cannot beat", kind=type(full).__name__)
        await asyncio.sleep(_BEAT_S)
