"""Runs the HTTP application in this process until SIGTERM or SIGINT, on Granian within one event loop.

Invariants: the socket opens only after the journal is open; on a stop, requests under way get their answers.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
from pathlib import Path

import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server as Granian

from vaka import config, log
from vaka.accesslog.writer import AccessLog
from vaka.api.app import Application, Sites, Web
from vaka.api.callers import Callers
from vaka.api.cookies import Proof
from vaka.api.identity import services
from vaka.api.keyring import Keyring
from vaka.api.pages import Pages
from vaka.api.people import People
from vaka.api.request_log import RequestLog
from vaka.api.revocations import Revocations
from vaka.api.sealed import Sealed
from vaka.api.secrets import secret
from vaka.api.server import Server
from vaka.api.sessions import Sessions
from vaka.api.tokens import Tokens
from vaka.journal import binary, people
from vaka.journal.journal import Journal
from vaka.journal.merging import gather
from vaka.journal.redactions import Redactions

_FORGET_EVERY_S = 3_600.0
_BACKLOG = 1_024
_CONNECTIONS_MAX = 2_048


def serve(
    dsn: str,
    host: str,
    port: int,
    data_dir: Path,
    *,
    demo: bool = False,
    web: Web | None = None,
    sites: Sites | None = None,
) -> None:
    """Serves the journal at ``dsn`` on ``host:port``. Returns after a clean stop."""
    uvloop.run(_serve(dsn, host, port, data_dir, demo, web, sites))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens at ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _serve(
    dsn: str, host: str, port: int, data_dir: Path, demo: bool, web: Web | None, sites: Sites | None
) -> None:
    journal = await Journal.open(dsn)
    access_log = await AccessLog.open(data_dir / "accesslog", journal.pool.connection, "journal")
    (data_dir / "log").mkdir(mode=0o700, exist_ok=True)
    requests = RequestLog(data_dir / "log" / "requests.log")
    revocations = Revocations(journal)
    await revocations.load()
    proof = Proof(secret(data_dir, "form.key"))
    callers = Callers(Sessions(Keyring(data_dir, "session")), revocations, People(journal), proof)
    server = Server(
        journal, Tokens(Keyring(data_dir, "token")), Pages(secret(data_dir, "page.key")), access_log, callers,
        Sealed(secret(data_dir, "login.key")), services(data_dir), demo, demo and is_loopback(host),
        Redactions(data_dir),
    )  # fmt: skip
    application = Application(server, requests, web, sites)
    granian = Granian(
        application,
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=config.HEADERS_TIMEOUT_MS, max_buffer_size=1024 * 1024),
        websockets=False,
        backlog=_BACKLOG,
        backpressure=_CONNECTIONS_MAX,
        log_enabled=False,
    )
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    serving = asyncio.ensure_future(granian.serve())
    chores = asyncio.gather(_chores(journal), revocations.follow())
    log.info("serving", host=host, port=port)
    waiting = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
    finally:
        chores.cancel()
        waiting.cancel()
        granian.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait([serving], timeout=config.STOP_TIMEOUT_S)
        await access_log.close()
        closed = await journal.close()
        requests.flush()
        log.info("stopped", waiting_commits=not closed)
        if not closed:
            os._exit(0)  # the loop's own end would cancel the commits that still wait


async def _chores(journal: Journal) -> None:
    """What has to be done now and then: forget old idempotency results and left pieces, make the next partition."""
    while True:
        try:
            await journal.forget_results()
            await journal.make_partitions()
            await gather(journal)
            await binary.forget_orphans(journal)
            await people.forget(journal)
        except Exception as error:  # a chore that fails is told, and tried again
            log.warning("chore failed", kind=type(error).__name__)
        await asyncio.sleep(_FORGET_EVERY_S)
