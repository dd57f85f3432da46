"""The front door of a copy: everybody speaks to it, and nobody has to know which part of Vaka answers.

Invariants
- What the copy can answer exactly it answers; all else, and whatever turns out to need the journal, is passed on, with the
  caller's own proof. So is a proof that is not known here: the journal has the last word while it is heard.
- Every answer says who gave it, and as of when.
- Who brings the place of a write is shown that write: the copy waits for it, or asks the journal, or says that it cannot (S1).
- With the journal away what the copy can answer is answered as ever; all else is 503 with what to do, or goes to the reserve.
- Who answers, logs: what is passed on leaves its record in the journal's access log, not here.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

from vaka import config
from vaka.api.cookies import SESSION, kept
from vaka.api.door import cursor, table
from vaka.api.door.begun import Begun
from vaka.api.door.carried import BEGUN
from vaka.api.door.passing import Otherwise, Passing
from vaka.api.door.standing import Standing
from vaka.api.door.table import Who
from vaka.api.http import Freshness, Request, Response, parse_query_string
from vaka.api.http1 import Exchange
from vaka.errors import BegunElsewhere, Busy, NotFound, NotPassed, OnlyJournal, OutOfScope, Unauthenticated
from vaka.store.version import instant

if TYPE_CHECKING:
    from vaka.api.reserve.drafts import Save
    from vaka.api.server import Server
    from vaka.copy.reserve.store import ReserveStore

Here = Callable[[Request], Awaitable[Response]]
DRAFT = "vaka-draft"
"""The header of a write that sends a draft (``api.reserve.drafts``)."""
LACKING: Final = ("vaka-behind", "true")
"""The journal may have what is not shown."""
_ANSWERED = ("vaka-answered-by", "copy")
_AS_OF = "vaka-as-of"
_OF_PROCESS = frozenset({"health", "ready", "static"})
"""What needs no record."""


@dataclass(frozen=True, slots=True)
class Safety:
    """``copies``: machines that would hold a write of this moment, this one counted: 1 or 2; ``takes``: whose writes are taken
    so: ``all``, ``people`` or ``nobody``; ``alone``: this copy has no neighbour."""

    copies: int
    takes: str
    alone: bool


class Reserve(Protocol):
    """Where writes go while the journal is away (``copy.reserve``)."""

    @property
    def store(self) -> ReserveStore:
        """Its file, from which numbers are given."""

    def safety(self) -> Safety:
        """On how many machines what is written now would stand, and whose writes it takes so."""

    def holds(self, patient: str) -> bool:
        """Whether it holds something of this patient (an id) that the journal does not show."""

    def lacks(self, path: Sequence[str], patients: Iterable[str] | None) -> bool:
        """Whether the journal's answer to a read, or a search within ``patients`` (None: of anybody), lacks what waits here."""

    @property
    def holds_any(self) -> bool:
        """Whether it holds something of anybody that the journal does not show."""

    def takes(self, request: Request) -> bool:
        """Whether it could take this request: asked before the journal is tried."""

    def became(self, request: Request) -> str | None:
        """The If-Match for the journal of a write that names a pending version which the journal has by now; None: as it is."""

    async def first(self, request: Request) -> bool:
        """Whether it takes this request before the journal is tried: that is away, or something of the patient waits (S14)."""

    def unanswered(self) -> None:
        """The journal has not answered a write in time."""

    async def note(self, server: Server, request: Request, *, taken: bool) -> None:
        """Whether a write was taken, by the journal or here (S35)."""

    async def hold(self, request: Request) -> Response:
        """Keeps and shows entries of another copy (S10)."""

    async def hold_drafts(self, request: Request) -> Response:
        """Keeps what another copy knows of drafts."""

    async def drafts(self, server: Server, request: Request) -> Response:
        """What a person asks of their drafts (S19)."""

    async def sending(self, server: Server, request: Request) -> Save:
        """Which draft a write sends, from now on under the draft's key. Conflict where that is another patient's (S5)."""

    async def sent(self, server: Server, request: Request, save: Save) -> None:
        """The write is in the record, or in the reserve: what was typed leaves the drafts."""

    async def accept(self, server: Server, request: Request, key: str) -> Response:
        """Stores the request under ``key``; the answer, once another copy holds it too. Unavailable, or what is wrong with it."""


@dataclass(slots=True)
class Door:
    """The door of one process. ``login``: people can log in here; ``reserve``: None where this copy has none; ``seed``: gives a
    neighbour this copy's record; ``held``: whose record that is, for /ready; ``carry``: keeps a part of a neighbour's access
    log; ``begun``: the other copies, where a login may have been begun."""

    passing: Passing
    standing: Standing
    login: bool = False
    reserve: Reserve | None = None
    seed: Callable[[Request], Awaitable[Response]] | None = None
    held: Callable[[], dict[str, object]] | None = None
    carry: Callable[[Request], Awaitable[Response]] | None = None
    begun: Begun | None = None
    _lagging: int = 0

    def marks(self, fresh: Freshness | None) -> list[tuple[str, str]]:
        """Who answers, and as of when, as the headers of an answer that was not passed on. ``fresh``: of what it shows; None: of
        this moment, where there is a record here."""
        if fresh is not None:
            marks = [_ANSWERED, (_AS_OF, as_of(fresh.as_of_us // 1_000))]
            return [*marks, LACKING] if fresh.behind else marks
        return [_ANSWERED, (_AS_OF, as_of(self.standing.as_of_us // 1_000))] if self.standing.readable else [_ANSWERED]

    @property
    def lags(self) -> bool:
        """Whether what matters most is the journal's to answer (S1): what is here is old, and the journal can be reached."""
        return self.standing.age_s > config.DOOR_LAG_MAX_S and self.passing.reaches(self.standing)

    @property
    def may_ask(self) -> bool:
        """Whether one more may ask the journal for what this copy has too. Of a journal that has answered nothing of late, as one
        that has just come back, only one at a time finds out whether it does; the others need not wait for that."""
        return self._lagging < (config.DOOR_LAGGING_MAX if self.passing.answers else 1)

    async def answer(self, server: Server, request: Request, exchange: Exchange, here: Here) -> Response:
        """Answers a request, by ``here`` where the copy can."""
        parameters = request.query
        if table.is_search_by_form(request.method, request.path):
            parameters = [*parameters, *await _form(request)]
        match table.who(request.method, request.path, parameters, login=self.login):
            case Who.NOBODY:
                raise NotFound(
                    "there is nothing at this address",
                    help="the change feed is at the journal's own address, for copies and archives",
                )
            case Who.JOURNAL:
                if request.path == ("auth", "token") and not server.wire.is_ours(request.base_url):
                    raise Unauthenticated(  # the journal takes our word for the name
                        "the client is not known here, or its assertion is not valid", why="asked at another name"
                    )
                return await self._written(server, request, exchange)
            case Who.EITHER:
                try:
                    return await self._passed(server, request, exchange)
                except NotPassed:
                    return await self._own(server, request, exchange, here, behind=False, tried=True)
        if request.path[0] in _OF_PROCESS:
            return await here(request)
        alone = table.is_copys_alone(request.path)
        if not self.standing.readable or not server.complete:
            if alone:
                if (answer := await self._sheet(server, request, exchange)) is not None:
                    return answer
                raise NotPassed(
                    "this copy has no record yet", retry_after_s=5,
                    help="ask another copy, or search in the record: the journal answers that meanwhile",
                )  # fmt: skip
            return await self._passed(server, request, exchange)
        behind = not await self._caught_up(request)
        urgent = self.lags and table.is_urgent(request.path)
        if alone:  # where the journal has no such page, or does not answer, what is behind is said on it (S1)
            asked = behind or urgent
            answer = await self._sheet(server, request, exchange) if asked else None
            if answer is not None:
                return answer
            return await self._own(server, request, exchange, here, behind=asked, tried=asked, alone=True)
        tried = (behind and self.passing.hears(self.standing)) or (urgent and self.may_ask)
        if tried and self.reserve is not None:
            tried = not self.reserve.lacks(request.path, table.patients_asked(request.path, parameters))
        if tried and (answer := await self._briefly(server, request, exchange)) is not None and answer.status < 429:
            return answer
        return await self._own(server, request, exchange, here, behind=behind or urgent, tried=tried)

    async def _own(
        self, server: Server, request: Request, exchange: Exchange, here: Here, *, behind: bool, tried: bool,
        alone: bool = False,
    ) -> Response:  # fmt: skip
        """The copy's answer. ``tried``: the journal was asked already, and has not answered, or cannot answer; ``alone``: the
        page is the copy's own, and of the journal a sheet alone is asked for."""
        standing = self.standing
        request.freshness = Freshness(standing.as_of_us, standing.age_s, not self.passing.reaches(standing), behind)
        if request.has_body:
            await request.keep()  # it may have to be passed on after all
        path = request.path
        try:
            return await here(request)
        except OnlyJournal as only:
            if tried or alone:
                raise NotPassed(only.message, help=only.help) from only
            request.freshness, request.path = None, path
            if isinstance(only, BegunElsewhere) and self.begun is not None:
                if (answer := await self.begun.ask(request, exchange)) is not None:
                    return answer
                if request.header(BEGUN) is not None:
                    raise NotPassed(
                        only.message, help=only.help
                    ) from only  # another copy asks whether it was begun here
            try:
                return await self._passed(server, request, exchange)
            except NotPassed as away:
                if not isinstance(only, OutOfScope):
                    raise
                raise NotPassed(only.message, help=only.help, retry_after_s=away.retry_after_s) from away
        except Unauthenticated as unknown:
            # A program or a key that is a moment old may be known to the journal alone. What it logs is its own refusal then.
            if tried or request.header("authorization") is None or not self.may_ask:
                raise
            if not self.passing.hears(standing):
                raise
            request.freshness, request.path = None, path
            ask = self._sheet if alone else self._briefly
            if (answer := await ask(server, request, exchange)) is not None:
                return answer
            raise unknown from None

    async def _briefly(self, server: Server, request: Request, exchange: Exchange) -> Response | None:
        """The journal's answer, for whom this copy has one too; None where it has not come within ``DOOR_READ_TRY_S``, of a
        journal that has answered nothing of late, and that the follower does not hear, ``DOOR_READ_TRY_FIRST_S``."""
        self._lagging += 1
        try:
            known = self.passing.answers or self.standing.heard
            try_s = config.DOOR_READ_TRY_S if known else config.DOOR_READ_TRY_FIRST_S
            return await self._passed(server, request, exchange, try_s=try_s)
        except NotPassed:
            return None
        finally:
            self._lagging -= 1

    async def _sheet(self, server: Server, request: Request, exchange: Exchange) -> Response | None:
        """The journal's sheet, within this copy's share of it; None where it has none, or not in time, or lacks what waits in a
        reserve: here, or at a copy that cannot be reached."""
        if not table.is_sheet(request.path) or not self.may_ask:
            return None
        if not self.passing.hears(self.standing) or self.standing.peers_away:
            return None
        if self._waits(server, request.path[1]):
            return None
        answer = await self._briefly(server, request, exchange)
        return answer if answer is not None and not _has_none(answer) else None

    def _waits(self, server: Server, patient: str) -> bool:
        """Whether something of the patient stands here that the journal does not show; without a record to tell who was merged,
        of anybody."""
        if self.reserve is None:
            return False
        if not self.standing.readable:
            return self.reserve.holds_any
        return any(map(self.reserve.holds, server.store.same(patient)))

    async def _passed(
        self, server: Server, request: Request, exchange: Exchange, *, try_s: float | None = None
    ) -> Response:
        """The journal's answer, or the reserve's. ``try_s``: so long at most, since this copy has an answer too. NotPassed
        where neither has one."""
        reserve = self.reserve if self.reserve is not None and self.reserve.takes(request) else None
        key = _key_of(request, reserve is not None)
        if reserve is not None and key is not None:
            await request.keep()
            if self.standing.reserving or await reserve.first(request):
                return await self._reserved(server, request, reserve, key)
            if (named := reserve.became(request)) is not None:
                request.headers = {**request.headers, "if-match": named}
                exchange.headers["if-match"] = named
        otherwise = Otherwise.RESERVE if reserve is not None else Otherwise.NOBODY
        try:
            response = await self.passing.on(
                request, exchange, self.standing, key=key, try_s=try_s or config.DOOR_TRY_S,
                otherwise=otherwise if try_s is None else Otherwise.COPY,
            )  # fmt: skip
        except NotPassed:
            if reserve is None or key is None:
                raise
            reserve.unanswered()
            return await self._reserved(server, request, reserve, key)
        if reserve is not None and key is not None and _is_away(response):
            reserve.unanswered()
            return await self._reserved(server, request, reserve, key)
        self._note_write(request, response)
        return response

    async def _written(self, server: Server, request: Request, exchange: Exchange) -> Response:
        """As ``_passed``; of a write the reserve hears whether it was taken."""
        reserve = self.reserve
        if reserve is None or not table.is_write(request.method, request.path):
            return await self._passed(server, request, exchange)
        try:
            response = await self._sent(server, request, exchange, reserve)
        except Busy:
            await reserve.note(server, request, taken=False)
            raise
        await reserve.note(server, request, taken=response.status < 500 and response.status != 429)
        return response

    async def _sent(self, server: Server, request: Request, exchange: Exchange, reserve: Reserve) -> Response:
        """As ``_passed``; a draft that was sent so leaves the drafts."""
        if request.header(DRAFT) is None:
            return await self._passed(server, request, exchange)
        if not self.standing.readable:
            raise NotPassed("this copy has no record yet", help="ask another copy, or send it again", retry_after_s=5)
        save = await reserve.sending(server, request)
        response = await self._passed(server, request, exchange)
        if 200 <= response.status < 300:
            await reserve.sent(server, request, save)
        return response

    async def _reserved(self, server: Server, request: Request, reserve: Reserve, key: str) -> Response:
        """The reserve's answer, which this copy gives."""
        return await reserve.accept(server, request, key)

    def _note_write(self, request: Request, response: Response) -> None:
        """A browser brings the place of its last write by cookie: to this copy, or to another of the same name."""
        place = next((value for name, value in response.headers if name == cursor.HEADER), None)
        if place is not None and cursor.parse(place) is not None and SESSION in request.headers.get("cookie", ""):
            response.headers.append(kept(cursor.COOKIE, place))

    async def _caught_up(self, request: Request) -> bool:
        """Whether what the caller has written shows here, at the latest after ``DOOR_WAIT_S``; of a journal that is not heard
        nothing more will."""
        place = cursor.brought(request)
        if place is None or self.standing.reached(place):
            return True
        if not self.passing.hears(self.standing):
            return False
        loop = asyncio.get_running_loop()
        deadline = loop.time() + config.DOOR_WAIT_S
        while loop.time() < deadline:
            await asyncio.sleep(config.DOOR_LOOK_S)
            if self.standing.reached(place):
                return True
        return False


async def _form(request: Request) -> list[tuple[str, str]]:
    """The form of a POST _search, for the table; what is wrong with it is told by who answers."""
    body = await request.keep(config.QUERY_MAX_BYTES)
    if "content-encoding" in request.headers:
        body = await request.body(config.QUERY_MAX_BYTES)
    return parse_query_string(body.decode("ascii", "replace"))


def _is_away(response: Response) -> bool:
    """Whether the journal has said that it cannot write now, or does not know whether it has; not that it has too much to do."""
    return response.status == 503 and b'"code":"transient"' in response.body


def _has_none(answer: Response) -> bool:
    """Whether the journal makes no sheet now; or ever, since it is of a release that has none (S36)."""
    return answer.status >= 429 or (answer.status == 404 and b"sheets and worklists are a read copy" in answer.body)


def _key_of(request: Request, needed: bool) -> str | None:
    """The Idempotency-Key of a write; where it is ``needed`` and the caller gave none, one of ours, made before the first try."""
    given = request.header("idempotency-key")
    if given is not None:
        return given
    if request.path[-1] == "$open":  # the copy may have to do it itself: the two are to be one
        if request.header(cursor.OPENING_KEY) is None:
            request.headers = {**request.headers, cursor.OPENING_KEY: f"vaka-{uuid.uuid4()}"}
        return request.header(cursor.OPENING_KEY)
    return f"vaka-{uuid.uuid4()}" if needed else None


@lru_cache(maxsize=16)
def as_of(at_ms: int) -> str:
    return instant(at_ms * 1_000)
