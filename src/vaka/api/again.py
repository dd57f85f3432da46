"""Sheets that are asked for again: a request that comes a second time byte for byte is answered without being read again.

A ward has the same sheets open all day. What such an answer depends on is looked at each time, in memory alone: that the session
lives, that nothing of the patient's record or of who may see it has changed (``copy.changes``), that none of the times has come
at which it would be decided otherwise, that this copy is as fit as it was. Where one of these does not hold, or is not known,
the request goes the usual way. Invariants: a kept answer shows what the usual way would; it is let in, counted and durably
logged like any other, before it leaves; what is kept leaves memory within two times ``config.AGAIN_KEPT_S``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from vaka import config, log
from vaka.access.session import Session
from vaka.accesslog.record import Record
from vaka.api.admission import Shed, Step, shed
from vaka.api.admission.classes import URGENT
from vaka.api.door.door import LACKING, as_of
from vaka.api.http import Request, Response
from vaka.api.http1 import Connection, Exchange, refusal
from vaka.api.http1.head import lines, opening
from vaka.api.request_log import RequestLog
from vaka.api.shown import Moment, Shown, moment_of
from vaka.api.usage import Count
from vaka.copy.changes import Stamp
from vaka.copy.sheet.page import Reader
from vaka.errors import OnlyJournal
from vaka.store.through import now_us

if TYPE_CHECKING:
    from vaka.api.server import Server

_MOMENT_S: Final = 0.05
"""So long at most what is known of the copy's own state is used again."""
_OWN: Final = frozenset({"vaka-as-of", "set-cookie"})


@dataclass(slots=True)
class _Kept:
    """One request as it was answered. ``proof``: what the session was known by; ``head``: of its answer, without what changes;
    ``line``: of the request log, likewise; ``count``: its caller's hour; ``until``: of perf_counter, when it is to be looked at
    anew."""

    request: Request
    record: Record
    shown: Shown
    source: str
    proof: str
    session: Session
    head: bytes
    line: bytes
    count: Count | None
    until: float


@dataclass(slots=True)
class _Moment:
    """How this copy stands. ``at``: of perf_counter; ``fit``: it answers sheets whole; ``lags``: the journal is to be asked
    before it, by as many as may (S1)."""

    at: float
    fit: bool
    lags: bool
    now_us: int
    seed: int
    epoch: int
    aged: bool
    reader: Reader
    told: Moment
    head: bytes
    stamp: Callable[[int], Stamp | None]
    generation: int
    refused: int


_NEVER: Final = _Moment(-_MOMENT_S, False, False, 0, 0, 0, True, Reader("", 0, 0), (), b"", lambda _: None, 0, 0)


class Again:
    """Of one listener of one process."""

    def __init__(self, server: Server, requests: RequestLog, most: int = config.AGAIN_MAX) -> None:
        self._server, self._requests, self._most = server, requests, most
        self._kept: dict[bytes, _Kept] = {}
        self._moment = _NEVER

    def give(self, data: bytes, connection: Connection) -> bool:
        """Whether ``data`` is answered from what is kept, now or as soon as that is logged."""
        kept = self._kept.get(data)
        if kept is None or kept.source != connection.source:
            return False
        began, admission = time.perf_counter(), self._server.admission
        class_ = admission.class_again(kept.proof, kept.shown.id, began)
        if class_ is None or (moment := self._holds(kept, began)) is None:
            return False
        if admission.passes(class_, began):
            self._answer(kept, moment, data, connection, class_, began)
            return True
        try:
            entry = admission.line_up(class_, partial(self._has_place, kept, data, connection, class_))
            connection.when_lost = partial(admission.door.withdraw, entry)
        except Shed as error:
            self._shed(connection, error)
        return True

    def _has_place(self, kept: _Kept, data: bytes, connection: Connection, class_: int, admitted: bool) -> bool:
        """Whether there is one is told to who waits. What does not hold any more goes the usual way, from its beginning."""
        connection.when_lost = None
        if connection.is_gone:
            return False
        if not admitted:
            self._shed(connection, shed(class_))
            return True
        began = time.perf_counter()
        if (moment := self._holds(kept, began)) is None:
            connection.pass_on(data)
            return False  # it asks for a place itself
        self._answer(kept, moment, data, connection, class_, began)
        self._server.admission.leave_again(class_)  # what is left to do waits for the disk
        return True

    def _shed(self, connection: Connection, error: Shed) -> None:
        door = self._server.door
        connection.answer_at_once(refusal(error, door.marks(None) if door is not None else ()))
        if self._server.wire.is_direct:
            connection.rest(error.rest_s)

    def _answer(
        self, kept: _Kept, moment: _Moment, data: bytes, connection: Connection, class_: int, began: float
    ) -> None:
        """It may be. What cannot be answered here after all, for whatever reason, goes the usual way."""
        try:
            content = kept.shown.content(moment.reader, moment.told)
            if not self._server.usage.note_again(kept.count):
                kept.count = self._server.usage.note(kept.request, kept.record)
        except Exception as error:
            log.error("sheet asked for again", exception=error)
            self._kept.pop(data, None)
            connection.pass_on(data)
            return
        told = partial(self._send, kept, moment, connection, content, began)
        self._server.log.line_up(kept.record, told, time.time_ns() // 1_000)
        if class_ != URGENT:
            self._server.admission.shown_again(kept.proof, kept.shown.id, began)

    def keep(self, data: bytes, exchange: Exchange, request: Request, record: Record, response: Response) -> None:
        """``data`` was this request, whose answer this was."""
        shown, session = request.shown, request.access.session
        if len(data) > config.AGAIN_MAX_BYTES or shown is None or shown.stamp is None or session is None:
            return
        if response.status != 200 or request.freshness is None or request.freshness.behind:
            return
        headers = [(name, value) for name, value in response.headers if name.lower() not in _OWN]
        if len(headers) != len(response.headers) - 1 or "sec-purpose" in request.headers:
            return
        now = time.perf_counter()
        kept = _Kept(
            request, record, shown, exchange.source, request.proof, session,
            lines([("content-type", response.content_type), *headers]),
            self._requests.line("GET", exchange.path, 200, request.access.principal), None, now + config.AGAIN_KEPT_S,
        )  # fmt: skip
        if self._holds(kept, now) is None:
            return
        if not self._kept:
            asyncio.get_running_loop().call_later(config.AGAIN_KEPT_S, self._sweep)
        self._kept.pop(data, None)
        while len(self._kept) >= self._most:
            del self._kept[next(iter(self._kept))]
        request.access = request.access.anew()
        request.shown = None
        self._kept[data] = kept

    def _sweep(self) -> None:
        now = time.perf_counter()
        self._kept = {data: kept for data, kept in self._kept.items() if kept.until > now}
        if self._kept:
            asyncio.get_running_loop().call_later(config.AGAIN_KEPT_S, self._sweep)

    def _holds(self, kept: _Kept, now: float) -> _Moment | None:
        """How this copy stands now, or stood a moment ago; None unless all that the answer depends on is as it was."""
        moment, shown = self._moment, kept.shown
        if now - moment.at > _MOMENT_S:
            moment = self._moment = self._look(now)
        holds = (
            moment.fit
            and not (shown.card and self._server.admission.step is not Step.CARD)
            and not (moment.lags and self._may_ask())
            and now < kept.until
            and moment.now_us < shown.until_us
            and shown.seed == moment.seed
            and shown.aged == moment.aged
            and kept.record.epoch == moment.epoch
            and shown.refused == moment.refused
            and shown.stamp == moment.stamp(shown.patient)
            and self._server.callers.still(kept.proof, kept.session, moment.generation)
        )
        return moment if holds else None

    def _may_ask(self) -> bool:
        return self._server.door is not None and self._server.door.may_ask

    def _look(self, now: float) -> _Moment:
        server, sheets = self._server, self._server.sheets
        door = server.door
        if sheets is None or door is None or not door.standing.readable:
            return replace(_NEVER, at=now)
        standing, fresh, lags = door.standing, sheets.freshness(), door.lags
        at_us = now_us()
        reader = Reader(
            "", at_us, fresh.as_of_us, fresh.age_s, fresh.away, fresh.certain, notices=fresh.notices,
        )  # fmt: skip
        if lags:
            reader = reader.lacking()
        try:
            epoch = server.store.epoch
        except OnlyJournal:
            epoch = -1
        marks = [("vaka-as-of", as_of(fresh.as_of_us // 1_000)), *([LACKING] if lags else ())]
        head = opening(200) + lines(marks)
        return _Moment(
            now, not fresh.out_of_reach, lags, at_us, standing.seed, epoch, sheets.aged, reader, moment_of(reader), head,
            sheets.stamp, server.callers.sessions.generation, standing.refused,
        )  # fmt: skip

    def _send(
        self, kept: _Kept, moment: _Moment, connection: Connection, content: bytes, began: float, durable: bool
    ) -> None:
        server = self._server
        if not durable:
            server.log.missed(kept.record, urgent=True)  # a person reads of one patient
        length = b"content-length: %d\r\n\r\n" % len(content)
        connection.answer_at_once(b"".join((moment.head, kept.head, length, content)))
        self._requests.note(kept.line, began)
