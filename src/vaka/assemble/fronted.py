"""A journal with copies in front of it, on one machine: which ports they have, and how each is started.

Invariants: people and programs come to the copies alone; the journal listens on loopback behind them, and believes them on
who calls; ports stay what they were as long as they are free, and stand in ``DIR/run/ports.json``; each copy has a folder,
a key and a token of its own in ``DIR/copies``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from vaka import errors
from vaka.api.wire import Wire
from vaka.assemble.copies import Copy, address
from vaka.assemble.place import check_port, child, free_port, is_free
from vaka.copy.files import Folder
from vaka.watch.directory import Directory
from vaka.watch.part import Part
from vaka.watch.probe import answers_ready

# What only copies need is imported where there are some: every part of a Vaka and every command begins with this module.
if TYPE_CHECKING:
    from vaka.assemble.start import Start

COPIES_MAX: Final = 8
LOOPBACK: Final = "127.0.0.1"
TOKEN_DAYS: Final = 400.0
SILENT_MAX_S: Final = 30.0
STOP_MAX_S: Final = 40.0


@dataclass(frozen=True, slots=True)
class Behind:
    """``journal``: the journal's own start, behind its copies; ``ports``: theirs, in order."""

    journal: Start
    ports: tuple[int, ...]


def settle(start: Start) -> Behind | None:
    """Chooses the ports and writes them down; None where there are no copies. Setup error where one that was asked for is
    taken."""
    path = start.directory.run / "ports.json"
    if start.copies == 0:
        path.unlink(missing_ok=True)
        return None
    held = _held(path)
    journal = start.journal_port
    if journal is not None:
        if journal == start.port:
            raise errors.Setup("--port and --journal-port are the same", help="leave out --journal-port: any is taken")
        check_port(LOOPBACK, journal, "--journal-port")
    elif held and held[0] != start.port and is_free(LOOPBACK, held[0]):
        journal = held[0]
    else:
        journal = free_port(LOOPBACK)
    ports, before = [start.port], held[2:]
    for place in range(start.copies - 1):
        again = before[place] if place < len(before) else None
        if again is None or again in (*ports, journal) or not is_free(start.host, again):
            again = free_port(start.host, after=ports[-1], taken=(*ports, journal, start.wire.peer_port or 0))
        ports.append(again)
    path.write_bytes(orjson.dumps({"journal": journal, "copies": ports}))
    wire = start.wire.of_journal(start.host)
    return Behind(replace(start, host=LOOPBACK, port=journal, wire=wire, copies=0), tuple(ports))


def _held(path: Path) -> tuple[int, ...]:
    """The journal's port and those of the copies, as they were the last time; empty before it."""
    try:
        found = orjson.loads(path.read_bytes())
        return (int(found["journal"]), *map(int, found["copies"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return ()


def folder(directory: Directory, number: int) -> Directory:
    """Where the copy of this number lives."""
    return Directory(directory.path / "copies" / str(number))


def parts(start: Start, behind: Behind) -> Sequence[Part]:
    """One part for each copy, which has its own."""
    wire = _wire(start)
    near = _near(wire, behind)
    return [_part(start, behind, wire, number, port, near) for number, port in enumerate(behind.ports, 1)]


def _near(wire: Wire, behind: Behind) -> tuple[int, ...]:
    """Where copies of this machine meet each other, on loopback: at their own addresses they show a certificate that may be for
    names of the site's alone, of an authority that this machine does not know. Empty where they speak no TLS."""
    ports: list[int] = []
    for _ in behind.ports if wire.secure else ():
        after = (ports or behind.ports)[-1]
        ports.append(free_port(LOOPBACK, after=after, taken=(behind.journal.port, behind.journal.wire.peer_port or 0)))
    return tuple(ports)


def _wire(start: Start) -> Wire:
    """How the copies listen: a certificate that is made here is one for all, made by this Vaka's own authority."""
    wire = start.wire.of_copy()
    if not wire.own:
        return wire
    from vaka.api.certificates import Authority

    authority = Authority(start.directory.path)
    authority.server(start.wire.of_journal(start.host).names)  # the journal's process renews it, under the same names
    return replace(wire, own=False, certificate=authority.server_certificate, key=authority.server_key)


def _part(start: Start, behind: Behind, wire: Wire, number: int, port: int, near: tuple[int, ...]) -> Part:
    from vaka.access.scopes import FEED, FEED_PRIVATE, RESERVE
    from vaka.api.keyring import Keyring
    from vaka.api.tokens import Tokens

    own = folder(start.directory, number)
    own.path.parent.mkdir(mode=0o700, exist_ok=True)
    own.create()
    name = f"copy-{number}"
    token = own.path / "keys" / "token"

    def give_token() -> None:
        """Anew at each start: a token that was taken back, or has expired, would keep the copy from following."""
        token.parent.mkdir(mode=0o700, exist_ok=True)
        scopes = frozenset({FEED, FEED_PRIVATE, RESERVE})
        made = Tokens(Keyring(start.directory.path, "token")).make(name, scopes=scopes, days=TOKEN_DAYS)
        partial = token.with_suffix(".new")
        partial.touch(mode=0o600)
        partial.write_text(made)
        partial.rename(token)

    async def ready() -> bool:
        """Whether what answers there stands still, and must be ended, its own supervisor judges."""
        return await answers_ready(start.host, port, tls=wire.secure)

    if near:
        wire = replace(wire, near_port=near[number - 1])
        urls = {f"copy-{n}": f"http://{LOOPBACK}:{one}" for n, one in enumerate(near, 1) if n != number}
    else:
        urls = {f"copy-{n}": address(wire, start.host, one) for n, one in enumerate(behind.ports, 1) if n != number}
    _keep_neighbours(own, urls)
    copy = Copy(
        own, behind.journal.url, start.host, port, wire=wire, demo=start.demo, law=start.law,
        neighbours=tuple(urls.values()),
    )  # fmt: skip
    return Part(
        name, "copy", [*child("copy", own), *copy.arguments()], ready, address=copy.url, prepare=give_token,
        silent_max_s=SILENT_MAX_S, popen={"cwd": start.directory.cores}, stop_max_s=STOP_MAX_S,
    )  # fmt: skip


def _keep_neighbours(own: Directory, urls: Mapping[str, str]) -> None:
    """The copies that hold this one's entries; who may acknowledge without one is a site's choice, and stays what it was. People
    may on the only copy: else nobody could write during a stop."""
    from vaka.copy.reserve.neighbours import Neighbours
    from vaka.copy.reserve.peers import Peer

    neighbours = Neighbours(Folder(own.path))
    neighbours.keep([Peer(name, url) for name, url in urls.items()])


def alone(directory: Directory) -> bool:
    """Whether what is written during a stop stands on one copy alone (S15)."""
    from vaka.copy.reserve.neighbours import Neighbours

    own = folder(directory, 1)
    return own.path.exists() and Neighbours(Folder(own.path)).alone()
