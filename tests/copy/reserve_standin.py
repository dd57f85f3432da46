"""A copy's front door with its reserve, as a process, over the journal's own PostgreSQL: what happens when the journal's process is away.

The reserve, its peers, the mode and handing over are the product's own, in an encrypted file; only the record that is read is the journal's.
Run as ``python -P -m tests.copy.reserve_standin DATA PORT JOURNAL FOLDER PEER``: DATA is the folder of the journal, PEER the other's address.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from subprocess import Popen
from time import monotonic, sleep

import httpx
from bench.running import token
from tests.copy.standin import Told
from tests.reserving import OnJournal

from vaka import config
from vaka.api.door.door import Door
from vaka.api.door.passing import Passing
from vaka.api.door.serve import Opened, serve
from vaka.api.door.upstream import Upstream
from vaka.api.reserve.accept import Reserving
from vaka.api.server import Server
from vaka.api.wire import Wire
from vaka.copy.files import Folder
from vaka.copy.reserve.hand_over import HandOver
from vaka.copy.reserve.journal import JournalClient
from vaka.copy.reserve.opening import open_reserve
from vaka.copy.reserve.peers import Peer, Peers
from vaka.copy.reserve.store import ReserveStore
from vaka.watch import status


@dataclass
class Fronted:
    """A running one. ``folder``: the copy's."""

    port: int
    folder: Path
    command: list[str]
    process: Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        root = Path(__file__).parents[2]
        with (self.folder / "said").open("ab") as said:
            env = {**os.environ, "PYTHONPATH": str(root)}
            self.process = Popen(self.command, cwd=root, env=env, stdout=said, stderr=said)
        until = monotonic() + 60
        while True:
            said_ = (self.folder / "said").read_text()
            assert self.process.poll() is None and monotonic() < until, said_
            try:
                httpx.get(self.url + "/health", timeout=5)
                return
            except httpx.TransportError:
                sleep(0.05)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def store(self) -> ReserveStore:
        return open_reserve(Folder(self.folder))


@contextmanager
def fronted(data: Path, journal: str, folder: Path, port: int, peer: str) -> Iterator[Fronted]:
    """A door with its reserve in front of the journal of ``data``, at ``journal``."""
    (folder / "log").mkdir(parents=True)
    Folder(folder).establish(journal, name=folder.name)
    Folder(folder).token.write_text(token(data, folder.name, frozenset({"reserve"})))
    (folder / "state.json").write_bytes(b"{}")
    command = [
        sys.executable,
        "-P",
        "-m",
        "tests.copy.reserve_standin",
        str(data),
        str(port),
        journal,
        str(folder),
        peer,
    ]
    made = Fronted(port, folder, command)
    try:
        made.start()
        yield made
    finally:
        if made.process is not None:
            made.kill()


async def _open(data: Path, journal_url: str, folder: Path, peer: str) -> Opened:
    from vaka.access.settings import CLOSED
    from vaka.api.serve import _server
    from vaka.journal.clients import Clients
    from vaka.journal.journal import Journal
    from vaka.journal.pool import Pool

    found = status.read(data / "run" / "status.json")
    assert found is not None and found.dsn is not None
    journal = await Journal.open(found.dsn)
    registering = Pool(found.dsn, size=2)
    await registering.open()
    if not (folder / "secret").exists():
        (folder / "secret").symlink_to(data / "secret")
    made = await _server(journal, Clients(registering), folder, CLOSED, demo=False, demo_login=False)
    own = Folder(folder).token.read_text()
    store = open_reserve(Folder(folder))
    peers = Peers(store, lambda: [Peer("other", peer)], lambda: own)
    reserving = Reserving(store, peers, OnJournal(journal), folder.name)
    hand_over = HandOver(store, JournalClient(journal_url, lambda: own))
    door = Door(Passing(Upstream(journal_url)), Told(folder / "state.json"), reserve=reserving)
    served = replace(made, home=None, door=door)
    beside = (hand_over.follow(), hand_over.probe(), peers.exchange())

    async def complete() -> Server:
        return served

    async def close() -> None:
        await made.log.close()
        await journal.close()
        await registering.close()

    return Opened(served, door, complete, beside, close, b"")


def main() -> None:
    data, port, journal, folder, peer = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]), sys.argv[5]
    config.RESERVE_BACK_S = 2.0  # type: ignore[misc]  # 30 s in earnest: unit/copy/test_reserve_rules.py

    async def opened() -> Opened:
        return await _open(data, journal, folder, peer)

    serve(opened, "127.0.0.1", port, folder, name="standin", beat=lambda: None, web=None, wire=Wire())


if __name__ == "__main__":
    main()
