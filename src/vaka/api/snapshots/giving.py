"""``/snapshot/…``: what an ordinary PC asks of a copy: a unit's snapshot, and whether those of its name were revoked;
and where it brings its log.

GET /snapshot/UNIT       the file, encrypted with the key in ``vaka-seed-key``, made by who asks for this once
GET /snapshot/standing   {"name", "revokedUs", "atUs"}, signed by this copy (``vaka-signature``)
POST /snapshot/log       at the journal: as ``/peer/log``, under the name of the token

Invariants: a token with the scope ``snapshot:UNIT`` gets that unit's alone, under its own name, and nothing once the name was
revoked; what leaves is in the access log with all its patients; what a PC brings to the log stands there as the PC's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vaka import config
from vaka.access.filter import AccessFilter
from vaka.access.scopes import FEED_PRIVATE, SNAPSHOT
from vaka.access.trail import Touched
from vaka.api.http import Request, Response
from vaka.api.keyring import key_id
from vaka.copy import seed
from vaka.copy.files import Folder
from vaka.copy.snapshot import build
from vaka.copy.snapshot.choose import Chosen, choose
from vaka.copy.statements import statements
from vaka.copy.store import CopyStore
from vaka.errors import Busy, Forbidden, Gone, Invalid, NotAllowed, NotFound
from vaka.fhir.definitions import type_name

if TYPE_CHECKING:
    from vaka.api.server import Server

SIGNATURE: Final = "vaka-signature"
_JSON: Final = "application/json"
_MAKING = asyncio.Semaphore(1)
_NAME_MAX_CHARS: Final = 64


def revocation(name: str) -> str:
    """What stands in the place of a session where all snapshots of a name are revoked."""
    return f"snapshot {name}"


class Giving:
    """Of one process of a copy. ``private``: what it signs with."""

    def __init__(self, folder: Folder, store: CopyStore, private: Ed25519PrivateKey, *, demo: bool = False) -> None:
        self._folder, self._store, self._private, self._demo = folder, store, private, demo

    async def answer(self, server: Server, request: Request) -> Response:
        """Forbidden without the scope; Gone for a revoked name; Busy while another is made; NotFound where there is no unit."""
        if request.method != "GET":
            raise NotAllowed("a snapshot is only read")
        match request.path[1:]:
            case ("standing",):
                return self._standing(_name(request, None))
            case (unit,):
                return await self._give(server, request, unit)
        raise NotFound("there is nothing at this address")

    def _revoked_us(self, name: str) -> int | None:
        with self._store.readers.trusted():
            row = self._store.readers.here().one(statements("snapshot")["revoked"], {"session": revocation(name)})
        return row[0] if row is not None else None

    def _standing(self, name: str) -> Response:
        body = orjson.dumps({"name": name, "revokedUs": self._revoked_us(name), "atUs": time.time_ns() // 1_000})
        proof = f"{key_id(self._private.public_key())}.{self._private.sign(said(body)).hex()}"
        return Response(200, body, [(SIGNATURE, proof)], content_type=_JSON)

    async def _give(self, server: Server, request: Request, unit: str) -> Response:
        name = _name(request, unit)
        transport_key = seed.transport_key(request.header(seed.KEY_HEADER))
        hours = _hours(request)
        if self._revoked_us(name) is not None:
            raise Gone(f"the snapshots of {name} were revoked", help="give the machine a new token, under a new name")
        if _MAKING.locked():
            raise Busy("another snapshot is being made", retry_after_s=10)
        request.access.trail.activity = "snapshot"
        request.access.trail.reason = f"{name}: {unit[:_NAME_MAX_CHARS]}"
        await _MAKING.acquire()
        stack = ExitStack()
        stack.callback(_MAKING.release)
        try:
            now_us = time.time_ns() // 1_000
            aged = self._store.aged
            chosen = await self._store.readers.run(
                lambda reader: choose(reader, unit, server.settings, now_us, aged=aged)
            )
            about = build.about_of(
                chosen, name=name, hours=hours, maker=self._folder.about().name,
                key=self._private.public_key().public_bytes_raw().hex(), now_us=now_us, demo=self._demo,
            )  # fmt: skip
            made = await asyncio.to_thread(
                stack.enter_context, build.built(self._folder.seeds, chosen, about, transport_key)
            )
        except BaseException:
            stack.close()
            raise
        _note(request.access, chosen)
        headers = [(seed.HASH_HEADER, made.digest.hex()), ("Content-Length", str(made.size_bytes))]
        return Response(
            200, headers=headers, content_type="application/octet-stream", stream=_sent(stack, made), paced=True
        )


def said(body: bytes) -> bytes:
    """What is signed of an answer."""
    return b"vaka snapshot standing\0" + body


async def bring_log(server: Server, request: Request) -> Response:
    """``POST /snapshot/log``, at the journal."""
    if request.method != "POST":
        raise NotAllowed("a log is brought here, with POST")
    _require_scope(request.access, None)
    _ = server.journal  # OnlyJournal on a copy, whose door passes it on
    from vaka.api.peer import logged
    from vaka.api.peer.routes import told

    answer = await logged.log(server, request.access.principal, await told(request), kind="snapshot")
    return Response(200, orjson.dumps(answer), content_type=_JSON)


def _require_scope(access: AccessFilter, unit: str | None) -> bool:
    """Whether it is a copy's own token. Forbidden where it may not."""
    if FEED_PRIVATE in access.scopes:
        return True
    units = {scope.removeprefix(SNAPSHOT) for scope in access.scopes if scope.startswith(SNAPSHOT)}
    if not units or (unit is not None and unit not in units):
        raise Forbidden(
            f"{access.principal} may not have this snapshot",
            help=f"it takes a token with the scope {SNAPSHOT}UNIT: vaka token --system PC --snapshot UNIT",
        )
    return False


def _name(request: Request, unit: str | None) -> str:
    """Under which name it is given: the token's; of a copy's own token, the one that is asked for."""
    own = _require_scope(request.access, unit)
    name = (request.option("name") if own else None) or request.access.principal
    if len(name) > _NAME_MAX_CHARS or not name.isprintable():
        raise Invalid(f"a name is at most {_NAME_MAX_CHARS} printable characters", path="name")
    return name


def _hours(request: Request) -> float:
    try:
        hours = float(request.option("hours") or config.SNAPSHOT_HOURS)
    except ValueError:
        hours = 0.0
    if not 0 < hours <= config.SNAPSHOT_MAX_HOURS:
        raise Invalid(f"hours is more than 0, and at most {config.SNAPSHOT_MAX_HOURS:g}", path="hours")
    return hours


def _note(access: AccessFilter, chosen: Chosen) -> None:
    access.trail.touched += [
        Touched(type_name(row.type), row.rkey, row.seq, row.patient, row.owner)
        for row in chosen.rows if row.patient is not None or row.rkey in chosen.people
    ]  # fmt: skip


async def _sent(stack: ExitStack, made: seed.Snapshot) -> AsyncGenerator[bytes, None]:
    with stack, made.path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, config.COPY_SEED_CHUNK_BYTES):
            yield chunk
