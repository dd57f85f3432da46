"""own.db: what people did on this copy. It counts here at once, and the journal gets it later, once.

Invariants: what a method has returned is on disk (the connection is WAL with synchronous FULL, ``copy.engine``); what is done
here and what the journal is owed of it commit together; an item is owed until the journal has said done or refused, whatever is
killed in between, and the journal takes what it has already as done. What it refused stays, with the reason. What waits while
a commit is under way goes together in the next one, so that a wave of logins after a stop does not wait for the disk in a row.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import apsw
import orjson

from vaka import config
from vaka.copy import engine
from vaka.copy.statements import statements

T = TypeVar("T")
_Waiting: TypeAlias = tuple[Callable[[], Any], Future[Any]]
_DONE, _REFUSED = 1, 2
_CLOSINGS_KEPT_US: Final = 2 * config.SESSION_MAX_S * 1_000_000


def now_us() -> int:
    return time.time_ns() // 1_000


class Carried(NamedTuple):
    """A part of another copy's access log. ``state``: 0 waits, 2 refused, at ``at_us`` for ``reason``."""

    id: str
    body: bytes
    state: int
    at_us: int | None
    reason: str | None

    @property
    def refused(self) -> bool:
        return self.state == _REFUSED


class Spent(NamedTuple):
    """What counts once, for ``alive_s``."""

    kind: str
    value: str
    alive_s: int


class Owed(NamedTuple):
    """What the journal is told, later. ``key``: one that waits under the same key is replaced."""

    what: str
    content: Mapping[str, Any]
    key: str | None = None


class Own:
    """own.db on an open connection. Its methods block for a write to disk: call them beside the event loop."""

    def __init__(self, connection: apsw.Connection, *, owes: bool = True) -> None:
        """``owes``: False where nothing of it is ever told the journal (a ward snapshot, whose log tells it all)."""
        self._db = connection
        self._owes = owes
        self._sql = statements("own")
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="own")
        self._write(lambda: connection.execute(self._sql["schema"]))

    def _write(self, work: Callable[[], T]) -> T:
        """What ``work`` gives, once it is on the disk."""
        return self._later(work).result()

    def _later(self, work: Callable[[], T]) -> Future[T]:
        """The same, to be waited for: an event loop needs no thread for it."""
        done: Future[T] = Future()
        self._waiting.append((work, done))
        self._writer.submit(self._together)
        return done

    def _together(self) -> None:
        """Does all that waits, in one commit; what fails of it alone fails alone."""
        some: list[_Waiting] = []
        while self._waiting and len(some) < config.OWN_TOGETHER_MAX:
            work, done = self._waiting.popleft()
            if done.set_running_or_notify_cancel():  # from here on nobody can take it back
                some.append((work, done))
        if not some:
            return  # it went with what was before it
        found: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            with self._lock, engine.kept(self._db), engine.transaction(self._db):
                found = [(done, *self._tried(work)) for work, done in some]
        except BaseException as error:
            for _, done in some:
                done.set_exception(error)
            return
        for done, result, failed in found:
            if failed is not None:
                done.set_exception(failed)
            else:
                done.set_result(result)

    def _tried(self, work: Callable[[], Any]) -> tuple[Any, BaseException | None]:
        try:
            with engine.kept(self._db), self._db:  # a savepoint
                result = work()
        except Exception as error:
            return None, error
        return result, None

    def _rows(self, name: str, values: Mapping[str, Any] | None = None) -> list[Any]:
        with self._lock, engine.kept(self._db):
            return self._db.execute(self._sql[name], values).fetchall()

    def _owe(self, what: str, at_us: int, content: Mapping[str, Any], key: str | None = None) -> None:
        if not self._owes:
            return
        id_ = uuid.uuid4().hex
        told = orjson.dumps({"id": id_, "what": what, "at_us": at_us, **content}).decode()
        values = {"id": id_, "what": what, "key": key, "at_us": at_us, "content": told}
        self._db.execute(self._sql["owe"], values)

    def use_later(self, spent: Spent | None, owed: Sequence[Owed] = ()) -> Future[bool]:
        """Whether this is the first use of ``spent``, of whichever process asks; only then the journal is told ``owed``."""
        at_us = now_us()

        def write() -> bool:
            if spent is not None and not self._spend(spent, at_us):
                return False
            for what, content, key in owed:
                self._owe(what, at_us, content, key)
            return True

        return self._later(write)

    def _spend(self, spent: Spent, at_us: int) -> bool:
        what = sha256(f"{spent.kind}\0{spent.value}".encode()).digest()
        values = {"what": what, "until_us": at_us + spent.alive_s * 1_000_000}
        return self._db.execute(self._sql["spend"], values).fetchone() is not None

    def revoke(self, person: str, session: str, reason: str, token: str) -> tuple[int, int]:
        """Ends a session: (at, until) in microseconds."""
        at_us = now_us()
        until_us = at_us + (config.SESSION_MAX_S + config.CLOCK_SKEW_S) * 1_000_000
        values = {"session": session, "person": person, "at_us": at_us, "until_us": until_us}

        def write() -> None:
            if self._db.execute(self._sql["revoke"], values).fetchone() is not None:
                self._owe("ended", at_us, {"token": token, "reason": reason})

        self._write(write)
        return at_us, until_us

    def revocations(self, after: int) -> list[tuple[int, str, str, int, int]]:
        """(number, session, person, at, until) of those in force that were made after number ``after``."""
        return self._rows("revocations", {"after": after, "now_us": now_us()})

    def open(self, opening: Mapping[str, Any], reason: str, token: str) -> None:
        """Keeps an opening, once: ``opening`` holds the columns of the table."""
        told = {
            "opening": opening["opening"], "patient": opening["patient"], "sort": opening["what"],
            "target": opening["target"], "until_us": opening["until_us"], "reason": reason, "token": token,
        }  # fmt: skip

        def write() -> None:
            if self._db.execute(self._sql["open"], opening).fetchone() is not None:
                self._owe("opened", opening["opened_us"], told)

        self._write(write)

    def close(self, opening: str, token: str) -> int:
        """Ends an opening, wherever it was made; when."""
        at_us = now_us()
        values = {"opening": opening, "closed_us": at_us}

        def write() -> None:
            self._db.execute(self._sql["close"], values)
            self._db.execute(self._sql["keep_closing"], values)
            self._owe("closed", at_us, {"opening": opening, "token": token})

        self._write(write)
        return at_us

    def openings(self) -> list[dict[str, Any]]:
        """Those made here, each with ``handed``: 0 the journal does not have it yet, 2 it has refused it."""
        names = (
            "opening", "patient", "person", "unit", "provider", "what", "target", "session", "opened_us", "until_us",
            "closed_us", "handed",
        )  # fmt: skip
        return [dict(zip(names, row, strict=True)) for row in self._rows("openings")]

    def closings(self) -> list[tuple[str, int]]:
        return self._rows("closings")

    def owed(self) -> list[tuple[str, str]]:
        """(id, content) of what the journal is owed, the oldest first."""
        return self._rows("owed", {"limit": config.OWED_BATCH})

    def waiting(self) -> int:
        """How much the journal is owed."""
        return int(self._rows("waiting")[0][0])

    def settle(self, done: Sequence[str], refused: Sequence[tuple[str, str]]) -> None:
        """What the journal said of items by their ids."""

        def write() -> None:
            for id_ in done:
                self._db.execute(self._sql["handed"], {"id": id_, "handed": _DONE})
                self._db.execute(self._sql["settle"], {"id": id_, "state": _DONE, "reason": None})
            for id_, reason in refused:
                self._db.execute(self._sql["handed"], {"id": id_, "handed": _REFUSED})
                self._db.execute(self._sql["settle"], {"id": id_, "state": _REFUSED, "reason": reason})

        self._write(write)

    def refused(self) -> list[tuple[str, str, int, str]]:
        """(id, what, at, reason) of what the journal has refused, for a person to look at."""
        return self._rows("refused")

    def carry(self, id_: str, body: bytes, most_bytes: int) -> bool:
        """Keeps what is carried for another copy, once; False where more than ``most_bytes`` would be carried then."""

        def write() -> bool:
            known: Any = self._db.execute(self._sql["carried_bytes"]).get
            if int(known) + len(body) > most_bytes:
                return False
            self._db.execute(self._sql["carry"], {"id": id_, "body": body})
            return True

        return self._write(write)

    def carried(self) -> list[tuple[str, bytes]]:
        """(id, what) of what waits to be brought to the journal for others, the oldest first."""
        return self._rows("carried", {"limit": config.OWED_BATCH})

    def was_carried(self, id_: str, *, refused: str | None = None) -> None:
        """The journal has it, or has ``refused`` it for this reason: then it is kept, and goes no more by itself."""
        values = {"id": id_} if refused is None else {"id": id_, "at_us": now_us(), "reason": refused}
        name = "carried_taken" if refused is None else "carried_refused"
        self._write(lambda: self._db.execute(self._sql[name], values))

    def all_carried(self) -> list[Carried]:
        """What waits and what was refused, the oldest first."""
        return [Carried(*row) for row in self._rows("carried_all")]

    def carry_again(self, id_: str | None = None) -> int:
        """What was refused (``id_``: of that alone) is to go to the journal again; how many."""

        def write() -> int:
            again = self._db.execute(self._sql["carried_again"], {"id": id_}).fetchall()
            self._db.execute(self._sql["carried_why_gone"])
            return len(again)

        return self._write(write)

    def seen(self) -> dict[str, int]:
        """Times that were kept with ``see``."""
        return dict(self._rows("seen"))

    def see(self, what: str, at_us: int) -> None:
        """Keeps a time under a name, in the place of what was kept there."""
        self._write(lambda: self._db.execute(self._sql["see"], {"what": what, "at_us": at_us}))

    def forget(self) -> None:
        """Drops what is past its time and was handed over."""
        now = now_us()
        kept_us = int(config.OWED_KEPT_S * 1_000_000)
        values = {"now_us": now, "before_us": now - kept_us, "long_before_us": now - _CLOSINGS_KEPT_US - kept_us}
        self._write(lambda: self._db.execute(self._sql["forget"], values))
