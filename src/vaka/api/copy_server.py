"""The parts of the application on a copy, put together: what ``api.serve`` does in front of a journal.

Whoever serves (``api.door``) gives the store, own.db, and how record.db is read and made to show what was opened here. Invariant:
nothing here needs the journal, and nothing of it is the journal's: no PostgreSQL, no secret of a one-time code.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vaka.access.settings import CLOSED, Settings
from vaka.accesslog.writer import AccessLog
from vaka.api.callers import Callers
from vaka.api.cookies import Proof
from vaka.api.copy_keys import CopyKeys, JournalSecret, private_key
from vaka.api.pages import Pages
from vaka.api.passphrases import Passphrases
from vaka.api.peer.carried import keep_carrying
from vaka.api.peer.introduced import keep_introduced
from vaka.api.people import People
from vaka.api.revocations import Revocations
from vaka.api.sealed import Sealed
from vaka.api.secrets import kept
from vaka.api.server import Server
from vaka.api.sessions import Sessions
from vaka.api.tokens import Tokens
from vaka.copy.accounts import CopyAccounts, CopyClients, Record
from vaka.copy.deliver import Post, keep_delivering
from vaka.copy.openings import CopyOpenings
from vaka.copy.own import Own
from vaka.store.store import Store


@dataclass(frozen=True, slots=True)
class Copy:
    """``keys``: the folder DIR/keys; ``record``: this thread's connection to the record.db in use, for reading; ``show``: has the
    follower show what own.db holds (``copy.private.show``), and returns when it does."""

    keys: Path
    store: Store
    own: Own
    record: Record
    show: Callable[[], Awaitable[None]]


def copy_chores(copy: Copy, name: str, post: Post) -> tuple[Coroutine[Any, Any, None], ...]:
    """What one process of a copy does all the time beside answering: makes the copy called ``name`` known to the journal, and
    brings it what it is owed. Several may; each thing still arrives once."""
    return (
        keep_introduced(name, private_key(copy.keys), post), keep_delivering(copy.own, post, copy.show),
        keep_carrying(copy.own, post),
    )  # fmt: skip


async def copy_server(
    copy: Copy, log: AccessLog, *, demo: bool = False, demo_login: bool = False, law: Settings = CLOSED
) -> Server:
    """The server in front of a copy. ``server.callers.revocations.follow()`` has to run beside it."""
    accounts = CopyAccounts(copy.own, copy.record)
    revocations = Revocations(accounts)
    await revocations.load()
    form = Proof(JournalSecret(copy.record, "form", copy.keys / "form.key"))
    sessions = Sessions(CopyKeys(copy.record, "session", private_key(copy.keys)), demo=demo_login)
    callers = Callers(accounts, sessions, revocations, People(copy.store), form)
    tokens = Tokens(CopyKeys(copy.record, "token"), CopyClients(copy.record))
    pages = Pages(JournalSecret(copy.record, "page", copy.keys / "page.key"))
    login = kept(copy.keys / "login.key")
    openings = CopyOpenings(copy.own, copy.record, copy.show)
    return Server(
        copy.store, None, tokens, pages, log, callers, Sealed(login), Passphrases(login), None, openings,
        demo=demo, demo_login=demo_login, settings=law,
    )  # fmt: skip
