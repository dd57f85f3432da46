"""A read copy as processes: one that follows the journal, and those that answer, under a supervisor of their own.

Invariants: a copy shares no process, start-up path or engine with the journal, and starts, reads and stops without it; the
one that follows can die, or never come up, without a failed read."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from vaka import config, errors, log, process
from vaka.access.settings import CLOSED, Settings
from vaka.api.wire import Wire, check_pair
from vaka.assemble.place import check_port, child, end_survivors
from vaka.copy.booting import begin
from vaka.copy.files import Folder, key, replace
from vaka.copy.scope import Scope
from vaka.watch.directory import Directory
from vaka.watch.part import Part
from vaka.watch.probe import answers_ready, beat, beat_age_s
from vaka.watch.supervisor import Supervisor

if TYPE_CHECKING:
    from vaka.api.door.serve import Opened

FOLLOW: Final = "follow"
BEAT_MAX_S: Final = 5.0
SILENT_MAX_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Copy:
    """What ``vaka copy`` was asked for. ``source``: the journal's address, without a path; ``scope``: None for the whole
    region, else units (HSA-ids), whose patients of the last ``scope_years``; ``key_file``: what its files are encrypted with,
    ``token_file``: what the journal lets it follow with, None for those in its folder; ``workers``: processes that answer;
    ``demo``: of a demo, where staff log in by a click; ``law``: the region's points of law."""

    directory: Directory
    source: str
    host: str = "127.0.0.1"
    port: int = 8081
    workers: int = 1
    scope: tuple[str, ...] | None = None
    key_file: Path | None = None
    token_file: Path | None = None
    wire: Wire = field(default_factory=Wire)
    demo: bool = False
    law: Settings = CLOSED
    authority: Path | None = None
    certificate: Path | None = None
    neighbours: tuple[str, ...] = ()
    hold_back_s: float = 0.0
    announced: tuple[str, ...] = ()
    scope_years: float = config.COPY_SCOPE_YEARS

    @property
    def url(self) -> str:
        return address(self.wire, self.host, self.port)

    def arguments(self) -> list[str]:
        """The same as arguments of ``vaka copy``, without its folder."""
        told = ["--from", self.source, "--host", self.host, "--port", str(self.port), "--workers", str(self.workers)]
        told += ["--scope", ",".join(self.scope)] if self.scope is not None else []
        told += ["--scope-years", str(self.scope_years)] if self.scope is not None else []
        told += ["--key-file", str(self.key_file)] if self.key_file is not None else []
        told += ["--authority", str(self.authority)] if self.authority is not None else []
        told += ["--certificate", str(self.certificate)] if self.certificate is not None else []
        told += [part for url in self.neighbours for part in ("--neighbour", url)]
        told += ["--hold-back", str(self.hold_back_s)] if self.hold_back_s else []
        told += [part for source in self.announced for part in ("--announced", source)]
        told += ["--token-file", str(self.token_file)] if self.token_file is not None else []
        told += ["--demo"] if self.demo else []
        told += [part for text in self.law.arguments for part in ("--law", text)]
        return [*told, *self.wire.arguments()]


def address(wire: Wire, host: str, port: int) -> str:
    return f"{wire.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def run(copy: Copy, on_ready: Callable[[float], None]) -> None:
    """Runs a copy until a signal asks for the end. Setup error where this place or a part refuses."""
    began = time.monotonic()
    directory = copy.directory
    check_source(copy.source)
    directory.create()
    with process.Interrupt() as interrupt, directory.lock():
        end_survivors(directory)
        directory.check_disk()
        copy.wire.check(copy.host)
        _check_peers(copy)
        folder = Folder(directory.path)
        folder.prepare()
        _take_token(folder, copy.token_file)
        folder.establish(copy.source, scope=_scope(copy, folder))
        begin(folder, key(folder, copy.key_file))
        _keep_neighbours(folder, copy.neighbours)
        check_port(copy.host, copy.port)
        if copy.wire.peer_port is not None:
            check_port(copy.host, copy.wire.peer_port, "--peer-port")
        process.prepare("watch", directory.log)
        log.setup("watch", directory.log / "watch.jsonl")
        supervisor = Supervisor(
            parts(copy), log_folder=directory.log, status_path=directory.status, dsn=None, url=copy.url, law={},
            on_ready=on_ready,
        )  # fmt: skip
        interrupt.only_hear()
        asyncio.run(supervisor.run(began, interrupt))


def _check_peers(copy: Copy) -> None:
    """Setup error where other copies could not be met safely: both sides show a certificate of the journal's authority."""
    if copy.wire.peer_port is None:
        return
    if copy.authority is None or copy.certificate is None:
        raise errors.Setup(
            "other copies come in at --peer-port with certificates of the journal's authority, and are shown one",
            help="at the journal: vaka peer certificate NAME --host HOST --to DIR; here: --authority and --certificate",
        )
    check_pair(copy.certificate, copy.certificate)
    from cryptography import x509

    from vaka.api.certificates import names_of

    if not names_of(x509.load_pem_x509_certificate(copy.certificate.read_bytes())):
        raise errors.Setup(
            f"{copy.certificate} does not say by which host other copies reach this one",
            help="vaka peer remove NAME, then vaka peer certificate NAME --host HOST --to DIR, at the journal",
        )


def _keep_neighbours(folder: Folder, urls: Sequence[str]) -> None:
    """Who holds what is entered here; ``vaka up`` has named its own copies already. None named: what the folder says stays."""
    from vaka.copy.reserve.neighbours import Neighbours
    from vaka.copy.reserve.peers import Peer

    neighbours = Neighbours(folder)
    named = {url.rstrip("/") for url in urls}
    if named and named != {one.url for one in neighbours.peers()}:
        neighbours.keep([Peer(urlsplit(url).netloc, url) for url in sorted(named)])


def check_source(source: str) -> None:
    """Setup error for what is no address of a journal."""
    split = urlsplit(source)
    try:
        known = split.scheme in ("http", "https") and bool(split.hostname) and split.port != 0
    except ValueError:
        known = False
    if not known or split.path not in ("", "/") or split.query or split.username:
        raise errors.Setup(
            f"--from {source[:100]} is not the address of a journal",
            help="give it as https://journal.example.org:8443, with neither path nor password",
        )


def _take_token(folder: Folder, given: Path | None) -> None:
    """The token that it follows with, in its folder. Setup error where there is none."""
    if given is not None:
        try:
            replace(folder.token, given.read_bytes().strip() + b"\n")
        except OSError as failed:
            raise errors.Setup(
                f"cannot read {given}: {failed.strerror}", help="name the file that holds the token with --token-file"
            ) from failed
    if not folder.token.exists():
        raise errors.Setup(
            "a copy needs a token to follow with",
            help="at the journal: vaka token --system NAME --scope feed --scope feed-private > FILE; here: --token-file FILE",
        )


def _scope(copy: Copy, folder: Folder) -> Scope | None:
    """Whose record it is to hold; units that are as they were are not looked up again. Setup error for a unit that the journal
    does not know."""
    if copy.scope is None:
        return None
    try:
        before = folder.about().scope
    except errors.Setup:
        before = None
    if before is not None and before.named == copy.scope:
        return Scope(before.named, before.units, copy.scope_years)

    from vaka.copy.client import Client
    from vaka.copy.tls import tls

    async def ask(named: tuple[str, ...]) -> dict[str, str]:
        client = Client(copy.source, folder.token.read_text().strip(), verify=tls(copy.authority, copy.certificate))
        try:
            return await client.units(named)
        finally:
            await client.close()

    try:
        known = asyncio.run(ask(copy.scope))
    except errors.VakaError as error:
        raise errors.Setup(
            f"the units of --scope cannot be looked up: {error.message}",
            help=error.help
            or "they are asked of the journal when they are new: start it while the journal can be reached",
        ) from error
    if missing := [unit for unit in copy.scope if unit not in known]:
        raise errors.Setup(
            f"--scope names a unit that the journal does not know: {', '.join(missing)}",
            help="give the HSA-ids of Organizations in the record, with commas between, or region",
        )
    return Scope(copy.scope, tuple(known[unit] for unit in copy.scope), copy.scope_years)


def parts(copy: Copy) -> Sequence[Part]:
    """The first that answers has the machine to itself until it does: nobody waits for the follower, or for another that answers,
    before a first answer."""
    directory = copy.directory

    async def following() -> bool:
        return True  # what it does, the board tells, and /ready

    follow = Part(
        FOLLOW, "copy", [*child("copy-follow", directory), *copy.arguments()], following, address=copy.source,
        after=_serving_name(1), essential=False, popen={"cwd": directory.cores, "env": process.environment()},
        stop_max_s=15.0,
    )  # fmt: skip
    return [*(_serving(copy, number) for number in range(1, copy.workers + 1)), follow]


def _serving_name(number: int) -> str:
    return f"serve-{number}"


def _serving(copy: Copy, number: int) -> Part:
    directory, name = copy.directory, _serving_name(number)
    beats = directory.run / f"{name}.beat"

    async def ready() -> bool:
        """All share one port, where any of them answers: each one's own beat tells that it lives. One that is asked for more than
        it can answer is late, and to end it would take away what it does answer."""
        if beat_age_s(beats) > BEAT_MAX_S:
            raise ConnectionError("its loop stands still")
        return await answers_ready(copy.host, copy.port, tls=copy.wire.secure)

    return Part(
        name, "copy", [*child("copy-serve", directory), *copy.arguments(), "--number", str(number)], ready,
        address=copy.url, after="" if number == 1 else _serving_name(1), silent_max_s=SILENT_MAX_S,
        prepare=lambda: beats.unlink(missing_ok=True), popen={"cwd": directory.cores, "env": process.environment()},
        death_signal=signal.SIGTERM, stop_max_s=15.0,
    )  # fmt: skip


def serve(copy: Copy, number: int) -> None:
    """What answers, in this process."""
    name = _serving_name(number)
    process.prepare(name, copy.directory.log)
    log.setup(name, copy.directory.log / f"{name}.jsonl")
    from vaka.api.door.opening import open_copy
    from vaka.api.door.serve import serve as serve_copy
    from vaka.api.wire import is_loopback
    from vaka.web import front

    beat_file = copy.directory.run / f"{name}.beat"

    async def opened() -> Opened:
        return await open_copy(
            copy.directory.path, copy.source, name, law=copy.law, demo=copy.demo, key_file=copy.key_file,
            demo_login=copy.demo and is_loopback(copy.host) and not copy.wire.behind_proxy, authority=copy.authority,
            certificate=copy.certificate, )  # fmt: skip

    peers = None
    if copy.certificate is not None and copy.wire.peer_port is not None:
        from vaka.api.http1 import Tls

        removed = Folder(copy.directory.path).revoked
        peers = Tls(copy.certificate, copy.certificate, copy.authority, removed, awaited=True)
    serve_copy(
        opened, copy.host, copy.port, copy.directory.path, name=name, beat=lambda: beat(beat_file), web=front,
        wire=copy.wire, peers=peers,
    )  # fmt: skip
