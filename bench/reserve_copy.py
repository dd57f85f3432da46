"""The reserve of one copy as a process of its own, for ``bench.reserve``: takes entries over HTTP, has them held by its
peer, hands them over.

It is the product's store, peers and handing over; what is left out is reading and the front door. Nothing here softens a kill.
"""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from pathlib import Path

import apsw
import orjson
from bench.running import token

from vaka import config
from vaka.access.filter import program_filter
from vaka.api.http import Request
from vaka.api.http1 import Connection, Exchange, Listener
from vaka.api.reserve.peer import hold
from vaka.copy.reserve.entry import Base, Entry, Part, State
from vaka.copy.reserve.hand_over import HandOver
from vaka.copy.reserve.journal import JournalClient
from vaka.copy.reserve.mode import Left
from vaka.copy.reserve.peers import Peer, Peers
from vaka.copy.reserve.store import ReserveStore
from vaka.store.ids import keyed_id

PRINCIPAL = "ledger"


class Copy:
    """``name``: its id and name."""

    def __init__(self, folder: Path, name: str, vaka: Path, journal: str, peer: str) -> None:
        folder.mkdir(exist_ok=True)
        self.store = ReserveStore(apsw.Connection(str(folder / "reserve.db")), name)
        self._author = token(vaka, PRINCIPAL)
        own = token(vaka, name, frozenset({"reserve"}))
        self.peers = Peers(self.store, lambda: [Peer("other", peer)], lambda: own)
        self.hand_over = HandOver(self.store, JournalClient(journal, lambda: own))

    def at_once(self, data: bytes, connection: Connection) -> bool:
        return False

    def marks(self) -> tuple[()]:
        return ()

    def answered(self, data: bytes, exchange: Exchange) -> None:
        pass

    async def __call__(self, exchange: Exchange) -> None:
        body = await exchange()
        if exchange.path == "/peer/reserve":
            request = Request("POST", ("peer", "reserve"), [], {}, "", body, program_filter("copy", "reserve"))
            answer = await hold(self.store, request, _nothing)
            exchange.answer(200, [], answer.body)
        elif exchange.path == "/write":
            entry = await self._write(orjson.loads(body))
            status = 201 if entry.state not in (State.UNHELD, State.WITHDRAWN) else 503
            exchange.answer(status, [], orjson.dumps({"entry": entry.id, "id": entry.parts[0].id}))
        elif exchange.path == "/waiting":
            open_ = self.store.open((State.UNHELD, State.WAITING, State.REFUSED))
            told = [[one.state.name, one.reason] for one in open_ if one.origin == self.store.origin]
            exchange.answer(
                200, [], orjson.dumps({"open": told, "counts": {s.name: n for s, n in self.store.counts().items()}})
            )

    async def _write(self, asked: dict[str, str]) -> Entry:
        key, base = asked["key"], asked.get("base")
        id_ = asked.get("id") or keyed_id(PRINCIPAL, key)
        body = asked["body"].encode()
        part = Part("Patient", id_, body, id_, Base(entry=base) if base is not None else None)
        made = Entry(
            str(uuid.uuid4()), self.store.origin, self.store.origin, PRINCIPAL, key, key.encode(), self._author,
            asked["method"], asked["path"], (), {}, body, (part,), (), time.time_ns() // 1_000,
        )  # fmt: skip
        entry, _ = await asyncio.to_thread(self.store.add, made)
        entry = await asyncio.to_thread(self.store.adopt, entry)
        if entry.state is State.UNHELD and (copies := await self.peers.hold(entry)) > 1:
            await asyncio.to_thread(self.store.held, entry.number, copies)
        return self.store.get(entry.number) or entry


async def _nothing(_: Entry) -> None:
    return None


async def main(folder: str, name: str, vaka: str, journal: str, peer: str, port: str) -> None:
    config.RESERVE_BACK_S = 0.5  # type: ignore[misc]  # what is shown here is who loses what, not for how long one waits
    config.RESERVE_PROBE_S = 0.2  # type: ignore[misc]
    config.RESERVE_RETRY_S = 0.1  # type: ignore[misc]
    copy = Copy(Path(folder), name, Path(vaka), journal, peer)
    copy.store.happened(Left("bench", "begins"))
    listener = Listener(copy, "127.0.0.1", int(port))
    await asyncio.gather(listener.serve(), copy.hand_over.follow(), copy.hand_over.probe(), copy.peers.exchange())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
