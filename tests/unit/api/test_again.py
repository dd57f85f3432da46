"""A sheet that is shown again waits for the log, and takes nobody's place meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from tests.unit.api.admission.callers import asks, person_filter, session

from vaka.accesslog.record import Record, actor_of
from vaka.api.admission import Admission, Step
from vaka.api.again import Again, _Kept, _Moment
from vaka.api.request_log import RequestLog
from vaka.api.usage import Usage
from vaka.copy.sheet.page import BEHIND, Reader
from vaka.store.sheet import Freshness

DATA = b"GET /sheet/p1 HTTP/1.1\r\n\r\n"


class Log:
    """A disk that is slow: nothing is durable before it is said so."""

    def __init__(self) -> None:
        self.told: list[Callable[[bool], None]] = []

    def line_up(self, record: Record, told: Callable[[bool], None], at_us: int) -> None:
        assert at_us > record.time_us, "logged as of now"
        self.told.append(told)


class Caller:
    source = "192.0.2.1"
    is_gone = False
    when_lost: object = None

    def __init__(self) -> None:
        self.answers: list[bytes] = []

    def answer_at_once(self, content: bytes) -> None:
        self.answers.append(content)


def test_its_place_is_free_while_the_log_is_written() -> None:
    """Broken: as many as there are places wait for the disk, and everybody else for them; or it is answered before it is logged."""

    async def body() -> None:
        admission, disk = Admission(), Log()
        access = person_filter(session())
        request = asks("/sheet/p1", who="nurse")
        request.access = access
        admission._known.learn(request, request.path, 200, time.perf_counter())
        shown = SimpleNamespace(
            id="p1",
            patient=1,
            seed=1,
            aged=False,
            refused=0,
            until_us=10,
            stamp=(0, 0),
            content=lambda *_: b"{}",
            card=False,
        )
        server = SimpleNamespace(
            admission=admission, log=disk, usage=Usage(), callers=SimpleNamespace(still=lambda *_: True)
        )
        admission.start()
        try:
            again = Again(cast("Any", server), RequestLog(None))
            record = Record(0, actor_of(access), "sheet", patients=(1,))
            now = time.perf_counter()
            again._moment = _Moment(
                now + 60, True, False, 0, 1, 1, False, Reader("", 0, 0), (), b"", lambda _: (0, 0), 0, 0
            )
            again._kept[DATA] = _Kept(
                request,
                record,
                cast("Any", shown),
                Caller.source,
                request.proof,
                cast("Any", None),
                b"",
                b"",
                None,
                now + 60,
            )
            callers = [Caller() for _ in range(500)]
            assert all(again.give(DATA, cast("Any", caller)) for caller in callers)
            assert (admission.door.total, sum(admission.door.queued), len(disk.told)) == (0, 0, 500)
            assert not any(caller.answers for caller in callers)
            for told in disk.told:
                told(True)
            assert [len(caller.answers) for caller in callers] == [1] * 500
            assert sum(admission.door.done) == 500
            # While this copy lags, as many as may ask the journal go the usual way (S1); the others need not be held up.
            again._moment.lags = True
            for may_ask in (True, False):
                server.door = SimpleNamespace(may_ask=may_ask)
                assert again.give(DATA, cast("Any", Caller())) is not may_ask
            # A card is given again for as long as cards are shown; a sheet that is here costs no more, and is given whole.
            again._moment.lags = False
            for card, step, given in (
                (True, Step.CARD, True), (True, Step.SHEET, False), (True, Step.FULL, False), (False, Step.CARD, True),
            ):  # fmt: skip
                shown.card, admission.door.step = card, step
                assert again.give(DATA, cast("Any", Caller())) is given
        finally:
            admission.close()

    asyncio.run(body())


def test_what_lags_is_told_to_who_is_answered_from_memory() -> None:
    """Broken (S1): a sheet that may lack what the journal has looks like any other."""
    fresh = Freshness(1_000_000, 3.0, notices=(("A notice.", 0),))
    for lags in (False, True):
        server = SimpleNamespace(
            door=SimpleNamespace(standing=SimpleNamespace(readable=True, seed=1, refused=0), lags=lags),
            sheets=SimpleNamespace(freshness=lambda: fresh, aged=False, stamp=lambda _: (0, 0)),
            store=SimpleNamespace(epoch=0), callers=SimpleNamespace(sessions=SimpleNamespace(generation=0)),
        )  # fmt: skip
        moment = Again(cast("Any", server), RequestLog(None))._look(time.perf_counter())
        assert (moment.fit, moment.lags) == (True, lags)
        assert (b"vaka-behind: true\r\n" in moment.head) is lags
        reader = moment.reader
        assert (reader.behind, reader.certain, reader.notices) == (
            (True, False, (BEHIND, *fresh.notices)) if lags else (False, True, fresh.notices)
        )
