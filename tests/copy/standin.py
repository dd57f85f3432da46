"""A copy's front door over the journal's own record, as a process: what the door does, tested without the copy's file.

How it stands (what is applied, how long ago the journal was heard) is what the test writes into a file.
Run as ``python -P -m tests.copy.standin DATA PORT JOURNAL STATE``: DATA is the folder of the journal.
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
from typing import Any

import httpx
import orjson
from bench.running import free_port

from vaka.api.door.cursor import parse
from vaka.api.door.door import Door
from vaka.api.door.passing import Passing
from vaka.api.door.serve import Opened, serve
from vaka.api.door.upstream import Upstream
from vaka.api.server import Server
from vaka.api.wire import Wire
from vaka.store.cursor import Cursor
from vaka.watch import status


class Told:
    """How a copy stands, as ``STATE`` says."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _state(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self._path.read_bytes())
        return found

    seed = 1

    @property
    def readable(self) -> bool:
        return bool(self._state().get("readable", True))

    @property
    def applied(self) -> Cursor:
        return parse(self._state().get("applied", "999999999.1.1")) or Cursor(0, 0, 0)

    def reached(self, place: Cursor) -> bool:
        return self.applied >= place

    @property
    def as_of_us(self) -> int:
        return int(self._state().get("as_of_us", 1_700_000_000_000_000))

    @property
    def age_s(self) -> float:
        return float(self._state().get("age_s", 0.0))

    @property
    def offset_ms(self) -> int | None:
        told: int | None = self._state().get("offset_ms")
        return told

    @property
    def heard(self) -> bool:
        return bool(self._state().get("heard", True))

    @property
    def peers_away(self) -> bool:
        return bool(self._state().get("peers_away", False))

    @property
    def frozen(self) -> bool:
        return False

    @property
    def disk_full(self) -> bool:
        return False

    @property
    def reserving(self) -> bool:
        return False

    @property
    def refused(self) -> int:
        return 0


@dataclass
class Standin:
    """A running one."""

    url: str
    state: Path
    process: Popen[bytes]
    said: dict[str, Any] = field(default_factory=dict)

    def tell(self, **state: Any) -> None:
        """How it stands from now on."""
        partial = self.state.with_suffix(".new")
        partial.write_bytes(orjson.dumps(state))
        partial.rename(self.state)


@contextmanager
def standin(data: Path, journal: str, folder: Path) -> Iterator[Standin]:
    """The door in front of the journal of ``data``, at ``journal``."""
    port, state = free_port(), folder / "state.json"
    folder.mkdir(exist_ok=True)
    state.write_bytes(b"{}")
    command = [sys.executable, "-P", "-m", "tests.copy.standin", str(data), str(port), journal, str(state)]
    root = Path(__file__).parents[2]
    with (folder / "said").open("wb") as said:
        process = Popen(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, stdout=said, stderr=said)
    made = Standin(f"http://127.0.0.1:{port}", state, process)
    try:
        until = monotonic() + 30
        while True:
            assert process.poll() is None, (folder / "said").read_text()
            assert monotonic() < until, (folder / "said").read_text()
            try:
                if httpx.get(made.url + "/health").status_code == 200:
                    break
            except httpx.TransportError:
                sleep(0.05)
        yield made
    finally:
        process.terminate()
        process.wait(20)


async def _open(data: Path, journal_url: str, state: Path) -> Opened:
    from vaka.access.settings import CLOSED
    from vaka.api.serve import _server
    from vaka.journal.clients import Clients
    from vaka.journal.journal import Journal
    from vaka.journal.pool import Pool

    found = status.read(data / "run" / "status.json")
    assert found is not None
    assert found.dsn is not None
    journal = await Journal.open(found.dsn)
    registering = Pool(found.dsn, size=2)
    await registering.open()
    own = state.parent
    if not (own / "secret").exists():
        (own / "secret").symlink_to(data / "secret")
    made = await _server(journal, Clients(registering), own, CLOSED, demo=False, demo_login=False)
    door = Door(Passing(Upstream(journal_url)), Told(state))

    async def close() -> None:
        await made.log.close()
        await journal.close()
        await registering.close()

    served = replace(made, home=None, at_journal=None, door=door)

    async def complete() -> Server:
        return served

    return Opened(served, door, complete, (), close, b"")


def main() -> None:
    data, port, journal, state = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
    own = state.parent
    (own / "log").mkdir(exist_ok=True)

    async def opened() -> Opened:
        return await _open(data, journal, state)

    serve(opened, "127.0.0.1", port, own, name="standin", beat=lambda: None, web=None, wire=Wire())


if __name__ == "__main__":
    main()
