"""A ward snapshot on an ordinary PC: fetched, kept fresh, and opened for the people of the unit.

Invariants: what is opened listens on loopback alone unless TLS is there; what fails while a newer one is fetched leaves the one
that is here as it is."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vaka import config, errors, log, process
from vaka.access.settings import CLOSED, Settings
from vaka.api.snapshots.asking import Asking, token_in
from vaka.api.wire import Wire, is_loopback
from vaka.assemble.copies import check_source
from vaka.assemble.place import check_port
from vaka.copy.files import replace
from vaka.copy.scope import Scope
from vaka.copy.snapshot.about import About
from vaka.copy.snapshot.place import Place
from vaka.copy.tls import tls

if TYPE_CHECKING:
    from vaka.api.door.serve import Opened


@dataclass(frozen=True, slots=True)
class Keeping:
    """How a snapshot is fetched. ``source``: a copy's address; ``unit``: its id; ``every_s``: None for once."""

    place: Place
    source: str
    unit: str
    token_file: Path | None = None
    hours: float = config.SNAPSHOT_HOURS
    name: str = ""
    every_s: float | None = None
    authority: Path | None = None


def keep(keeping: Keeping, told: Callable[[About], None]) -> None:
    """Fetches it once, or again and again until a signal, which also ends a fetch. Setup error, Unavailable, Gone: nothing was
    fetched; KeyboardInterrupt: stopped before it was."""
    check_source(keeping.source)
    place = keeping.place
    place.require_free()
    if keeping.token_file is not None:
        replace(place.folder.token, keeping.token_file.read_bytes().strip() + b"\n")
    if not place.folder.token.exists():
        raise errors.Setup(
            "a snapshot is given for a token alone",
            help="at the journal: vaka token --system NAME --snapshot UNIT > FILE; here: --token-file FILE",
        )
    place.folder.establish(keeping.source, name=keeping.name or None, scope=Scope((keeping.unit,), (), 0.0))
    log.setup("snapshot-keep", place.folder.path / "log" / "keep.jsonl")
    asyncio.run(_keep(keeping, told))


async def _keep(keeping: Keeping, told: Callable[[About], None]) -> None:
    asking = Asking(keeping.place, keeping.source, token_in(keeping.place.folder.token), tls(keeping.authority, None))
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    try:
        while True:
            try:
                about = await _unless(stopping, asking.fetch(keeping.unit, hours=keeping.hours, name=keeping.name))
                if about is None:
                    if keeping.every_s is None:
                        raise KeyboardInterrupt
                    return
                told(about)
                wait_s = keeping.every_s
            except errors.Gone:
                await _let_go(keeping.place, asking)
                raise
            except errors.VakaError as error:
                if keeping.every_s is None:
                    raise
                log.warning("no newer snapshot", why=error.message)
                wait_s = min(keeping.every_s, config.SNAPSHOT_ASK_EVERY_S)
            if wait_s is None:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await stopping.wait()
            if stopping.is_set():
                return
    finally:
        await asking.close()


async def _unless(stopping: asyncio.Event, work: Coroutine[None, None, About]) -> About | None:
    """What ``work`` gives; None where it was told to stop first: then nothing of it is left."""
    doing, told = asyncio.ensure_future(work), asyncio.ensure_future(stopping.wait())
    await asyncio.wait((doing, told), return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if not doing.done():
        doing.cancel()
        await asyncio.wait((doing,))
    return None if doing.cancelled() else doing.result()


async def _let_go(place: Place, asking: Asking) -> None:
    """The file goes where a copy that it knows says, signed, that it was revoked."""
    if place.file.exists():
        about = place.about()
        revoked_us = await asking.revoked_us(about)
        if revoked_us is not None and revoked_us >= about.made_us:
            place.revoke(revoked_us)


@dataclass(frozen=True, slots=True)
class Opening:
    """How a snapshot is opened."""

    place: Place
    host: str = "127.0.0.1"
    port: int = 8090
    wire: Wire = field(default_factory=Wire)
    law: Settings = CLOSED
    authority: Path | None = None


def open_(opening: Opening, told: Callable[[About], None]) -> None:
    """Serves the snapshot until a signal. Setup error, Over: it cannot be opened."""
    place = opening.place
    about = place.require_usable()
    opening.wire.check(opening.host)
    check_port(opening.host, opening.port)
    logs = place.folder.path / "log"
    process.prepare("snapshot", logs)
    log.setup("snapshot", logs / "snapshot.jsonl")
    from vaka.api.door.serve import serve
    from vaka.api.snapshots.opening import open_snapshot
    from vaka.web import routes

    async def opened() -> Opened:
        asking = None
        if place.folder.token.exists():
            source = place.folder.about().journal
            asking = Asking(place, source, token_in(place.folder.token), tls(opening.authority, None))
        near = is_loopback(opening.host) and not opening.wire.behind_proxy
        made = await open_snapshot(place, "snapshot", asking=asking, demo_login=near, law=opening.law)
        told(about)
        return made

    serve(
        opened, opening.host, opening.port, place.folder.path, name="snapshot", beat=lambda: None, web=routes,
        wire=opening.wire,
    )  # fmt: skip
