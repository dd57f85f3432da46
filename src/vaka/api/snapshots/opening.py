"""Opens a ward snapshot for answering: what ``api.door.opening`` does for a copy, with nobody to ask.

Invariants: nothing here needs a network; the log is written here, durably, before an answer leaves, and brought to the journal
through a copy whenever one can be reached, each record once; people prove themselves to this machine alone, in an
assignment at the snapshot's unit (in another one its lists would be empty, which reads as none: S3), and their sessions count
nowhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

import httpx

from vaka import config, log
from vaka.access.settings import CLOSED, Settings
from vaka.accesslog.remote import JournalStore
from vaka.accesslog.writer import AccessLog
from vaka.api.admission import Admission, Shared
from vaka.api.copy_server import Copy, copy_server
from vaka.api.door.serve import Opened
from vaka.api.server import Server
from vaka.api.snapshots.asking import Asking
from vaka.api.snapshots.door import SnapshotDoor, Standing
from vaka.api.snapshots.prints import Prints
from vaka.copy.files import log_key, marks_key
from vaka.copy.own import Own
from vaka.copy.sheet import page
from vaka.copy.sheet.answering import CopySheets
from vaka.copy.snapshot.about import NOTICE
from vaka.copy.snapshot.place import Clock, Place, Source
from vaka.copy.statements import statements
from vaka.copy.store import CopyStore
from vaka.errors import VakaError
from vaka.store.sheet import Freshness, Notice

_ADDRESS = "/snapshot/log"


async def open_snapshot(
    place: Place, name: str, *, asking: Asking | None, demo_login: bool = False, law: Settings = CLOSED
) -> Opened:
    """The snapshot at ``place``. ``asking``: the copy that is asked when it can be reached, None: none ever. Setup error
    where the file cannot be used at all; Over where it may not be used now."""
    about = place.require_usable()
    own = place.own()
    clock, source = Clock(own), Source(place, config.SNAPSHOT_LOOK_S)
    store = CopyStore(source, aged=lambda: standing.aged)
    standing = Standing(store, source, own, clock)
    access_log = await AccessLog.open(
        place.folder.path / "accesslog" / name, JournalStore(_post(asking)), f"snapshot {about.name}",
        key=log_key(place.key),
    )  # fmt: skip
    door = SnapshotDoor(standing)
    admission = Admission(Shared.open(place.folder.path / "admission"))
    sites = [row[0] for row in store.readers.here().connection.execute(statements("snapshot")["sites"])]

    async def show() -> None:
        """What is opened here shows by itself (``copy.snapshot.place``)."""

    copy = Copy(place.folder.keys, store, own, lambda: store.readers.here().connection, show)

    async def complete() -> Server:
        made = await copy_server(copy, access_log, demo=about.demo, demo_login=demo_login and about.demo, law=law)
        made.callers.people.unit = lambda: standing.about().unit
        return replace(
            made, sheets=CopySheets(store, lambda: _freshness(standing), alone=True), door=door.as_door(), admission=admission,
            prints=Prints(standing.about), site=sites[0] if sites else "",
        )  # fmt: skip

    async def close() -> None:
        await access_log.close()
        store.close()
        if asking is not None:
            await asking.close()

    nothing = cast("Any", None)
    waiting = Server(
        store, None, nothing, nothing, access_log, nothing, nothing, nothing, None, nothing, settings=law,
        door=door.as_door(), admission=admission,
    )  # fmt: skip
    return Opened(
        waiting, door.as_door(), complete, (_look(standing, own, place, asking),), close, marks_key(place.key)
    )


def _freshness(standing: Standing) -> Freshness:
    notices: tuple[Notice, ...] = ((NOTICE, standing.about().expires_us), *((page.AGED,) if standing.aged else ()))
    return Freshness(standing.as_of_us, standing.age_s, away=True, certain=False, notices=notices)


def _post(asking: Asking | None) -> Callable[[str, bytes], Awaitable[tuple[int, bytes]]]:
    async def post(address: str, body: bytes) -> tuple[int, bytes]:
        if asking is None:
            raise ConnectionError("no copy is named that could be asked")
        return await asking.post(_ADDRESS, body)

    return post


async def _look(standing: Standing, own: Own, place: Place, asking: Asking | None) -> None:
    """The highest time seen, and, whenever a copy can be reached, whether the snapshot was revoked."""
    asked_s = -config.SNAPSHOT_ASK_EVERY_S
    loop = asyncio.get_running_loop()
    while True:
        try:
            if asking is not None and loop.time() - asked_s >= config.SNAPSHOT_ASK_EVERY_S:
                asked_s = loop.time()
                about = standing.about()
                revoked_us = await asking.revoked_us(about)
                if revoked_us is not None and revoked_us >= about.made_us:
                    await asyncio.to_thread(place.revoke, revoked_us)
            await asyncio.to_thread(standing.look)
        except (OSError, httpx.HTTPError, VakaError) as away:
            log.info("no copy can be asked", kind=type(away).__name__)
            await asyncio.to_thread(standing.look)
        await asyncio.sleep(config.SNAPSHOT_SEEN_EVERY_S)
