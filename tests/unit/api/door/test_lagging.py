"""S1: whether what matters most is asked of the journal, found out beside the requests; and what a failing journal answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import apsw
import pytest
from tests.unit.copy.reserve_entries import entry

from vaka import config
from vaka.access.filter import system_filter
from vaka.api.door.door import Door
from vaka.api.door.passing import Otherwise, Passing
from vaka.api.door.upstream import NotSent
from vaka.api.http import Request, Response
from vaka.api.reserve.accept import Reserving
from vaka.copy.reserve.entry import Part, State
from vaka.copy.reserve.store import ReserveStore
from vaka.errors import Busy, NotPassed
from vaka.store.cursor import Cursor


@dataclass
class Stands:
    """A copy whose follower stands still: what is here is ``age_s`` old, and nothing is heard."""

    age_s: float = 60.0
    heard: bool = False
    readable: bool = True
    seed: int = 1
    as_of_us: int = 0
    offset_ms: int | None = None
    peers_away: bool = False
    frozen: bool = False
    disk_full: bool = False
    reserving: bool = False
    refused: int = 0

    @property
    def applied(self) -> Cursor:
        return Cursor(1, 1, 1)

    def reached(self, place: Cursor) -> bool:
        return True


@dataclass
class Journal:
    """``status``: of its answers; None: it cannot be reached."""

    status: int | None
    netloc: str = "journal:1"
    asked: list[str] = field(default_factory=list)

    async def ask(self, method: str, target: str, headers: Any, content: Any) -> Any:
        self.asked.append(f"{method} {target}")
        if self.status is None:
            raise NotSent
        return self

    async def body(self) -> AsyncIterator[bytes]:
        yield b"{}"


@pytest.mark.parametrize(
    ("stands", "status", "reached", "asks"),
    [
        (Stands(), 200, True, True),
        (Stands(), 503, False, True),
        (Stands(), None, False, True),
        (Stands(age_s=0.5), 200, False, False),
        (Stands(heard=True), 503, True, False),
    ],
    ids=["well", "not ready", "away", "fresh", "heard"],
)
def test_the_journal_is_asked_itself_where_the_follower_does_not_tell(
    stands: Stands, status: int | None, reached: bool, asks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken: with its follower stopped a copy never asks the journal; or it believes one that cannot commit, or burdens one that is
    heard."""
    monkeypatch.setattr("vaka.api.door.passing._ASK_READY_S", 0.001)
    journal = Journal(status)
    passing = Passing(cast("Any", journal))

    async def look() -> None:
        looking = asyncio.create_task(passing.look(stands))
        await asyncio.sleep(0.05)
        looking.cancel()

    asyncio.run(look())
    assert passing.reaches(stands) is reached
    assert set(journal.asked) == ({"GET /ready"} if asks else set())


class Answers:
    """A journal that can be reached, and answers what is passed on with ``status``."""

    def __init__(self, status: int) -> None:
        self.status = status

    def reaches(self, standing: Stands) -> bool:
        return True

    hears = reaches
    answers = True

    async def on(self, *_: Any, **__: Any) -> Response:
        return Response(self.status, b"{}", passed=True)


def _who_answers(door: Door, request: Request) -> str:
    async def here(_: Request) -> Response:
        return Response(200, b"here")

    answer = asyncio.run(door.answer(cast("Any", SimpleNamespace(complete=True)), request, cast("Any", None), here))
    return "copy" if answer.body == b"here" else "journal"


@pytest.mark.parametrize(
    ("status", "by"), [(200, "journal"), (404, "journal"), (503, "copy"), (500, "copy"), (429, "copy")]
)
def test_what_the_journal_fails_to_answer_the_copy_does(status: int, by: str) -> None:
    """Broken (S1: where it fails, the copy answers): a journal that is overloaded, or without its database, takes the lists of drugs
    away from who stands at a copy that has them."""
    door = Door(cast("Any", Answers(status)), Stands())
    request = Request(
        "GET", ("fhir", "MedicationRequest"), [("patient", "p")], {}, "http://localhost", b"", system_filter("test")
    )
    assert _who_answers(door, request) == by
    if by == "copy":
        assert ("vaka-behind", "true") in door.marks(request.freshness), "it says that it lags"


@pytest.mark.parametrize(
    ("path", "query", "by"),
    [
        ("MedicationAdministration", [("patient", "p1")], "copy"),
        ("MedicationAdministration", [("patient", "Patient/p2,Patient/p1")], "copy"),
        ("MedicationAdministration", [("patient", "Patient/p2")], "journal"),
        ("MedicationAdministration", [("patient:identifier", "x|1")], "copy"),
        ("Patient/p1/MedicationAdministration", [], "copy"),
        ("Patient/p1/$everything", [], "copy"),
        ("Patient/p2/$everything", [], "journal"),
        ("Observation/o1", [], "copy"),
        ("Observation/o1/_history/1", [], "copy"),
        ("Observation/other", [], "journal"),
    ],
)
def test_a_journal_that_lacks_what_waits_does_not_answer_for_a_copy_that_lags(
    path: str, query: list[tuple[str, str]], by: str, tmp_path: Path
) -> None:
    """Broken (S10, S11): just after a stop, while a copy catches up, doses that were given in the stop are on no list that is asked
    for, and are given again."""
    store = ReserveStore(apsw.Connection(str(tmp_path / "reserve.db")), "copy-a")
    store.add(replace(entry("p1"), parts=(Part("Observation", "o1", b"{}", "p1"),), state=State.WAITING))
    known = SimpleNamespace(same=lambda patient: [patient])
    door = Door(
        cast("Any", Answers(200)), Stands(), reserve=Reserving(store, cast("Any", None), cast("Any", known), "here")
    )
    request = Request("GET", ("fhir", *path.split("/")), query, {}, "http://localhost", b"", system_filter("test"))
    assert _who_answers(door, request) == by
    if by == "copy":
        assert ("vaka-behind", "true") in door.marks(request.freshness), "it says that it lags"


class Frozen(Journal):
    """It takes what it is asked, and says nothing."""

    async def ask(self, method: str, target: str, headers: Any, content: Any) -> Any:
        await asyncio.Event().wait()


def test_nobody_waits_longer_for_a_journal_than_it_is_heard() -> None:
    """Broken: when the journal freezes, whoever asks for a list of drugs just then waits a second for it, though the copy has it and
    knows by then that the journal is silent."""
    stands = Stands(age_s=2.1, heard=True)
    door = Door(Passing(cast("Any", Frozen(None))), stands)
    request = Request(
        "GET", ("fhir", "MedicationRequest"), [("patient", "p")], {}, "http://localhost", b"", system_filter("test")
    )
    exchange = SimpleNamespace(headers={}, path="/fhir/MedicationRequest", query="patient=p")

    async def here(_: Request) -> Response:
        return Response(200, b"here")

    async def ask() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        loop.call_later(0.05, setattr, stands, "heard", False)
        server = cast("Any", SimpleNamespace(complete=True))
        assert (await door.answer(server, request, cast("Any", exchange), here)).body == b"here"
        return loop.time() - began

    assert asyncio.run(ask()) < 0.5


class Slow(Journal):
    """It has answered nothing of late, and answers after ``after_s``; ``most``: how many waited for it at once."""

    after_s = 0.2
    length = 2
    headers = ((b"content-type", b"application/fhir+json"),)
    waiting = most = 0

    async def ask(self, method: str, target: str, headers: Any, content: Any) -> Any:
        self.asked.append(f"{method} {target}")
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        try:
            await asyncio.sleep(self.after_s)
        finally:
            self.waiting -= 1
        return self


@pytest.mark.parametrize(("heard", "by"), [(True, "journal"), (False, "copy")])
def test_a_lone_reader_has_the_answer_of_a_journal_that_is_heard(
    heard: bool, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken (S1): who alone reads at a copy that lags, a small unit at night, gets an old list of drugs each time, since a journal that
    nobody has asked just before has a moment only; or more than one at once wait for one that has just come back."""
    monkeypatch.setattr("vaka.config.DOOR_READ_TRY_FIRST_S", 0.02)
    monkeypatch.setattr("vaka.config.DOOR_READ_TRY_S", 30.0)
    journal, stands = Slow(200), Stands(age_s=3.0, heard=heard)
    passing = Passing(cast("Any", journal))
    passing._ready = time.monotonic() + 60.0  # the journal itself has told that it is ready
    door = Door(passing, stands)
    exchange = cast("Any", SimpleNamespace(headers={}, path="/fhir/MedicationRequest", query="patient=p"))

    async def here(_: Request) -> Response:
        return Response(200, b"here")

    async def ask() -> str:
        request = Request(
            "GET", ("fhir", "MedicationRequest"), [("patient", "p")], {}, "http://localhost", b"", system_filter("test")
        )
        answer = await door.answer(cast("Any", SimpleNamespace(complete=True)), request, exchange, here)
        return "copy" if answer.body == b"here" else "journal"

    async def together() -> list[str]:
        return await asyncio.gather(*(ask() for _ in range(config.DOOR_LAGGING_MAX)))

    assert asyncio.run(ask()) == by
    passing._answered = float("-inf")
    assert asyncio.run(together()) == [by, *["copy"] * (config.DOOR_LAGGING_MAX - 1)]
    assert (len(journal.asked), journal.most) == (2, 1)


@pytest.mark.parametrize("offset_ms", [None, 0, 7_200_000, -7_200_000])
def test_what_is_passed_on_is_as_of_the_journals_time(offset_ms: int | None) -> None:
    """Broken (S6): a copy whose clock is two hours off, and that knows it, says of the journal's answer that it is of another time."""
    journal, stands = Slow(200), Stands(heard=True, offset_ms=offset_ms)
    journal.after_s = 0.0
    request = Request("GET", ("fhir", "Flag"), [], {}, "http://localhost", b"", system_filter("test"))
    exchange = cast("Any", SimpleNamespace(headers={}, path="/fhir/Flag", query=""))
    passing = Passing(cast("Any", journal))
    answer = asyncio.run(passing.on(request, exchange, stands, key=None, otherwise=Otherwise.NOBODY))
    (told,) = [value for name, value in answer.headers if name == "vaka-as-of"]
    at = datetime.now(UTC) - timedelta(milliseconds=offset_ms or 0)
    assert abs(datetime.fromisoformat(told) - at) < timedelta(minutes=10)


def test_a_write_that_meets_too_many_others_has_its_turn_or_is_the_reserves() -> None:
    """Broken: in the first seconds of a freeze, once so many wait for the journal, a note is refused that the reserve would take; or
    what nobody else can answer waits too, and fills the memory; or one that had its turn waits for longer than it said."""
    stands = Stands(heard=True)
    passing = Passing(cast("Any", Frozen(None)))
    exchange = cast("Any", SimpleNamespace(headers={}, path="/fhir/Flag", query=""))

    def request(method: str) -> Request:
        return Request(method, ("fhir", "Flag"), [], {}, "http://localhost", b"", system_filter("test"))

    async def on(method: str, otherwise: Otherwise, try_s: float) -> str:
        try:
            await passing.on(request(method), exchange, stands, key="k", otherwise=otherwise, try_s=try_s)
        except (NotPassed, Busy) as error:
            return type(error).__name__
        raise AssertionError("a frozen journal answers nobody")

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        before = [asyncio.create_task(on("POST", Otherwise.RESERVE, 0.3)) for _ in range(config.DOOR_PASSING_MAX)]
        await asyncio.sleep(0.05)
        began = loop.time()
        late = [asyncio.create_task(on("POST", Otherwise.RESERVE, try_s)) for try_s in (0.1, 0.6)]
        assert await on("GET", Otherwise.NOBODY, 0.6) == "Busy"
        assert await on("GET", Otherwise.COPY, 0.6) == "Busy"
        assert loop.time() - began < 0.1
        assert await late[0] == "NotPassed"
        assert loop.time() - began < 0.25, "no turn within its time"
        assert await late[1] == "NotPassed"
        assert 0.5 < loop.time() - began < 1.0, "its turn came, and the wait for it counts"
        assert set(await asyncio.gather(*before)) == {"NotPassed"}
        assert passing._under_way == passing._waiting == 0

    asyncio.run(ask())


def test_what_waits_for_its_turn_is_bounded_and_ends_when_the_reserve_is_chosen() -> None:
    """Broken: the bodies of all who write in a freeze fill the memory; or who waits goes on waiting when it is known already that
    the journal is away."""
    stands = Stands(heard=True)
    passing = Passing(cast("Any", Frozen(None)))
    passing._under_way = config.DOOR_PASSING_MAX
    request = Request("POST", ("fhir", "Flag"), [], {}, "http://localhost", b"", system_filter("test"))

    async def turn() -> str:
        try:
            await passing._turn(request, stands, Otherwise.RESERVE, 5.0)
        except (NotPassed, Busy) as error:
            return type(error).__name__
        return "turn"

    async def ask() -> None:
        waiting = [asyncio.create_task(turn()) for _ in range(config.DOOR_PASSING_MAX)]
        await asyncio.sleep(0.01)
        assert await turn() == "Busy"
        stands.reserving = True
        assert set(await asyncio.wait_for(asyncio.gather(*waiting), 2.0)) == {"NotPassed"}

    asyncio.run(ask())
