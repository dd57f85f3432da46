"""The front door, with real processes: who answers, what goes along, and what is said when the journal is away."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from bench.running import FULL, Vaka, running, token
from tests.client import fresh
from tests.copy.standin import Standin, standin
from tests.waiting import until

from vaka import config
from vaka.watch import status


@pytest.fixture(scope="module")
def vaka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vaka]:
    with running(tmp_path_factory.mktemp("door") / "data", "--behind-copies") as made:
        yield made


@pytest.fixture(scope="module")
def door(vaka: Vaka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    with standin(vaka.data, vaka.url, tmp_path_factory.mktemp("standin")) as made:
        yield made


@pytest.fixture
def client(vaka: Vaka, door: Standin) -> Iterator[httpx.Client]:
    door.tell()
    headers = {"Authorization": f"Bearer {token(vaka.data, 'tests', FULL)}"}
    with httpx.Client(base_url=door.url, headers=headers, timeout=20) as made:
        yield made


def journal_pid(vaka: Vaka) -> int:
    found = status.read(vaka.data / "run" / "status.json")
    assert found is not None
    return next(part.pid or 0 for part in found.parts if part.name == "journal")


def patient(client: httpx.Client, **headers: str) -> httpx.Response:
    made = client.post(
        "/fhir/Patient", json={"resourceType": "Patient", "name": [{"family": fresh()}]}, headers=headers
    )
    assert made.status_code == 201, made.text
    return made


def id_of(made: httpx.Response) -> str:
    return str(made.json()["id"])


def test_a_write_is_passed_on_and_a_read_answered_here(client: httpx.Client, door: Standin) -> None:
    """Broken: a write does not reach the journal, its answer points past the copy, or a read goes round it."""
    made = patient(client)
    assert made.headers["vaka-answered-by"] == "journal"
    assert made.headers["location"].startswith(f"{door.url}/fhir/Patient/")
    epoch, xid, seq = map(int, made.headers["vaka-cursor"].split("."))
    assert epoch == 1 and xid > 0 and seq > 0
    read = client.get(f"/fhir/Patient/{id_of(made)}")
    assert read.status_code == 200
    assert read.headers["vaka-answered-by"] == "copy"
    assert read.headers["vaka-as-of"] == "2023-11-14T22:13:20.000Z"
    assert "vaka-behind" not in read.headers
    assert read.json() == made.json()


@pytest.mark.parametrize(
    ("method", "path", "who"),
    [
        ("GET", "/fhir/metadata", "copy"),
        ("GET", "/fhir/Observation?patient=x", "copy"),
        ("GET", "/fhir/Patient/x/Observation", "copy"),
        ("GET", "/fhir/Patient?name=x", "copy"),
        ("GET", "/fhir/Observation?code=x", "journal"),
        ("GET", "/fhir/Observation/_history", "journal"),
        ("GET", "/fhir?_type=Patient", "journal"),
        ("GET", "/fhir/AuditEvent", "journal"),
        ("GET", "/fhir/$unsigned", "journal"),
    ],
)
def test_who_answers(client: httpx.Client, method: str, path: str, who: str) -> None:
    """Broken: what the copy cannot know is answered from it, or everything burdens the journal."""
    answer = client.request(method, path)
    assert answer.headers["vaka-answered-by"] == who, answer.text


@pytest.mark.parametrize("path", ["/fhir/Patient?name=x", "/sheet/one"])
def test_a_token_not_known_here_is_the_journals_to_refuse(client: httpx.Client, door: Standin, path: str) -> None:
    """Broken: a program that was registered a moment ago is refused at the copy, which has not heard of it yet."""
    unknown = {"authorization": "Bearer eyJhbGciOiJFZERTQSIsImtpZCI6Im5ldyJ9.e30.AAAA"}
    answer = client.get(path, headers=unknown)
    assert (answer.status_code, answer.headers["vaka-answered-by"]) == (401, "journal")
    door.tell(heard=False)
    time.sleep(config.DOOR_AWAY_S + 0.1)  # since the journal's last answer
    answer = client.get(path, headers=unknown)
    assert (answer.status_code, answer.headers["vaka-answered-by"]) == (401, "copy")


def test_a_search_by_form(client: httpx.Client) -> None:
    """Broken: the form is read once too often, so that whoever answers sees none."""
    for form, who in ((f"_id={id_of(patient(client))}", "copy"), ("code=x&_summary=count", "journal")):
        type_ = "Patient" if who == "copy" else "Observation"
        answer = client.post(
            f"/fhir/{type_}/_search", content=form, headers={"content-type": "application/x-www-form-urlencoded"}
        )
        assert answer.status_code == 200, answer.text
        assert answer.headers["vaka-answered-by"] == who
        assert answer.json().get("total", 1) == (1 if who == "copy" else 0)


def test_the_feed_is_not_passed_on(client: httpx.Client) -> None:
    """Broken: the whole record leaves through the door, to who has a token but no certificate."""
    for path in ("/feed", "/feed/private", "/reserve", "/peer/key"):
        assert client.get(path).status_code == 404, path


def test_every_answer_says_who_gave_it(client: httpx.Client, door: Standin) -> None:
    """Broken: who looks at a refusal, a page or a probe cannot tell whether the copy or the journal has spoken, and as of when."""
    asked = [
        client.get(path)
        for path in ("/health", "/ready", "/static/vaka.css", "/login", "/feed", "/fhir/Patient/none", "/")
    ]
    asked += [
        client.get("/fhir/Patient/x", headers={"authorization": "Bearer x"}),
        client.request("BREW", "/fhir/Patient"),
    ]
    asked += [client.get("/fhir/Patient/x?token=secret"), client.get("/fhir/metadata"), client.head("/fhir/metadata")]
    for answer in asked:
        said = [answer.headers.get_list(name) for name in ("vaka-answered-by", "vaka-as-of")]
        assert [len(one) for one in said] == [1, 1], (answer.request.url, answer.headers)
    with socket.create_connection(("127.0.0.1", httpx.URL(door.url).port or 0), timeout=20) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nno header\r\n\r\n")
        told = raw.recv(65_536)
    assert told.startswith(b"HTTP/1.1 400 ") and b"\r\nvaka-answered-by: copy\r\nvaka-as-of: 2023-" in told


def test_a_large_answer_and_a_large_body_pass(client: httpx.Client) -> None:
    """Broken: what is longer than a piece is cut, doubled, or kept in memory whole."""
    content = os.urandom(5_000_000)
    made = client.post("/fhir/Binary", content=content, headers={"content-type": "application/octet-stream"})
    assert made.status_code == 201, made.text
    id_ = made.headers["location"].split("/Binary/")[1].split("/")[0]
    read = client.get(f"/fhir/Binary/{id_}", headers={"accept": "application/octet-stream"})
    assert read.headers["vaka-answered-by"] == "journal"
    assert read.content == content
    part = client.get(f"/fhir/Binary/{id_}", headers={"accept": "*/*", "range": "bytes=10-19"})
    assert part.content in (content, content[10:20])


def test_an_upload_without_a_length_is_refused_as_the_journal_does(client: httpx.Client) -> None:
    """Broken: an upload that broke off looks like one that ended, since the door has counted what came."""

    def pieces() -> Iterator[bytes]:
        yield b"x" * 100

    answer = client.post("/fhir/Binary", content=pieces(), headers={"content-type": "application/octet-stream"})
    assert answer.status_code == 411, answer.text


def test_head_conditional_and_errors_pass_as_they_are(client: httpx.Client) -> None:
    """Broken: an answer without a body gets one, or an error of the journal becomes one of the door."""
    made = patient(client)
    path = f"/fhir/Patient/{id_of(made)}"
    assert client.head("/fhir/Observation?code=x").status_code == 200
    assert client.head(path).headers["vaka-answered-by"] == "copy"
    assert client.get(path, headers={"if-none-match": made.headers["etag"]}).status_code == 304
    wrong = client.put(path, json={"resourceType": "Patient", "id": id_of(made)}, headers={"if-match": 'W/"7"'})
    assert (wrong.status_code, wrong.headers["vaka-answered-by"]) == (412, "journal")
    assert "vaka-cursor" not in wrong.headers
    gone = client.delete(path)
    assert gone.status_code == 204
    assert gone.headers["vaka-cursor"]
    assert client.get(path).status_code == 410
    assert client.post("/fhir/Patient", content=b"{", headers={"content-type": "application/json"}).status_code == 400


def test_no_proof_is_added(door: Standin) -> None:
    """Broken: the copy's own proof goes along, and whoever reaches it writes."""
    for headers in ({}, {"authorization": "Bearer x"}):
        made = httpx.post(door.url + "/fhir/Patient", json={"resourceType": "Patient"}, headers=headers)
        assert made.status_code == 401
        assert made.headers["vaka-answered-by"] == "journal"
        assert httpx.get(door.url + "/fhir/Patient/x", headers=headers).status_code == 401


def test_what_a_caller_says_of_proxies_is_dropped(vaka: Vaka, client: httpx.Client) -> None:
    """Broken: a caller chooses the address in answers, or who it is in the log."""
    told = {"x-forwarded-host": "evil.example", "x-forwarded-for": "9.9.9.9", "forwarded": "host=evil.example"}
    made = patient(client, **told)
    assert "evil.example" not in made.headers["location"]


def test_a_cookie_brings_the_place_of_a_write(vaka: Vaka, door: Standin) -> None:
    """Broken: who has just written with a browser does not see it at the next look."""
    cookie = {"cookie": "__Host-vaka=nothing", "authorization": f"Bearer {token(vaka.data, 'tests', FULL)}"}
    made = httpx.post(door.url + "/fhir/Patient", json={"resourceType": "Patient"}, headers=cookie)
    given = made.headers["set-cookie"]
    assert given.startswith(f"__Host-vaka-cursor={made.headers['vaka-cursor']}; ")
    assert "HttpOnly" in given and "Secure" in given and "SameSite=Strict" in given


def test_who_has_written_waits_or_is_sent_on(client: httpx.Client, door: Standin) -> None:
    """Broken: a copy that has not applied somebody's write shows them the record without it."""
    made = patient(client)
    place, path = made.headers["vaka-cursor"], f"/fhir/Patient/{id_of(made)}"
    door.tell(applied="1.1.1")
    began = time.monotonic()
    answer = client.get(path, headers={"vaka-cursor": place})
    assert answer.headers["vaka-answered-by"] == "journal"
    assert time.monotonic() - began > config.DOOR_WAIT_S - 0.05
    assert client.get(path).headers["vaka-answered-by"] == "copy", "who has not written does not wait"

    def waited_for() -> bool:
        door.tell(applied="1.1.1")
        threading.Timer(0.1, lambda: door.tell(applied=place)).start()
        began = time.monotonic()
        answer = client.get(path, headers={"cookie": f"__Host-vaka-cursor={place}"})
        assert time.monotonic() - began > 0.05
        return (answer.headers["vaka-answered-by"], "vaka-behind" in answer.headers) == ("copy", False)

    until(waited_for, "the copy answers once it has applied it")  # a machine that stands still may miss the 300 ms
    for forged in ("x", "1.2", "9" * 40 + ".1.1", "-1.1.1"):
        assert client.get(path, headers={"vaka-cursor": forged}).headers["vaka-answered-by"] == "copy"


def test_a_key_that_is_sent_again_tells_the_same_place(client: httpx.Client) -> None:
    """Broken: who asks again for what was in doubt does not learn where it stands in the feed."""
    key = {"idempotency-key": fresh()}
    body = {"resourceType": "Patient", "name": [{"family": "Again"}]}
    first = client.post("/fhir/Patient", json=body, headers=key)
    again = client.post("/fhir/Patient", json=body, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["vaka-cursor"] == first.headers["vaka-cursor"]
    entries = [{"resource": body, "request": {"method": "POST", "url": "Patient"}} for _ in range(3)]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    sent = client.post("/fhir", json=bundle)
    assert sent.status_code == 200
    assert tuple(map(int, sent.headers["vaka-cursor"].split("."))) > tuple(
        map(int, first.headers["vaka-cursor"].split("."))
    )


def test_what_matters_most_comes_from_the_journal_while_this_lags(client: httpx.Client, door: Standin) -> None:
    """Broken (S1): an old list of drugs is read while the journal is well."""
    id_ = id_of(patient(client))
    door.tell(age_s=3.0)
    for path in (f"/fhir/AllergyIntolerance?patient={id_}", f"/fhir/Patient/{id_}/MedicationRequest"):
        assert client.get(path).headers["vaka-answered-by"] == "journal"
    other = client.get(f"/fhir/Patient/{id_}")
    assert other.headers["vaka-answered-by"] == "copy"
    answer = client.get("/unit/SE1-2")  # the stand-in has none: it answers that itself
    assert (answer.headers["vaka-answered-by"], answer.headers["vaka-behind"]) == ("copy", "true")


def test_a_follower_that_stands_still_is_not_taken_for_a_journal_that_is_away(
    vaka: Vaka, client: httpx.Client, door: Standin
) -> None:
    """Broken (S1): the copy's own follower is stopped, and old lists of drugs are read with the journal well; or, with the journal
    away or failing, nobody is answered."""
    id_ = id_of(patient(client))
    path = f"/fhir/AllergyIntolerance?patient={id_}"

    def by() -> str:
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.headers["vaka-answered-by"]

    door.tell(age_s=60.0, heard=False)
    until(lambda: by() == "journal", "the journal is found to be well")
    assert client.get(f"/sheet/{id_}").headers["vaka-answered-by"] == "journal"
    assert client.get("/ready").json()["writing"] == "journal"
    os.kill(journal_pid(vaka), signal.SIGSTOP)
    try:
        until(lambda: by() == "copy", "the copy answers")
        until(lambda: client.get("/ready").json()["writing"] is False, "it knows")
        began = time.monotonic()
        assert by() == "copy"
        assert time.monotonic() - began < config.DOOR_READ_TRY_S, "nobody tries a journal that is away"
    finally:
        os.kill(journal_pid(vaka), signal.SIGCONT)
    until(lambda: by() == "journal", "it is found again")


class Still:
    """A journal that takes what it is asked and says nothing, until it ``answers``. ``asked``: what reached it; ``most``: how much of
    that waited at once."""

    def __init__(self) -> None:
        self.answers = False
        self.asked = self.most = 0
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._hear, args=(self._listener.accept()[0],), daemon=True).start()

    def _hear(self, one: socket.socket) -> None:
        head = b""
        with one, suppress(OSError):
            while piece := one.recv(65_536):
                head += piece
                if not head.endswith(b"\r\n\r\n"):
                    continue
                head = b""
                if self.answers:
                    one.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                    continue
                with self._lock:
                    self._open = [*(each for each in self._open if not _has_left(each)), one]
                    self.asked += 1
                    self.most = max(self.most, len(self._open))


def _has_left(one: socket.socket) -> bool:
    try:
        return not one.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_one_finds_out_whether_a_journal_that_is_back_answers(vaka: Vaka, client: httpx.Client, tmp_path: Path) -> None:
    """Broken: a journal that has just come back is slow, and as many as may ask it wait for it, for a second each."""
    path = f"/fhir/AllergyIntolerance?patient={id_of(patient(client))}"
    journal = Still()
    with (
        standin(vaka.data, journal.url, tmp_path / "other") as door,
        httpx.Client(base_url=door.url, headers=client.headers, timeout=20) as other,
    ):

        def by(_: int = 0) -> str:
            answer = other.get(path)
            assert answer.status_code == 200, answer.text
            return answer.headers["vaka-answered-by"]

        door.tell(age_s=3.0)
        with ThreadPoolExecutor(config.DOOR_LAGGING_MAX) as together:
            assert set(together.map(by, range(config.DOOR_LAGGING_MAX))) == {"copy"}
        assert journal.asked >= 1
        assert journal.most == 1, "of those who come together one waits"
        journal.answers = True
        until(lambda: by() == "journal", "it is asked again")
    journal.close()


def test_a_sheet_comes_from_the_journal_while_this_lags(vaka: Vaka, client: httpx.Client, door: Standin) -> None:
    """Broken (S1): a sheet shows a drug list that is older than what the journal has; or a journal that does not answer leaves
    nobody with a sheet. The stand-in's own answer is that it has none."""
    id_ = id_of(patient(client))
    path = f"/sheet/{id_}"
    active = {"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}
    allergy = {
        "resourceType": "AllergyIntolerance", "patient": {"reference": f"Patient/{id_}"}, "code": {"text": "Penicillin"},
        "clinicalStatus": {"coding": [active]},
    }  # fmt: skip
    assert client.post("/fhir/AllergyIntolerance", json=allergy).status_code == 201
    assert client.get(path).headers["vaka-answered-by"] == "copy", "it does not lag"
    door.tell(age_s=3.0)
    told = client.get(path)
    assert (told.status_code, told.headers["vaka-answered-by"]) == (200, "journal"), told.text
    assert "Penicillin" in told.text
    assert (told.json()["behind"], told.json()["journalAway"]) == (False, False)
    page = client.get(path, headers={"accept": "text/html"})
    assert (page.headers["vaka-answered-by"], "Penicillin" in page.text) == ("journal", True)
    assert client.get("/sheet/nobody").headers["vaka-answered-by"] == "journal"
    door.tell(readable=False)  # its record is damaged, and another is being filled
    told = client.get(path)
    assert (told.status_code, told.headers["vaka-answered-by"], "Penicillin" in told.text) == (200, "journal", True)
    door.tell(readable=False, peers_away=True)
    assert client.get(path).status_code == 503
    door.tell(age_s=3.0, peers_away=True)  # the journal does not have what another copy may have taken
    assert client.get(path).headers["vaka-behind"] == "true"
    door.tell(age_s=3.0)
    os.kill(journal_pid(vaka), signal.SIGSTOP)
    try:
        answer = client.get(path)
        assert (answer.headers["vaka-answered-by"], answer.headers["vaka-behind"]) == ("copy", "true")
    finally:
        os.kill(journal_pid(vaka), signal.SIGCONT)


def test_ready_tells_reading_and_writing_apart(vaka: Vaka, client: httpx.Client, door: Standin) -> None:
    """Broken: a copy whose journal is away is taken out of use, or nobody learns how old it is."""
    told = client.get("/ready").json()
    assert (told["reading"], told["writing"], told["from"]) == (True, "journal", "copy")
    door.tell(readable=False)
    assert client.get("/ready").json()["from"] == "journal"
    door.tell(readable=False, heard=False)
    until(lambda: client.get("/ready").status_code == 503, "there is nobody to answer")
    os.kill(journal_pid(vaka), signal.SIGSTOP)
    try:
        door.tell(age_s=93_600.5, heard=False)
        answer = client.get("/ready")
        assert answer.status_code == 200
        assert (answer.json()["reading"], answer.json()["writing"]) == (True, False)
        assert answer.json()["ageSeconds"] == 93_600.5
    finally:
        os.kill(journal_pid(vaka), signal.SIGCONT)


def test_before_there_is_a_record_here_the_journal_is_asked(client: httpx.Client, door: Standin) -> None:
    """Broken: a copy that is being seeded says that nobody is there."""
    id_ = id_of(patient(client))
    door.tell(readable=False)
    assert client.get(f"/fhir/Patient/{id_}").headers["vaka-answered-by"] == "journal"
    sheet = client.get(f"/sheet/{id_}")
    assert (sheet.status_code, sheet.headers["vaka-answered-by"]) == (200, "journal")
    unit = client.get("/unit/SE0000000001-1")
    assert unit.status_code == 503
    assert unit.json()["issue"][0]["diagnostics"].startswith("this copy has no record yet. ask another copy")


def test_a_frozen_journal_holds_up_nobody_who_reads(vaka: Vaka, client: httpx.Client, door: Standin) -> None:
    """Broken: one that hangs takes the copy with it, or a write is never answered."""
    id_ = id_of(patient(client))
    os.kill(journal_pid(vaka), signal.SIGSTOP)
    try:
        door.tell(age_s=2.5, heard=False)
        refused = client.post("/fhir/Patient", json={"resourceType": "Patient"})
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert "help" in refused.text or "diagnostics" in refused.text
        assert client.get(f"/fhir/Patient/{id_}", headers={"vaka-cursor": "1.999999999.1"}).status_code == 200
    finally:
        os.kill(journal_pid(vaka), signal.SIGCONT)


def test_the_log_has_each_access_once(vaka: Vaka, client: httpx.Client, door: Standin, tmp_path: Path) -> None:
    """Broken: what is passed on is logged twice, or not at all."""
    id_ = id_of(patient(client))
    name = f"only-{fresh()}"
    headers = {"Authorization": f"Bearer {token(vaka.data, name, FULL)}"}
    with httpx.Client(base_url=door.url, headers=headers) as other:
        assert other.get(f"/fhir/Patient/{id_}").headers["vaka-answered-by"] == "copy"
        assert other.get(f"/fhir/Patient/{id_}/_history").headers["vaka-answered-by"] == "journal"
    here = (door.state.parent / "accesslog").glob("*")
    there = (vaka.data / "accesslog").glob("*")
    counts = [
        sum(path.read_bytes().count(name.encode()) for path in paths if path.is_file()) for paths in (here, there)
    ]
    assert counts == [1, 1]
