"""$lock: from now on only annulment and redaction change the entry (J1). A signed entry locks by itself after
``config.LOCK_AFTER_SIGNING_DAYS``."""

from __future__ import annotations

from vaka.access.law import Act
from vaka.access.marks import Actor
from vaka.api.http import Request, Response
from vaka.api.interactions.sign import marked
from vaka.api.server import Server
from vaka.errors import Conflict
from vaka.journal.journal import Transaction
from vaka.journal.marks import entry_of
from vaka.store.version import Version


async def lock(server: Server, request: Request, type_: str, id_: str) -> Response:
    """201 with the Provenance; 200 where this person had locked it before. Conflict where it is not signed."""
    return await marked(server, request, type_, id_, Act.LOCK, _signed)


async def _signed(tx: Transaction, current: Version, _: Actor) -> None:
    if (await entry_of(tx.connection, current.rkey)).signed_us is None:
        name = f"{current.type}/{current.id}"
        raise Conflict(f"{name} is not signed", help="sign it first, with $sign", why="J1: lock, not signed")
