"""Runs the HTTP application in this process until SIGTERM or SIGINT, within one event loop.

Invariants: the socket opens only after the journal is open, and all that answers was imported: no first request finds out that
something is missing; on a stop, requests under way get their answers.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import uvloop

from vaka import log, process
from vaka.access.settings import CLOSED, Settings
from vaka.accesslog.store import TableStore
from vaka.accesslog.writer import AccessLog
from vaka.api import authorization, feed, routes, settled
from vaka.api.admission import Admission, Shared
from vaka.api.app import Application, Web
from vaka.api.callers import Callers
from vaka.api.cookies import Proof
from vaka.api.front import Front
from vaka.api.identity import services
from vaka.api.interactions import notes, unit
from vaka.api.journal_sheets import JournalSheets
from vaka.api.keyring import Keyring, RegionKeys
from vaka.api.listen import Listeners, until_stopped
from vaka.api.pages import Pages
from vaka.api.passphrases import Passphrases
from vaka.api.peer import routes as peer
from vaka.api.people import People
from vaka.api.published import Published, RecoveryHalf, Removed
from vaka.api.request_log import RequestLog
from vaka.api.reserve import received
from vaka.api.revocations import Revocations
from vaka.api.sealed import Sealed
from vaka.api.secrets import Secret, secret
from vaka.api.server import Server
from vaka.api.sessions import Sessions
from vaka.api.tokens import Tokens
from vaka.api.wire import Wire, is_loopback
from vaka.journal import binary, chores, people
from vaka.journal.accounts import JournalAccounts
from vaka.journal.clients import Clients
from vaka.journal.copies import Copies
from vaka.journal.deriving import derive
from vaka.journal.journal import Journal
from vaka.journal.merging import gather
from vaka.journal.openings import JournalOpenings
from vaka.journal.pool import Pool
from vaka.journal.redactions import Redactions
from vaka.process import take_turns

_FORGET_EVERY_S = 3_600.0
ANSWERING = (authorization, feed, notes, peer, received, routes, unit)
"""What ``app`` looks for when it is asked: a copy's start does without, ours has it before it opens."""


def serve(
    dsn: str,
    host: str,
    port: int,
    data_dir: Path,
    *,
    demo: bool = False,
    web: Web | None = None,
    wire: Wire,
    law: Settings = CLOSED,
) -> None:
    """Serves the journal at ``dsn`` on ``host:port``, as ``wire`` says. Returns after a clean stop."""
    take_turns()
    uvloop.run(_serve(dsn, host, port, data_dir, demo, web, wire, law))


async def _serve(
    dsn: str, host: str, port: int, data_dir: Path, demo: bool, web: Web | None, wire: Wire, law: Settings
) -> None:
    journal = await Journal.open(dsn)
    registering = Pool(dsn, size=2)
    requests = RequestLog(data_dir / "log" / "requests.log")
    try:
        await registering.open()
        await derive(journal)
        await settled.keep(journal, law)
        server = await _server(
            journal, Clients(registering), data_dir, law,
            demo=demo, demo_login=demo and is_loopback(host) and not wire.behind_proxy,
        )  # fmt: skip
    except BaseException:  # pools that stay open would keep the process from ending
        await journal.close()
        await registering.close()
        raise
    server.admission.start()
    access_log, revocations = server.log, server.callers.revocations

    def application(front: Front) -> Application:
        return Application(replace(server, wire=front), requests, web)

    listeners = Listeners(wire, host, port, data_dir, application)
    following = (
        _chores(journal, server.register),
        server.register.follow(),
        server.journal_copies.follow(),
        listeners.follow(),
        revocations.follow(),
    )
    log.info("serving", host=host, port=port, scheme=wire.scheme, behind_proxy=wire.behind_proxy, peers=wire.peer_port)
    try:
        await until_stopped(listeners, following, server.admission)
    finally:
        await access_log.close()
        closed = await journal.close()
        await registering.close()
        requests.flush()
        log.info("stopped", waiting_commits=not closed)
        if not closed:
            os._exit(0)  # the loop's own end would cancel the commits that still wait


async def _server(
    journal: Journal, clients: Clients, data_dir: Path, law: Settings, *, demo: bool, demo_login: bool
) -> Server:
    process.settle_memory()
    process.survivors.stay()
    for folder in ("log", "run"):
        (data_dir / folder).mkdir(mode=0o700, exist_ok=True)
    accounts = JournalAccounts(journal)
    revocations = Revocations(accounts)
    await revocations.load()
    form, page = secret(data_dir, "form.key"), Secret(data_dir, "page.key")
    copies = Copies(clients.pool)
    await copies.look()
    session_keys, token_keys = Keyring(data_dir, "session"), Keyring(data_dir, "token")
    callers = Callers(
        accounts, Sessions(RegionKeys(session_keys, copies), demo=demo_login), revocations, People(journal), Proof(form)
    )
    access_log = await AccessLog.open(data_dir / "accesslog", TableStore(journal.pool.connection), "journal")
    login_key = secret(data_dir, "login.key")
    return Server(
        journal, journal, Tokens(token_keys, clients), Pages(page), access_log, callers,
        Sealed(login_key), Passphrases(login_key), clients, JournalOpenings(journal), services(data_dir), demo, demo_login,
        redactions=Redactions(data_dir), settings=law, copies=copies,
        published=Published(session_keys, token_keys, form, page, RecoveryHalf(data_dir), Removed(data_dir)),
        admission=Admission(Shared.open(data_dir / "run" / "admission")), at_journal=JournalSheets(journal),
    )  # fmt: skip


async def _chores(journal: Journal, clients: Clients) -> None:
    """What has to be done now and then: forget old idempotency results and left pieces, make the next partition."""
    while True:
        try:
            await chores.forget_results(journal)
            await chores.make_partitions(journal)
            await gather(journal)
            await binary.forget_orphans(journal)
            await people.forget(journal)
            await clients.forget_assertions()
        except Exception as error:  # a chore that fails is told, and tried again
            log.warning("chore failed", kind=type(error).__name__)
        await asyncio.sleep(_FORGET_EVERY_S)
