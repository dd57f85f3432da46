"""The application at its edge: the last handler of errors, and what the request log keeps."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest

from vaka.api.admission import Admission, Step, shed
from vaka.api.admission.classes import BACKGROUND, LOGIN, URGENT
from vaka.api.again import Again
from vaka.api.app import Application
from vaka.api.front import Front
from vaka.api.http import Request, Response
from vaka.api.http1 import Exchange
from vaka.api.request_log import RequestLog
from vaka.errors import NotFound

SECRET = "191212121212"


class Connection:
    """A connection that keeps what was answered."""

    closing = False

    def __init__(self) -> None:
        self.sent = b""

    def write(self, content: bytes) -> None:
        self.sent += content

    @property
    def status(self) -> int:
        return int(self.sent.split(b" ", 2)[1])

    @property
    def body(self) -> bytes:
        return self.sent.partition(b"\r\n\r\n")[2]


def server() -> Any:
    """What the edge itself asks of a server: how it listens, and whom it lets in."""
    return SimpleNamespace(log=SimpleNamespace(under_way=0), wire=Front(), admission=Admission(), door=None)


def ask(application: Application, path: str, query: str = "", **headers: str) -> Connection:
    """GET of an address that leaves no record in the access log."""
    connection = Connection()
    exchange = Exchange(cast("Any", connection), "127.0.0.1:5", "http")
    exchange.method, exchange.path, exchange.query, exchange.whole = "GET", path, query, True
    exchange.headers = {"host": "localhost", **{name.replace("_", "-"): value for name, value in headers.items()}}
    asyncio.run(application(exchange))
    return connection


@pytest.mark.parametrize("fault", [RuntimeError(SECRET), KeyError(SECRET), RecursionError(SECRET), MemoryError(SECRET)])
def test_what_nobody_foresaw_is_answered_without_its_inside(
    fault: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Broken: a fault of ours closes the connection, or shows a stack or what somebody wrote to whoever provokes it."""

    async def fail(_: Application, __: Request) -> Response:
        raise fault

    monkeypatch.setattr(Application, "_answer", fail)
    answer = ask(Application(server(), RequestLog(None)), "/nowhere")
    assert answer.status == 500
    assert orjson.loads(answer.body)["issue"][0]["code"] == "exception"
    assert SECRET.encode() not in answer.body
    assert b"Traceback" not in answer.body
    assert type(fault).__name__.encode() not in answer.body
    (told,) = (
        record for record in caplog.records if record.name == "vaka"
    )  # test_log: its message stays out of the file
    assert told.getMessage() == "fault"
    assert told.exc_info is not None
    assert told.exc_info[1] is fault


def _requests() -> list[Any]:
    return [one for one in gc.get_objects() if isinstance(one, (Request, Exchange, NotFound))]


def test_a_refused_request_waits_for_no_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: whoever sends what is refused fills the memory until all of it is looked through, and everybody waits for that."""

    async def refuse(_: Application, __: Request) -> Response:
        raise NotFound("there is no such page")

    monkeypatch.setattr(Application, "_answer", refuse)
    application = Application(server(), RequestLog(None))
    gc.collect()
    gc.disable()
    before = len(_requests())
    try:
        assert ask(application, "/nowhere").status == 404
        assert len(_requests()) == before
    finally:
        gc.enable()


def test_whole_histories_go_last_while_less_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: the door finds that less must be shown, says so, and everything is shown to everybody as before."""

    async def well(_: Application, *more: Any) -> Response:
        return Response(200)

    monkeypatch.setattr(Application, "_answer", well)
    monkeypatch.setattr(Application, "_logged", well)
    told = server()
    for step, class_ in ((Step.FULL, LOGIN), (Step.SHEET, BACKGROUND), (Step.CARD, BACKGROUND), (Step.FULL, LOGIN)):
        told.admission.door.step = step
        before = list(told.admission.door.done)
        ask(Application(told, RequestLog(None)), "/fhir/Patient/1/$everything")
        ask(Application(told, RequestLog(None)), "/sheet/1")
        expected = [before[one] + (one == class_) + (one == LOGIN) for one in range(len(before))]
        assert told.admission.door.done == expected, step


@pytest.mark.parametrize(
    ("wire", "class_"),
    [
        (Front(), LOGIN),
        (Front(secure=True), LOGIN),
        (Front(proxies=frozenset()), LOGIN),
        (Front(proxies=frozenset(), copies=True), URGENT),
        (Front(mutual=True), URGENT),
    ],
)
def test_a_class_is_taken_from_a_copy_alone(wire: Front, class_: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: whoever sends a header goes before a ward; or a dose that a copy passes on is a stranger's at the journal."""

    async def well(_: Application, *more: Any) -> Response:
        return Response(200)

    monkeypatch.setattr(Application, "_answer", well)
    monkeypatch.setattr(Application, "_logged", well)
    told = server()
    told.wire = wire
    ask(Application(told, RequestLog(None)), "/fhir/Observation/1", vaka_class="0")
    assert [n for n, count in enumerate(told.admission.door.done) if count] == [class_]


def test_who_is_shed_is_told_by_whom() -> None:
    """Broken: under overload nobody can tell whether a copy or the journal has refused."""
    told = server()
    told.admission.enter = lambda *_: False  # and nobody waits before the door's first look
    assert b"vaka-" not in ask(Application(told, RequestLog(None)), "/nowhere").sent
    told.door = SimpleNamespace(marks=lambda fresh: [("vaka-answered-by", "copy"), ("x-fresh", str(fresh))])
    application = Application(told, RequestLog(None))
    answer = ask(application, "/nowhere")
    assert answer.status == 503
    assert b"\r\nvaka-answered-by: copy\r\nx-fresh: None\r\n" in answer.sent
    known = Connection()
    at_once = SimpleNamespace(answer_at_once=known.write, rest=lambda _: None)
    Again(told, RequestLog(None))._shed(cast("Any", at_once), shed(0))
    assert known.status == 503
    assert b"\r\nvaka-answered-by: copy\r\n" in known.sent


def test_the_request_log_has_the_address_without_what_was_searched_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken: personnummer and names of patients stand in a log that many may read."""

    async def well(_: Application, __: Request) -> Response:
        return Response(200, b"{}", [])

    monkeypatch.setattr(Application, "_answer", well)
    file = tmp_path / "requests.log"
    requests = RequestLog(file)
    ask(Application(server(), requests), "/nowhere", f"identifier={SECRET}&name=Ek")
    requests.flush()
    line = file.read_text()
    assert orjson.loads(line)["path"] == "/nowhere"
    assert SECRET not in line
    assert "Ek" not in line


def test_a_copys_request_log_names_nobody_to_whoever_has_its_disk(tmp_path: Path) -> None:
    """Broken: who looked at whom lies in plain on the disk of a copy that is stolen; or its lines cannot be told apart any more."""
    log = RequestLog(tmp_path / "requests.log", b"k" * 32)
    path = f"/fhir/Patient/{SECRET}/_history/3"
    told = [
        orjson.loads(b"{%b}" % log.line("GET", path, 200, who))
        for who in ("person:SE1-1", "person:SE1-1", "person:SE1-2")
    ]
    assert told[0] == told[1]
    assert told[1]["path"] == told[2]["path"]
    assert told[1]["who"] != told[2]["who"]
    assert SECRET not in str(told)
    assert "SE1-1" not in str(told)
    assert told[0]["path"].startswith("/fhir/Patient/~")
    assert "/_history/" in told[0]["path"]
    assert log.told(f"/fhir/Patient/{SECRET}/$everything").endswith("/$everything")
    assert log.told("/sheet/p/notes") != RequestLog(None, b"l" * 32).told("/sheet/p/notes")
    assert log.told(f"/{SECRET}").startswith("/~")
    assert orjson.loads(b"{%b}" % log.line("GET", "/ready", 200, "laboratory")) == {
        "method": "GET", "path": "/ready", "status": 200, "who": "laboratory",
    }  # fmt: skip
    assert RequestLog(None).told(path) == path, "the journal's own are the site's to encrypt"
