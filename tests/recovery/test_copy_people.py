"""People on a copy, with a real journal that is frozen, killed and comes back: logins, sessions of a stolen copy, what is brought."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import jwt
import orjson
import psycopg
import pytest
from bench.running import Vaka, running
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.authenticator import Authenticator, log_in
from tests.client import Api, fresh, patient
from tests.copying import SmallCopy, until
from tests.feeding import dsn
from tests.recovery.running import vaka as command
from tests.web.browser import Browser

from vaka.access.session import Right
from vaka.api.copy_keys import private_key
from vaka.api.keyring import key_id
from vaka.api.peer.introduced import introduction
from vaka.api.sessions import TYPE
from vaka.api.vouched import offer, proof_of

HSA = "urn:oid:1.2.752.129.2.1.4.1"
TOLD_MAX_S = 30.0  # a journal asks the record itself each minute: what is told shall have come before
INSIDE = "/fhir/openapi.json"


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vaka]:
    with running(tmp_path_factory.mktemp("people") / "data") as vaka:
        with Api(vaka.url, vaka.token("tests")) as api:
            api.make({"resourceType": "Organization", "id": "prov", "name": "Region", "active": True})
            api.make({
                "resourceType": "Organization", "id": "ward", "name": "Avdelning 3", "partOf": {"reference": "Organization/prov"},
            })  # fmt: skip
        yield vaka


@pytest.fixture(scope="module")
def copies(journal: Vaka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], SmallCopy]]:
    made: dict[str, SmallCopy] = {}

    def make(name: str) -> SmallCopy:
        if name not in made:
            made[name] = SmallCopy(journal.data, journal.url, tmp_path_factory.mktemp(name), name)
            kid = key_id(private_key(made[name].keys).public_key())
            until(lambda: made[name].rows(f"SELECT 1 FROM copy_key WHERE kid = '{kid}'"), "the copy is known")
        return made[name]

    yield make
    for one in made.values():
        one.close()


@pytest.fixture
def copy(copies: Callable[[str], SmallCopy]) -> SmallCopy:
    return copies("south")


def sql(journal: Vaka, text: str, *values: Any) -> list[Any]:
    with psycopg.connect(dsn(journal.data), autocommit=True) as connection:
        cursor = connection.execute(text.encode(), values)
        return cursor.fetchall() if cursor.description is not None else []


@contextmanager
def frozen(journal: Vaka) -> Iterator[None]:
    """The journal's process does not move: shorter than its supervisor would bear."""
    pid = int(httpx.get(journal.url + "/health").json()["pid"])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


class Nurse:
    """A person who may work at the ward, with a passkey."""

    def __init__(self, journal: Vaka, copy: SmallCopy) -> None:
        tag = fresh()[:12]
        self.hsa, self.id, self.passkey = f"TSTVAKA0009-C{tag.upper()}", f"c-{tag}", Authenticator()
        with Api(journal.url, journal.token("tests")) as api:
            api.make({
                "resourceType": "Practitioner", "id": self.id, "name": [{"family": "Lund", "given": ["Åsa"]}],
                "identifier": [{"system": HSA, "value": self.hsa}],
            })  # fmt: skip
            api.make({
                "resourceType": "PractitionerRole", "id": f"r-{tag}", "active": True,
                "practitioner": {"reference": f"Practitioner/{self.id}"}, "organization": {"reference": "Organization/ward"},
                "code": [{"coding": [{"system": "urn:oid:1.2.752.116.3.1.3", "code": "LK"}], "text": "Läkare"}],
            })  # fmt: skip
        self.learn(journal, copy)
        until(lambda: copy.rows(f"SELECT 1 FROM resource WHERE id = 'r-{tag}'"), "the copy has the role")

    def learn(self, journal: Vaka, copy: SmallCopy) -> None:
        """The journal keeps the passkey, and the copy hears of it."""
        sql(
            journal, "INSERT INTO passkey (credential, person, site, public_key, signs, demo) VALUES (%s, %s, 'localhost', %s, 0, false)",
            self.passkey.credential, self.hsa, self.passkey.public_key,
        )  # fmt: skip
        until(lambda: copy.rows(f"SELECT 1 FROM passkey WHERE person = '{self.hsa}'"), "the copy has the passkey")

    def log_in(self, copy: SmallCopy) -> Browser:
        browser = Browser(copy.url)
        answer = log_in(browser, self.passkey)
        assert answer.status_code == 200, answer.text
        assert browser.session is not None
        return browser


def ask(url: str, token: str | None, address: str = INSIDE) -> int:
    return httpx.get(url + address, headers={"Authorization": f"Bearer {token}"}, timeout=10).status_code


def claims_of(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def signed(copy: SmallCopy, claims: dict[str, Any], key: Ed25519PrivateKey | None = None) -> str:
    """A token as whoever has stolen the copy's key can make it."""
    own = key or private_key(copy.keys)
    return jwt.encode(claims, own, "EdDSA", headers={"kid": key_id(own.public_key()), "typ": TYPE})


def test_a_passkey_opens_a_copy_while_the_journal_is_away(journal: Vaka, copy: SmallCopy) -> None:
    """Broken: nobody can log in during a stop; or the session of then is worth nothing afterwards, or is told of twice or never."""
    nurse = Nurse(journal, copy)
    with frozen(journal):
        browser = nurse.log_in(copy)
        token = browser.session
        assert ask(copy.url, token) == 200
        home = browser.get("/")
        assert home.status_code == 200, home.text
        assert "Avdelning 3" in home.text
        for way in ("/login/enrol", "/login/sessions", "/login/service/0"):
            assert browser.get(way).status_code == 503, way
        assert "/login/code" in Browser(copy.url).get("/login").text
        assert ask(copy.url, None, "/auth/token") in (405, 503)
    until(lambda: ask(journal.url, token) == 200, "the journal takes the copy's session")
    until(lambda: not copy.own.waiting(), "all is brought")
    assert len(sql(journal, "SELECT 1 FROM session WHERE person = %s", nurse.hsa)) == 1
    assert len(sql(journal, "SELECT 1 FROM login WHERE person = %s", nurse.hsa)) == 1


def test_what_is_brought_again_is_one(journal: Vaka, copy: SmallCopy) -> None:
    """Broken: a lost answer, or a kill between the journal's commit and the copy's, doubles a session or an opening, or ends the
    bringing for ever."""
    nurse = Nurse(journal, copy)
    with Api(journal.url, journal.token("tests")) as api:
        id_ = api.make(patient(fresh()))["id"]
    until(lambda: copy.rows(f"SELECT 1 FROM resource WHERE id = '{id_}'"), "the copy has the patient")
    copy.lose_answers = True
    try:
        browser = nurse.log_in(copy)
        opened = opening(copy.url, browser.session or "", id_)
        assert opened.status_code == 201, opened.text
        before = len(copy.posts)
        until(lambda: copy.posts[before:].count("/peer/own") >= 2, "brought twice")
    finally:
        copy.lose_answers = False
    until(lambda: not copy.own.waiting(), "all is brought")
    assert len(sql(journal, "SELECT 1 FROM session WHERE person = %s", nurse.hsa)) == 1
    assert len(sql(journal, "SELECT 1 FROM opening WHERE person = %s", nurse.hsa)) == 1


def opening(
    url: str,
    token: str,
    id_: str,
    operation: str = "$open",
    sent: dict[str, str] | None = None,
    more: dict[str, str] | None = None,
) -> httpx.Response:
    told = {"what": "emergency", "reason": "medvetslös på akuten", "no-consent": "kan inte tillfrågas nu"} | (
        more or {}
    )
    names = {"what": "valueCode", "opening": "valueId"}
    parameters = [{"name": name, names.get(name, "valueString"): value} for name, value in told.items() if value]
    return httpx.post(
        f"{url}/fhir/Patient/{id_}/{operation}", headers={"Authorization": f"Bearer {token}"} | (sent or {}), timeout=20,
        json={"resourceType": "Parameters", "parameter": parameters},
    )  # fmt: skip


def test_an_opening_counts_at_once_and_reaches_the_journal_once(journal: Vaka, copy: SmallCopy) -> None:
    """Broken: an emergency opening does not open while the journal is away, is lost with it, or cannot be ended there."""
    nurse = Nurse(journal, copy)
    with Api(journal.url, journal.token("tests")) as api:
        id_ = api.make(patient(fresh()))["id"]
    token = nurse.log_in(copy).session or ""
    until(lambda: copy.rows(f"SELECT 1 FROM resource WHERE id = '{id_}'"), "the copy has the patient")
    with frozen(journal):
        answer = opening(copy.url, token, id_)
        assert answer.status_code == 201, answer.text
        made = next(one["valueId"] for one in answer.json()["parameter"] if one["name"] == "opening")
        stands = copy.rows(f"SELECT what, pending, closed_us FROM opening WHERE opening = '{made}'")
        assert stands == [(3, 1, None)], "shown when it is told"
        closed = opening(
            copy.url, token, id_, "$close", more={"opening": made, "what": "", "reason": "", "no-consent": ""}
        )
        assert closed.status_code == 204, closed.text
        assert copy.rows(f"SELECT closed_us IS NULL FROM opening WHERE opening = '{made}'") == [(0,)]
        assert not sql(journal, "SELECT 1 FROM opening WHERE opening::text = %s", made)
    until(lambda: not copy.own.waiting(), "all is brought")
    rows = sql(
        journal, "SELECT person, what, closed_us IS NOT NULL, reason FROM opening WHERE opening::text = %s", made
    )
    assert rows == [(nurse.hsa, 3, True, "medvetslös på akuten | kan inte tillfrågas nu")]
    until(
        lambda: copy.rows(f"SELECT pending FROM opening WHERE opening = '{made}'") == [(0,)],
        "the journal's word counts",
    )
    assert "reason" not in {row[0] for row in copy.rows("SELECT name FROM pragma_table_info('opening')")}


def test_an_opening_that_is_sent_again_is_one(journal: Vaka, copy: SmallCopy) -> None:
    """Broken: an opening that the journal was asked for, and that the copy then made, stands twice, and is reviewed twice."""
    nurse = Nurse(journal, copy)
    with Api(journal.url, journal.token("tests")) as api:
        id_ = api.make(patient(fresh()))["id"]
    token, key = nurse.log_in(copy).session or "", {"Idempotency-Key": fresh()}
    until(lambda: copy.rows(f"SELECT 1 FROM resource WHERE id = '{id_}'"), "the copy has the patient")
    until(lambda: ask(journal.url, token) == 200, "the journal takes it")
    answers = [opening(copy.url, token, id_, sent=key) for _ in range(2)] + [opening(journal.url, token, id_, sent=key)]
    assert [one.status_code for one in answers] == [201, 201, 201], [one.text for one in answers]
    assert len({one.json()["parameter"][0]["valueId"] for one in answers}) == 1
    until(lambda: not copy.own.waiting(), "all is brought")
    assert not [one for one in copy.own.refused() if one[1] == "opened" and id_ in str(one)]
    assert len(sql(journal, "SELECT 1 FROM opening WHERE person = %s", nurse.hsa)) == 1


def test_a_session_that_was_ended_is_refused_everywhere_within_a_second(
    journal: Vaka, copy: SmallCopy, copies: Callable[[str], SmallCopy]
) -> None:
    """Broken: whoever was logged out at the journal goes on at a copy, or the other way round, or at the neighbour."""
    nurse, north = Nurse(journal, copy), copies("north")
    token = nurse.log_in(copy).session
    until(lambda: (ask(north.url, token), ask(journal.url, token)) == (200, 200), "all take it")
    assert command("person", "log-out", "--hsa", nurse.hsa, "--data", journal.data).returncode == 0
    until(lambda: ask(copy.url, token) == 401, "the copy refuses it", TOLD_MAX_S)
    until(lambda: ask(north.url, token) == 401, "the neighbour too", TOLD_MAX_S)
    time.sleep(0.01)
    browser = nurse.log_in(copy)
    token = browser.session
    until(lambda: (ask(north.url, token), ask(journal.url, token)) == (200, 200), "a new login is taken")
    with frozen(journal):
        csrf = browser.form("/assignment")
        assert browser.post("/logout", {"csrf": csrf}).status_code == 303
        assert ask(copy.url, token) == 401
        assert ask(north.url, token) == 200, "it cannot know yet"
    until(lambda: ask(journal.url, token) == 401, "the journal refuses it")
    until(lambda: ask(north.url, token) == 401, "the neighbour too", TOLD_MAX_S)
    reasons = sql(journal, "SELECT reason FROM revocation WHERE session = %s", claims_of(str(token))["jti"])
    assert reasons == [("logout",)]


def test_a_stolen_copy_is_not_the_region(journal: Vaka, copies: Callable[[str], SmallCopy]) -> None:
    """Broken: who has a copy's key, its disk and its tokens can be anybody at the journal or at other copies; or cannot be shut out."""
    stolen, other = copies("stolen"), copies("north")
    nurse, doctor = Nurse(journal, stolen), Nurse(journal, stolen)
    nurse_token = nurse.log_in(stolen).session or ""
    doctors = doctor.log_in(stolen).session or ""
    until(lambda: (ask(journal.url, nurse_token), ask(other.url, nurse_token)) == (200, 200), "the true one is taken")
    claims = claims_of(nurse_token)
    proof = claims["proof"]
    now_us = time.time_ns() // 1_000
    ward = claims["assignment"]
    role_of_doctor = claims_of(doctors)
    journals = journal_session(journal, nurse, ward)
    forged = {
        "no proof": {name: value for name, value in claims.items() if name != "proof"},
        "another person": role_of_doctor | {"proof": proof},
        "another way": claims | {"way": "oidc"},
        "a demo's": claims | {"way": "demo"},
        "another login": claims | {"jti": "0" * 32, "auth_us": now_us + 700_000_000},
        "a login of yesterday": claims | {"auth_us": claims["auth_us"] - 86_400_000_000},
        "another signature": claims | {"proof": proof | {"s": role_of_doctor["proof"]["s"]}},
        "another nonce": claims | {"proof": proof | {"n": "AAAA"}},
        "another time": claims | {"proof": proof | {"t": proof["t"] + 1}},
        "no passkey": claims | {"proof": proof | {"c": "AAAA"}},
        "proof of nothing": claims | {"proof": {}},
        "an assignment that nobody offers": claims | {"assignment": ward | {"unit": "prov"}},
        "another role": claims | {"assignment": ward | {"id": role_of_doctor["assignment"]["id"]}},
        "renews another's": role_of_doctor | {"root": journals},
        "renews for more rights": claims_of(journals) | {"root": journals, "assignment": ward | {"rights": [*ward["rights"], "redact"]}},
        "renews for longer than a day": claims_of(journals) | {"root": journals, "auth_us": now_us},
        "renews itself": claims | {"root": nurse_token, "jti": "1" * 32},
        "renews what renews": claims | {"root": signed(stolen, claims | {"root": nurse_token})},
    }  # fmt: skip
    for name, made in forged.items():
        told = {key: value for key, value in made.items() if key != "proof" or "root" not in made}
        token = signed(stolen, told)
        assert (ask(journal.url, token), ask(other.url, token)) == (401, 401), name
    assert ask(journal.url, signed(stolen, claims, Ed25519PrivateKey.generate())) == 401
    # What it can do, for as long as it is not known to be stolen: go on with the logins that were made at it.
    assert ask(journal.url, signed(stolen, claims_of(journals) | {"root": journals})) == 200
    more = signed(stolen, claims | {"assignment": ward | {"rights": [*ward["rights"], "redact"]}})
    assert ask(journal.url, more) == 200
    refused = httpx.post(
        f"{journal.url}/fhir/Patient/x/$redact", headers={"Authorization": f"Bearer {more}"}, json={"resourceType": "Parameters"}
    )  # fmt: skip
    assert refused.status_code == 403, "with no more rights than the record gives"
    done = command("peer", "refuse", "stolen", "--data", journal.data)
    assert done.returncode == 0, done.stderr
    until(lambda: ask(journal.url, nurse_token) == 401, "the journal refuses its sessions", TOLD_MAX_S)
    until(lambda: ask(other.url, nurse_token) == 401, "the other copies too", TOLD_MAX_S)
    headers = stolen._headers
    assert httpx.get(journal.url + "/feed/private", headers=headers).status_code == 403
    assert httpx.post(journal.url + "/peer/own", headers=headers, json={"items": []}).status_code == 403
    assert command("peer", "refuse", "nobody", "--data", journal.data).returncode == 66
    assert "shut out" in command("peer", "keys", "--data", journal.data).stdout
    assert command("peer", "admit", "stolen", "--data", journal.data).returncode == 0
    until(
        lambda: httpx.post(journal.url + "/peer/own", headers=headers, json={"items": []}).status_code == 200,
        "in again",
    )
    sent = introduction("stolen", private_key(stolen.keys))
    again = httpx.post(journal.url + "/peer/key", headers=headers, json=sent)
    assert (again.status_code, "session.key" in again.text) == (409, True), "what was voided is never good again"
    assert ask(journal.url, nurse_token) == 401
    assert httpx.post(journal.url + "/peer/key", headers=headers, json=sent | {"copy": "south"}).status_code == 400
    other_name = introduction("south", Ed25519PrivateKey.generate())
    assert httpx.post(journal.url + "/peer/key", headers=headers, json=other_name).status_code == 409
    new = introduction("stolen", Ed25519PrivateKey.generate())
    assert httpx.post(journal.url + "/peer/key", headers=headers, json=new).status_code == 200


def journal_session(journal: Vaka, nurse: Nurse, ward: dict[str, Any]) -> str:
    from vaka.access.session import Assignment, Purpose
    from vaka.api import sessions
    from vaka.api.keyring import Keyring

    rights = frozenset(Right(one) for one in ward["rights"])
    at = Assignment(ward["id"], ward["unit"], ward["provider"], Purpose(ward["purpose"]), rights, ward["title"])
    made = sessions.begin(person=nurse.hsa, practitioner=nurse.id, name="Åsa Lund", assignment=at, way="code")
    return sessions.Sessions(Keyring(journal.data, "session")).make(made)


def test_a_copys_word_alone_changes_nothing(journal: Vaka, copies: Callable[[str], SmallCopy]) -> None:
    """Broken: a stolen copy opens records, ends sessions or counts logins of people who were never there."""
    copy = copies("south")
    nurse = Nurse(journal, copy)
    token = nurse.log_in(copy).session or ""
    claims, now_us = claims_of(token), time.time_ns() // 1_000
    with Api(journal.url, journal.token("tests")) as api:
        id_ = api.make(patient(fresh()))["id"]
    key = sql(journal, "SELECT rkey FROM resource WHERE id = %s", id_)[0][0]
    forged = signed(copy, {name: value for name, value in claims.items() if name != "proof"})
    uuid = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
    emergency = {
        "what": "opened", "opening": uuid, "patient": key, "sort": 3, "target": None, "until_us": now_us + 3_600_000_000,
        "reason": "because", "token": token, "at_us": now_us,
    }  # fmt: skip
    items = [
        emergency | {"token": forged},
        emergency | {"token": "x"},
        emergency | {"until_us": now_us + 86_400_000_000},
        emergency | {"at_us": now_us + 3_600_000_000, "until_us": now_us + 7_200_000_000},
        emergency | {"at_us": now_us - 86_400_000_000, "until_us": now_us - 80_000_000_000},
        emergency | {"patient": 1},
        emergency | {"sort": 5, "target": "prov"},
        emergency | {"sort": 99},
        emergency | {"opening": "none"},
        {"what": "ended", "token": forged, "reason": "logout", "at_us": now_us},
        {"what": "began", "token": forged, "came": {"source": "", "device": ""}, "at_us": now_us},
        {"what": "unheard", "at_us": now_us},
        {},
    ]
    told = copy.do(
        copy.post("/peer/own", orjson.dumps({"items": [one | {"id": str(n)} for n, one in enumerate(items)]}))
    )
    answer = orjson.loads(told[1])
    assert answer["done"] == []
    assert [one["id"] for one in answer["refused"]] == [str(n) for n in range(len(items))]
    assert not sql(journal, "SELECT 1 FROM opening WHERE person = %s", nurse.hsa)
    assert ask(journal.url, token) == 200
    assert copy.do(copy.post("/peer/own", b'{"items": 1}'))[0] == 400
    # One that the journal refuses is shown as such, and opens nothing any more.
    copy.own.open({
        "opening": uuid, "patient": key, "person": nurse.hsa, "unit": "ward", "provider": "prov", "what": 3, "target": None,
        "session": "s", "opened_us": now_us, "until_us": now_us + 1_000_000,
    }, "because", forged)  # fmt: skip
    copy.do(copy._shown())
    until(lambda: not copy.rows(f"SELECT 1 FROM opening WHERE opening = '{uuid}'"), "hidden again")
    assert any(what == "opened" for _, what, _, _ in copy.own.refused())


def test_a_copy_goes_on_with_the_sessions_of_the_journal(journal: Vaka, copy: SmallCopy) -> None:
    """Broken: whoever logged in at the journal is thrown out a quarter of an hour into a stop."""
    nurse = Nurse(journal, copy)
    ward = claims_of(nurse.log_in(copy).session or "")["assignment"]
    token = journal_session(journal, nurse, ward)
    assert ask(copy.url, token) == 200
    assert copy.server is not None
    sessions = copy.server.callers.sessions

    async def renew() -> str:
        old = sessions.verify(token)
        return sessions.make(await copy.server.callers.renew(old), former=token)  # type: ignore[union-attr]

    with frozen(journal):
        renewed = copy.do(renew())
        assert ask(copy.url, renewed) == 200
    assert claims_of(renewed)["root"] == token
    assert len(renewed) < 4_000, "a cookie holds it"
    until(lambda: ask(journal.url, renewed) == 200, "the journal takes it")
    own = nurse.log_in(copy).session or ""

    async def again() -> str:
        return sessions.make(replace(sessions.verify(own)), former=own)

    twice = copy.do(again())
    assert len(twice) < 4_000, "a cookie holds it"
    assert ask(journal.url, twice) == 200


def test_a_key_that_was_taken_away_is_void_on_copies(journal: Vaka, copy: SmallCopy) -> None:
    """Broken: a stolen key of the journal goes on opening every copy."""
    nurse = Nurse(journal, copy)
    ward = claims_of(nurse.log_in(copy).session or "")["assignment"]
    token = journal_session(journal, nurse, ward)
    assert ask(copy.url, token) == 200
    old = jwt.get_unverified_header(token)["kid"]
    assert command("keys", "rotate", "session", "--data", journal.data).returncode == 0
    assert ask(copy.url, token) == 200
    assert command("keys", "forget", "session", old, "--data", journal.data).returncode == 0
    until(lambda: ask(copy.url, token) == 401, "void")
    new = journal_session(journal, nurse, ward)
    until(lambda: ask(copy.url, new) == 200, "the new key is known")


def test_a_challenge_proves_one_login_at_one_copy() -> None:
    """Broken: what a passkey signed at one copy, or at another time, vouches for a session elsewhere."""
    first, second = offer("a" * 16), offer("b" * 16)
    assert first.challenge != second.challenge
    assert len({offer("a" * 16).challenge for _ in range(100)}) == 100
    told = Authenticator().answer("x", "http://localhost")
    assert set(proof_of(told, first.nonce, first.at_us)) == {"c", "a", "d", "s", "n", "t"}


def test_the_keys_of_a_copy_are_closed_to_others(copy: SmallCopy) -> None:
    """Broken: another user of the machine reads what the copy signs with."""
    assert {path.name for path in Path(copy.keys).iterdir()} >= {"session.key", "login.key"}
    assert {path.stat().st_mode & 0o777 for path in Path(copy.keys).iterdir()} == {0o600}
