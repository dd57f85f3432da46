"""Passphrase and one-time code: enrolling, logging in, and guessing."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256

import psycopg
import pyotp
import pytest
from tests import accesses, commands
from tests.client import Api
from tests.conftest import Instance
from tests.waiting import until
from tests.web.browser import Browser, field

from vaka import config
from vaka.api.attempts import account
from vaka.journal import cluster
from vaka.web.ways.code import STEP_S

PASSPHRASE = "korrekt häst batteri klammer"


def vaka(demo: Instance, *arguments: str) -> commands.Done:
    return commands.run(*arguments, "--data", demo.data)


def set_up_code(demo: Instance, hsa: str) -> str:
    told = vaka(demo, "person", "enroll", "--hsa", hsa)
    assert told.returncode == 0, told.stderr
    found = re.search(r"set-up code +(\S+)", told.stdout)
    assert found
    return found[1]


@dataclass
class Enrolled:
    """A person with passphrase and app. ``used``: the time steps whose codes were given out; ``browser``: enrolled with it, and
    is logged in."""

    demo: Instance
    hsa: str
    secret: str
    used: set[int]
    browser: Browser

    def code(self) -> str:
        """A code that the server takes: of this time step or the next, not used before. Where both were, as if the steps had
        gone by: nobody waits for half a minute, the server forgets that it has seen them."""
        now = int(time.time()) // STEP_S
        left = [step for step in (now, now + 1) if step not in self.used]
        if not left:
            spent = [sha256(f"code\0{self.hsa}:{step}".encode()).digest() for step in self.used]
            with psycopg.connect(cluster.at(self.demo.data / "pg").dsn(), autocommit=True) as connection:
                connection.execute("DELETE FROM spent WHERE what = ANY(%s)", (spent,))
            self.used.clear()
            left = [now]
        self.used.add(left[0])
        return pyotp.TOTP(self.secret).generate_otp(left[0])


def enrol(demo: Instance, browser: Browser, hsa: str, code: str) -> Enrolled:
    """Goes through the pages."""
    csrf = browser.form("/login/enrol")
    page = browser.post("/login/enrol", {"csrf": csrf, "person": hsa, "code": code.lower().replace("-", " ")})
    assert page.status_code == 200, page.text
    found = re.search(r'class="code secret">([A-Z2-7 ]+)<', page.text)
    assert found
    one = Enrolled(demo, hsa, found[1].replace(" ", ""), set(), browser)
    assert "otpauth://totp/" in page.text
    fields = {"csrf": csrf, "sealed": field(page.text, "sealed"), "passphrase": PASSPHRASE, "again": PASSPHRASE}
    assert browser.post("/login/enrol/finish", {**fields, "code": "000000"}).status_code == 422
    for wrong in ({"passphrase": "short", "again": "short"}, {"again": "another"}, {"passphrase": "aaaaaaaaaaaaaaa", "again": "aaaaaaaaaaaaaaa"}, {"passphrase": hsa + "xx", "again": hsa + "xx"}):  # fmt: skip
        answer = browser.post("/login/enrol/finish", {**fields, **wrong, "code": pyotp.TOTP(one.secret).now()})
        assert answer.status_code == 422, wrong
        assert browser.session is None
    assert browser.post("/login/enrol/finish", {**fields, "code": one.code()}).status_code == 303
    assert browser.session is not None
    replay = Browser(browser.url)
    replay.cookies = {name: value for name, value in browser.cookies.items() if name != "__Host-vaka"}
    assert replay.post("/login/enrol/finish", {**fields, "code": pyotp.TOTP(one.secret).now()}).status_code in (
        401,
        403,
    )
    return one


@pytest.fixture
def enrolled(demo: Instance, employ: Callable[..., str]) -> Enrolled:
    hsa = employ("ava31")
    return enrol(demo, Browser(demo.url), hsa, set_up_code(demo, hsa))


def log_in(browser: Browser, hsa: str, code: str, passphrase: str = PASSPHRASE) -> tuple[int, str]:
    """Status and text of a try."""
    answer = browser.post(
        "/login/code", {"csrf": browser.form("/login"), "person": hsa, "passphrase": passphrase, "code": code}
    )
    return answer.status_code, answer.text


def test_enrolling_and_logging_in(demo: Instance, enrolled: Enrolled) -> None:
    """Would break: a person without identity service cannot come in; or one factor is enough; or a code works twice."""
    browser = Browser(demo.url)
    code = enrolled.code()
    assert log_in(browser, enrolled.hsa, code, "another passphrase")[0] == 401
    assert log_in(browser, enrolled.hsa, "123456" if code != "123456" else "654321")[0] == 401
    assert log_in(browser, enrolled.hsa.lower() + " ", f"{code[:3]} {code[3:]}")[0] == 303
    assert browser.session is not None
    again = Browser(demo.url)
    assert log_in(again, enrolled.hsa, code)[0] == 401, "the code was used"
    assert again.session is None


def test_a_set_up_code_works_once_and_for_its_person(demo: Instance, enrolled: Enrolled, tag: str) -> None:
    """Would break: who finds the paper later takes over the account."""
    code = set_up_code(demo, enrolled.hsa)
    assert 5 * len(code.replace("-", "")) >= 112, "bits (ASVS 2.6.2)"
    browser = Browser(demo.url)
    csrf = browser.form("/login/enrol")
    for person, typed in (("TSTVAKA0001-P001", code), (enrolled.hsa, "0000-0000-0000-0000-0000"), (enrolled.hsa, "")):
        assert browser.post("/login/enrol", {"csrf": csrf, "person": person, "code": typed}).status_code == 401
    newer = set_up_code(demo, enrolled.hsa)
    assert enrolled.browser.get("/").status_code == 200
    assert browser.post("/login/enrol", {"csrf": csrf, "person": enrolled.hsa, "code": code}).status_code == 401
    enrol(demo, Browser(demo.url), enrolled.hsa, newer)
    assert enrolled.browser.get("/").status_code == 401, "a new passphrase ends the sessions of before"
    assert browser.post("/login/enrol", {"csrf": csrf, "person": enrolled.hsa, "code": newer}).status_code == 401
    told = vaka(demo, "person", "enroll", "--hsa", "TSTVAKA0001-P9999")
    assert told.returncode == 78
    assert "no active Practitioner" in told.stderr


def test_nothing_tells_whether_an_account_exists(demo: Instance, enrolled: Enrolled) -> None:
    """Would break: a stranger learns by texts, or by time, whom to attack."""
    people = {"known": enrolled.hsa, "unknown": f"{enrolled.hsa}-X", "staff without": "TSTVAKA0001-P040"}
    browsers = {kind: Browser(demo.url) for kind in people}
    csrf = {kind: browser.form("/login") for kind, browser in browsers.items()}
    texts, times = {}, dict.fromkeys(people, math.inf)
    for _ in range(4):  # by turns, and the least: other tests want the processors too; more would use up the address
        for kind, hsa in people.items():
            began = time.perf_counter()
            answer = browsers[kind].post(
                "/login/code", {"csrf": csrf[kind], "person": hsa, "passphrase": "wrong wrong wrong", "code": "000000"}
            )
            times[kind] = min(times[kind], time.perf_counter() - began)
            assert answer.status_code == 401
            shown = re.sub('data-challenge="[^"]+"', "", answer.text.partition('id="w-demo"')[0])
            texts[kind] = shown.replace(hsa, "").replace(csrf[kind], "")
    assert len(set(texts.values())) == 1
    assert max(times.values()) < 3 * min(times.values()), times


def test_guessing_is_slowed_and_locks_nobody_out(demo: Instance, enrolled: Enrolled) -> None:
    """Would break: an attacker guesses freely; or, by guessing, keeps a clinician out of the record."""
    clinician = enrolled.browser
    clinician.cookies.pop("__Host-vaka")
    attacker = Browser(demo.url)
    csrf = attacker.form("/login")

    def guess(_: int) -> tuple[int, str | None]:
        one = Browser(demo.url)
        one.cookies = dict(attacker.cookies)
        answer = one.post(
            "/login/code", {"csrf": csrf, "person": enrolled.hsa, "passphrase": "guess", "code": "000000"}
        )
        return answer.status_code, answer.headers.get("retry-after")

    with ThreadPoolExecutor(12) as pool:  # at once: none may slip by before the others are counted
        answers = list(pool.map(guess, range(24)))
    tried = sum(1 for status, _ in answers if status == 401)
    assert tried <= config.ATTEMPTS_FREE_ACCOUNT + 2, answers
    assert all(status in (401, 429) for status, _ in answers)
    assert all(int(after or 0) >= 1 for status, after in answers if status == 429)
    # As if it had gone on for longer: the right passphrase and code from a strange browser wait too, and are not spent by it.
    with psycopg.connect(cluster.at(demo.data / "pg").dsn(), autocommit=True) as connection:
        changed = connection.execute(
            "UPDATE attempt SET failures = 12 WHERE what = %s", (account(enrolled.hsa, "code").what,)
        )
        assert changed.rowcount == 1
    code = enrolled.code()
    assert log_in(Browser(demo.url), enrolled.hsa, code)[0] == 429
    assert log_in(clinician, enrolled.hsa, code)[0] == 303, "a device that is known passes"
    # Others at the attacker's address are not kept out by this account's count.
    assert log_in(Browser(demo.url), "TSTVAKA0001-P041", "000000")[0] == 401


def test_taking_ways_in_back(demo: Instance, enrolled: Enrolled) -> None:
    """Would break: who found a phone keeps coming in after it was told lost."""
    browser = enrolled.browser
    assert browser.get("/").status_code == 200
    told = vaka(demo, "person", "forget", "--hsa", enrolled.hsa)
    assert told.returncode == 0, told.stderr
    until(lambda: browser.get("/").status_code != 200, "it is refused")
    assert browser.session is None
    assert log_in(Browser(demo.url), enrolled.hsa, enrolled.code())[0] == 401


def test_ending_all_sessions_of_a_person(demo: Instance) -> None:
    """Would break: somebody who is dismissed today goes on reading until the evening; or others are thrown out with them."""
    one, other, neighbour = Browser(demo.url), Browser(demo.url), Browser(demo.url)
    for browser, person in ((one, "TSTVAKA0001-P025"), (other, "TSTVAKA0001-P025"), (neighbour, "TSTVAKA0001-P022")):
        assert browser.demo(person).status_code == 303
        if browser.session is None:
            page = browser.get("/assignment").text
            chosen = page.partition('name="assignment" value="')[2].partition('"')[0]
            browser.post("/assignment", {"csrf": field(page, "csrf"), "assignment": chosen})
        assert browser.get("/").status_code == 200
    assert vaka(demo, "person", "log-out", "--hsa", "TSTVAKA0001-P025").returncode == 0
    ended = [event.record for event in accesses.events(demo.data) if event.record.activity == "end-sessions"]
    by_command = [record.reason for record in ended if record.actor.way == "command"]
    assert by_command == ["TSTVAKA0001-P025"]
    until(lambda: one.get("/").status_code == 401, "it is refused")
    assert [other.get("/").status_code, neighbour.get("/").status_code] == [401, 200]


def test_no_secret_is_logged_or_stands_in_a_list_of_processes(demo: Instance, enrolled: Enrolled, record: Api) -> None:
    """Would break: a log, which many read, opens the record."""
    time.sleep(0.5)
    for path in demo.data.glob("log/**/*"):
        if path.is_file():
            content = path.read_bytes()
            assert PASSPHRASE.encode() not in content
            assert enrolled.secret.encode() not in content
            assert b"__Host-vaka=" not in content
    kept = record.get(demo.url + "/fhir/metadata").text
    assert enrolled.secret not in kept
