"""Opens a copy for answering: its files for reading, its people, its log, and the way to the journal, put together.

Invariants: nothing here needs the journal; before the copy holds a record its door is open all the same, and passes all on; what
the follower must do (show what was opened here) is asked of it by its control socket.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

from vaka import config, log
from vaka.access.settings import CLOSED, Settings
from vaka.accesslog.ladder import Ladder
from vaka.accesslog.remote import JournalStore
from vaka.accesslog.writer import AccessLog
from vaka.api.admission import Admission, Shared
from vaka.api.copy_keys import private_key
from vaka.api.copy_server import Copy, copy_chores, copy_server
from vaka.api.door.alarm import Alarm
from vaka.api.door.begun import Begun
from vaka.api.door.door import Door
from vaka.api.door.passing import Passing
from vaka.api.door.serve import Opened
from vaka.api.door.told import Told
from vaka.api.door.upstream import InDoubt, NotSent, Upstream
from vaka.api.peer import carried
from vaka.api.peer.seed import give
from vaka.api.reserve.accept import Reserving
from vaka.api.reserve.opening import reserving
from vaka.api.server import Server
from vaka.api.snapshots.giving import Giving
from vaka.copy import control, engine
from vaka.copy.apply import codec, is_ours
from vaka.copy.changes import Changes
from vaka.copy.files import Folder, key, log_key, marks_key
from vaka.copy.own import Own
from vaka.copy.reader import Reader
from vaka.copy.reserve.neighbours import Neighbours
from vaka.copy.scope import REGION
from vaka.copy.sheet import page
from vaka.copy.sheet.answering import CopySheets
from vaka.copy.store import CopyStore
from vaka.copy.tls import Ways
from vaka.errors import OnlyJournal, Unavailable
from vaka.store.sheet import Freshness, Notice

_LOOK_S: Final = 0.02
_AGAIN_S: Final = 1.0
PostJournal = Callable[[str, bytes], Awaitable[tuple[int, bytes]]]


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the followed record is (``copy.readers.Source``)."""

    folder: Folder
    key: bytes
    told: Told

    def seed(self) -> int:
        return self.told.seed

    def open(self) -> Reader:
        number = self.seed()
        connection = engine.reader(self.folder.record(number), self.key)
        try:
            engine.require_filled(connection, self.folder.record(number))
        except engine.Damaged:
            connection.close()
            raise
        if not is_ours(connection):
            connection.close()
            self.told.foreign = number
            raise OnlyJournal(
                "this copy's record is of another release, and is being made anew",
                help="try another copy, or the journal",
            )
        return Reader(connection, codec(connection), number)

    def damaged(self, seed: int, what: str) -> None:
        threading.Thread(target=self._say_damaged, args=(seed,), daemon=True).start()

    def _say_damaged(self, seed: int) -> None:
        """The follower looks through the file, and takes another where it is so."""
        try:
            asyncio.run(control.ask(self.folder.control, {"damaged": seed}))
        except (OSError, TimeoutError, ValueError) as away:
            log.error("the follower was not told of damage", seed=seed, kind=type(away).__name__)


async def open_copy(
    path: Path, journal: str, name: str, *, demo: bool = False, demo_login: bool = False, law: Settings = CLOSED,
    key_file: Path | None = None, authority: Path | None = None, certificate: Path | None = None,
) -> Opened:  # fmt: skip
    """The copy in ``path``, which follows ``journal``. ``name``: of this process."""
    folder = Folder(path)
    folder.prepare()
    ways = Ways(authority, certificate, folder.revoked)
    secret, told, upstream = key(folder, key_file), Told(folder.board), Upstream(journal, _context(ways.journal))
    post = _post(upstream, folder.token)
    store = CopyStore(_Source(folder, secret, told), aged=lambda: told.aged)
    own = Own(engine.lasting(folder.own, secret))
    reserve = reserving(
        folder, store, key_file=key_file, token_file=folder.token, verify=ways.copies,
        offset_ms=lambda: told.offset_ms,
    )  # fmt: skip
    at_journal = JournalStore(post)
    carried_over = JournalStore(carried.to_neighbours(private_key(folder.keys), reserve.peers.carry), carried=True)
    passing = Passing(upstream)
    begun = Begun(Neighbours(folder).peers, _context(ways.copies))
    ways.renew += [reserve.peers.renew, begun.renew]
    access_log = await AccessLog.open(
        path / "accesslog" / name, at_journal, f"copy {folder.about().name}",
        fallback=Ladder(at_journal, carried_over, lambda: passing.reaches(told)), key=log_key(secret),
    )  # fmt: skip
    door = Door(
        passing, told, login=True, reserve=reserve, seed=partial(give, folder, secret),
        held=partial(_held, folder, told), carry=partial(carried.keep, own), begun=begun,
    )  # fmt: skip
    admission = Admission(Shared.open(path / "admission"))

    async def show() -> None:
        try:
            answer = await control.ask(folder.control, {"apply": {"own": 0}})
        except (OSError, TimeoutError, ValueError) as away:
            raise Unavailable("this copy's follower does not answer", help="try again in a moment") from away
        if "error" in answer:
            raise Unavailable("this copy's follower could not do this", help="its log says why")

    copy = Copy(folder.keys, store, own, lambda: store.readers.here().connection, show)

    async def complete() -> Server:
        await _readable(told, store)
        made = await copy_server(copy, access_log, demo=demo, demo_login=demo_login, law=law)
        giving = Giving(folder, store, private_key(folder.keys), demo=demo_login)
        # Whether a patient is held whole is nothing that the changes tell: a copy of some units keeps no answers.
        changes = Changes(folder.changes, reads=True) if folder.about().scope is None else None
        sheets = CopySheets(store, lambda: _freshness(told, door.passing, reserve), changes)
        return replace(made, sheets=sheets, door=door, admission=admission, giving=giving)

    async def close() -> None:
        await access_log.close()
        await reserve.close()
        store.close()
        await upstream.close()
        await begun.close()

    waiting = Server(
        store, None, cast("Any", None), cast("Any", None), access_log, cast("Any", None), cast("Any", None),
        cast("Any", None), None, cast("Any", None), settings=law, door=door, admission=admission,
    )  # fmt: skip
    beside = (*copy_chores(copy, folder.about().name, post), ways.follow(), Alarm(told).follow())
    return Opened(waiting, door, complete, beside, close, marks_key(secret))


async def _readable(told: Told, store: CopyStore) -> None:
    """Until there is a record here to read from."""
    while True:
        while not told.readable:  # noqa: ASYNC110  the board is shared memory, and wakes nobody
            await asyncio.sleep(_LOOK_S)
        try:
            store.readers.here()
            return
        except OnlyJournal:  # of another release, or damaged: the follower makes another
            await asyncio.sleep(_AGAIN_S)


def _context(verify: ssl.SSLContext | bool) -> ssl.SSLContext | None:
    return verify if isinstance(verify, ssl.SSLContext) else None


def _held(folder: Folder, told: Told) -> dict[str, Any]:
    """Whose record this copy has, for /ready."""
    scope = folder.about().scope
    if scope is None:
        return {"scope": [REGION]}
    return {"scope": scope.named, "patients": told.patients, "takingIn": told.taking}


def _freshness(told: Told, passing: Passing, reserve: Reserving) -> Freshness:
    away, since_us = told.peers_away, told.missing_since_us
    missing = tuple((one.name, one.since_us) for one in reserve.peers.out_of_reach()) if away else ()
    notices: tuple[Notice, ...] = ()
    if since_us is not None:
        notices = ((page.NOT_SHOWN_SINCE, since_us),) if since_us else (page.NOT_SHOWN,)
    if told.aged:
        notices = (*notices, page.AGED)
    return Freshness(
        told.as_of_us, told.age_s, not passing.reaches(told), not away and since_us is None, notices, missing
    )  # fmt: skip


def _post(upstream: Upstream, token: Path) -> PostJournal:
    """Sends what this copy brings, with its own token."""

    async def post(address: str, body: bytes) -> tuple[int, bytes]:
        proof = f"Bearer {token.read_text().strip()}".encode()  # noqa: ASYNC240  a line; read again since it is renewed
        headers = [
            (b"host", upstream.netloc.encode()),
            (b"authorization", proof),
            (b"content-type", b"application/json"),
        ]
        try:
            async with asyncio.timeout(config.LOG_DATABASE_TIMEOUT_S):
                answer = await upstream.ask("POST", address, headers, body)
                return answer.status, b"".join([piece async for piece in answer.body()])
        except (NotSent, InDoubt) as away:
            raise ConnectionError("the journal cannot be reached") from away

    return post
