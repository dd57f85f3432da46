"""Where one may go, and the pages of one's own login: sessions, passphrase, what happened since the last login."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from argon2 import PasswordHasher
from tests import accesses
from tests.client import Api
from tests.conftest import Instance
from tests.web.browser import Browser, field
from tests.web.test_code import PASSPHRASE, Enrolled, enrol, enrolled, log_in, set_up_code, vaka
from tests.web.test_login_pages import ONE, SEVERAL, alive, claims

from vaka import config
from vaka.access.session import CLINICIAN, Right
from vaka.fhir.dates import ZONE
from vaka.journal import cluster

__all__ = ["enrolled"]
REVIEWER = "TSTVAKA0001-L001"
NEW = "fyra grå kråkor på ett tak"


@pytest.fixture(autouse=True)
def nobody_has_guessed(demo: Instance) -> None:
    """All tests come from one address: what others have failed is not held against these."""
    with psycopg.connect(cluster.at(demo.data / "pg").dsn(), autocommit=True) as connection:
        connection.execute("DELETE FROM attempt")


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def as_if_older(demo: Instance, person: str, seconds: int) -> None:
    """Moves the logins of a person back in time, so that the next is another."""
    with psycopg.connect(cluster.at(demo.data / "pg").dsn(), autocommit=True) as connection:
        connection.execute("UPDATE login SET at_us = at_us - %s WHERE person = %s", (seconds * 1_000_000, person))


def test_the_log_is_offered_to_who_may_read_it_alone(demo: Instance) -> None:
    """Would break: a reviewer finds no way to the log; or everybody is led to a page that refuses them."""
    reviewer, nurse = Browser(demo.url), Browser(demo.url)
    assert reviewer.demo(REVIEWER).headers["location"] == "/"
    home = reviewer.get("/").text
    assert home.count('href="/log"') == 2  # in the head of each page, and among where to go
    assert "Extracts for patients" in home
    page = reviewer.get("/log")
    assert page.status_code == 200
    assert "Log extract for a patient" in page.text
    assert 'href="/log"' in reviewer.get("/login/sessions").text
    nurse.demo(ONE)
    for address in ("/", "/assignment", "/login/sessions", "/login/passkeys", "/login/passphrase"):
        assert 'href="/log"' not in nurse.get(address).text, address
    refused = nurse.get("/log")
    assert refused.status_code == 403
    assert "needs the right to the access log" in refused.text


def test_everybody_sees_where_to_go(demo: Instance, browser: Browser) -> None:
    """Would break: a page is there, and nobody finds it; or an assignment is chosen without knowing what it is good for."""
    browser.demo(SEVERAL)
    page = browser.get("/assignment").text
    assert page.count("May: read, write, sign") == 2
    assert 'href="/login"' in page
    browser.post("/assignment", {"csrf": field(page, "csrf"), "assignment": "roll-51-ava31"})
    home = browser.get("/").text
    for address in ("/assignment", "/login/sessions", "/login/passkeys", "/login/passphrase"):
        assert f'href="{address}"' in home
        assert browser.get(address).status_code == 200


def test_who_is_not_logged_in_is_led_to_the_log_by_the_login(demo: Instance) -> None:
    """Would break: a link to the log, opened in the morning, ends in an error for programs."""
    browser = Browser(demo.url)
    page = browser.get("/log/review")
    assert page.status_code == 401
    assert "Log in to see this page." in page.text
    answer = browser.post("/login/demo", {"csrf": field(page.text, "csrf"), "person": REVIEWER})
    assert answer.headers["location"] == "/log/review"


@pytest.mark.parametrize(("accept", "language", "review"), [("sv", "sv", "Granskning av loggen"), ("en-GB", "en", "Review of the log"), ("", "sv", "Granskning av loggen")])  # fmt: skip
def test_pages_of_the_log_speak_the_readers_language(demo: Instance, accept: str, language: str, review: str) -> None:
    """Would break: a page in two languages, or an English reader's in Swedish."""
    browser = Browser(demo.url, Accept_Language=accept)
    browser.demo(REVIEWER)
    swedish = re.compile(r"\b(och|Uppgifter|Patient en|Urval|Antal|Logga ut|Inga än|Bedömning)\b")
    english = re.compile(r"\b(and|Information|Draw anew|Number|Log out|None yet|Finding)\b")
    for address in ("/log", "/log/review", "/log/review?sample=0", "/log/extract/nobody", "/log/none"):
        page = browser.get(address)
        assert f'<html lang="{language}">' in page.text
        assert page.headers["content-language"] == language
        told = text_of(page.text.partition("<body>")[2])
        assert not (english if language == "sv" else swedish).search(told), (address, told)
    assert review in browser.get("/log/review").text


def test_one_sees_and_ends_the_own_sessions(demo: Instance) -> None:
    """Would break: who left a computer logged in cannot see it, nor end it from another; or one ends somebody else's."""
    here, there, other = Browser(demo.url), Browser(demo.url, User_Agent="Mozilla/5.0 (Windows NT 10.0) Firefox/150.0"), Browser(demo.url)  # fmt: skip
    person = "TSTVAKA0001-P044"
    for browser in (here, there):
        browser.demo(person)
        if browser.session is None:
            page = browser.get("/assignment").text
            chosen = page.partition('name="assignment" value="')[2].partition('"')[0]
            browser.post("/assignment", {"csrf": field(page, "csrf"), "assignment": chosen})
    other.demo("TSTVAKA0001-P022")
    page = here.get("/login/sessions").text
    ids = set(re.findall(r'name="session" value="([0-9a-f]{32})"', page))
    assert ids == {claims(here.session)["jti"], claims(there.session)["jti"]}
    told = text_of(page)
    assert "Firefox, Windows" in told
    assert "as demo staff" in told
    assert "127.0.0.1" in told or "::1" in told
    assert told.count(" here ") == 1
    csrf = here.form("/login/sessions")
    for wrong in (claims(other.session)["jti"], "0" * 32, "", "x' OR 1=1"):
        assert here.post("/login/sessions", {"csrf": csrf, "session": wrong}).status_code == 403
    assert alive(demo, other.session)
    assert here.post("/login/sessions", {"csrf": "x", "session": "others"}).status_code == 403
    assert alive(demo, there.session)
    ended = here.post("/login/sessions", {"csrf": csrf, "session": claims(there.session)["jti"]})
    assert ended.headers["location"] == "/login/sessions"
    assert not alive(demo, there.session)
    assert alive(demo, here.session)
    assert claims(there.session)["jti"] not in here.get("/login/sessions").text
    record = [event.record for event in accesses.events(demo.data) if event.record.activity == "end-sessions" and event.record.actor.person == person]  # fmt: skip
    assert [one.reason for one in record if one.status == 303] == [claims(there.session)["jti"]]
    own = here.session
    assert here.post("/login/sessions", {"csrf": csrf, "session": claims(own)["jti"]}).headers["location"] == "/login"
    assert not alive(demo, own)


def test_all_other_sessions_end_at_once(demo: Instance) -> None:
    """Would break: several forgotten logins have to be found one by one; or the one in use ends with them."""
    browsers = [Browser(demo.url) for _ in range(3)]
    for browser in browsers:
        browser.demo("TSTVAKA0001-P042")
        page = browser.get("/assignment").text
        if 'name="assignment"' in page and browser.session is None:
            chosen = page.partition('name="assignment" value="')[2].partition('"')[0]
            browser.post("/assignment", {"csrf": field(page, "csrf"), "assignment": chosen})
    here = browsers[0]
    assert "End all but this one" in here.get("/login/sessions").text
    here.post("/login/sessions", {"csrf": here.form("/login/sessions"), "session": "others"})
    assert [alive(demo, one.session) for one in browsers] == [True, False, False]
    assert "End all but this one" not in here.get("/login/sessions").text


def test_one_changes_the_own_passphrase(demo: Instance, enrolled: Enrolled) -> None:
    """Would break: a passphrase that somebody has seen stays until an administrator has time; or who finds an open screen
    takes the account over; or whoever was in stays in."""
    browser, elsewhere = enrolled.browser, Browser(demo.url)
    assert log_in(elsewhere, enrolled.hsa, enrolled.code())[0] == 303
    csrf = browser.form("/login/passphrase")

    def change(old: str, new: str, code: str, again: str | None = None, csrf: str = csrf) -> tuple[int, str]:
        fields = {"csrf": csrf, "old": old, "passphrase": new, "again": new if again is None else again, "code": code}
        answer = browser.post("/login/passphrase", fields)
        return answer.status_code, answer.text

    assert change("not the old one", NEW, enrolled.code())[0] == 422
    assert change(PASSPHRASE, NEW, "000000")[0] == 422
    assert change(PASSPHRASE, NEW, enrolled.code(), csrf="x")[0] == 403
    assert change(PASSPHRASE, NEW, "000000", again="another")[0] == 422
    assert change(PASSPHRASE, PASSPHRASE, "000000")[0] == 422
    for weak in ("lösenord123456", "password123456", "Sommaren2026!", f"{enrolled.hsa} a"):
        status, page = change(PASSPHRASE, weak, "000000")
        assert status == 422
        assert "too easy to guess" in page, weak
    before = browser.session
    assert alive(demo, before)
    assert change(PASSPHRASE, NEW, enrolled.code())[0] == 303
    assert claims(browser.session)["jti"] != claims(before)["jti"]
    assert [alive(demo, one) for one in (browser.session, before, elsewhere.session)] == [True, False, False]
    assert log_in(Browser(demo.url), enrolled.hsa, enrolled.code())[0] == 401, "the old one"
    assert log_in(Browser(demo.url), enrolled.hsa, enrolled.code(), NEW)[0] == 303
    own = [event.record for event in accesses.events(demo.data) if enrolled.hsa in (event.record.actor.person,)]
    activities = [record.activity for record in own]
    assert activities.count("passphrase") == 1
    assert activities.count("passphrase-refused") == 2
    assert not [one for one in own if NEW in one.reason or PASSPHRASE in one.reason]


def test_guessing_the_old_passphrase_is_slowed(demo: Instance, enrolled: Enrolled) -> None:
    """Would break: who finds an open screen guesses the passphrase as often as they like."""
    browser = enrolled.browser
    csrf = browser.form("/login/passphrase")
    fields = {"csrf": csrf, "old": "guess", "passphrase": NEW, "again": NEW, "code": "000000"}
    assert [browser.post("/login/passphrase", fields).status_code for _ in range(8)][-1] == 429


def test_without_a_passphrase_there_is_none_to_change(browser: Browser) -> None:
    """Would break: who logs in another way meets a form that can only fail."""
    browser.demo(ONE)
    page = browser.get("/login/passphrase").text
    assert "You have no passphrase here" in page
    assert 'name="old"' not in page
    fields = {"csrf": browser.form("/"), "old": "x", "passphrase": NEW, "again": NEW, "code": "000000"}
    assert browser.post("/login/passphrase", fields).status_code in (422, 429)
    for address in ("/login/passphrase", "/login/sessions"):
        assert Browser(browser.url).get(address).headers["location"] == "/login"
        assert Browser(browser.url).post(address, {}).headers["location"] == "/login"


def test_a_common_passphrase_is_not_set_up(demo: Instance, employ: Callable[..., str], tag: str) -> None:
    """Would break: what stands in every list of leaked passwords guards a record (ASVS 2.1.7)."""
    hsa = employ("ava31")
    code, browser = set_up_code(demo, hsa), Browser(demo.url)
    csrf = browser.form("/login/enrol")
    page = browser.post("/login/enrol", {"csrf": csrf, "person": hsa, "code": code}).text
    for weak in ("password123456", "qwertyuiop1234", "iloveyou1234567", "välkommen2026!", f"Tove Test-{tag[:6]}"):
        fields = {"csrf": csrf, "sealed": field(page, "sealed"), "passphrase": weak, "again": weak, "code": "000000"}
        answer = browser.post("/login/enrol/finish", fields)
        assert answer.status_code == 422
        assert "too easy to guess" in answer.text, weak
    assert enrol(demo, browser, hsa, code).browser.session is not None


def test_the_login_before_is_told(demo: Instance, enrolled: Enrolled) -> None:
    """Would break: nobody notices that somebody else was logged in as them (ASVS 2.2.3)."""
    first = enrolled.browser
    assert "none before this one" in first.get("/").text
    as_if_older(demo, enrolled.hsa, 7_200)
    second = Browser(demo.url, User_Agent="Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0 Safari/537.36")
    assert log_in(second, enrolled.hsa, enrolled.code())[0] == 303
    told = text_of(second.get("/").text).partition("Last login")[2].partition("Where")[0]
    moments = [datetime.fromtimestamp(time.time() - ago_s, UTC).astimezone(ZONE) for ago_s in (7_200, 7_320)]
    assert any(f"{at:%Y-%m-%d %H:}" in told for at in moments), (told, moments)
    assert "with passphrase and code" in told
    # And the one who was in before is told of the login after.
    assert "Chrome, Linux" in text_of(first.get("/").text).partition("Last login")[2]


def test_changes_of_the_ways_in_are_told(demo: Instance, enrolled: Enrolled) -> None:
    """Would break: somebody takes an account over by a set-up code, and its owner never learns it (ASVS 2.5.5)."""
    as_if_older(demo, enrolled.hsa, 60)
    again = enrol(demo, Browser(demo.url), enrolled.hsa, set_up_code(demo, enrolled.hsa))
    told = text_of(again.browser.get("/").text)
    assert "happened with your ways in" in told
    assert "an administrator made a set-up code" in told
    assert "passphrase and code app were set up" in told
    later = Browser(demo.url)
    assert log_in(later, enrolled.hsa, again.code())[0] == 303
    assert "happened with your ways in" not in text_of(later.get("/").text), "told once"
    assert vaka(demo, "person", "forget", "--hsa", enrolled.hsa).returncode == 0
    after = Browser(demo.url)
    assert after.demo(enrolled.hsa).status_code == 303
    assert "took all ways in back" in text_of(after.get("/").text)


def test_a_code_that_was_used_before_is_told_to_its_owner(demo: Instance, enrolled: Enrolled) -> None:
    """Would break: somebody has the passphrase and has seen a code, and its owner never learns it (ASVS 2.8.5)."""
    as_if_older(demo, enrolled.hsa, 60)
    code = enrolled.code()
    first = Browser(demo.url)
    assert log_in(first, enrolled.hsa, code)[0] == 303
    assert "used before" not in text_of(first.get("/").text)
    assert log_in(Browser(demo.url), enrolled.hsa, code, "not the passphrase")[0] == 401
    assert "used before" not in text_of(first.get("/").text), "who does not know the passphrase makes nobody uneasy"
    assert log_in(Browser(demo.url), enrolled.hsa, code)[0] == 401
    told = text_of(first.get("/").text)
    assert "somebody with your passphrase was refused, since the code had been used before" in told
    refused = [event.record.reason for event in accesses.events(demo.data) if event.record.activity == "login-failed"]
    assert f"{enrolled.hsa}: code was used before" in refused


def test_a_hash_without_pepper_is_made_anew_at_the_next_login(demo: Instance, enrolled: Enrolled) -> None:
    """Would break: passphrases of before the pepper let nobody in; or stay as they were (ASVS 2.4.5)."""
    hashed = "SELECT hash FROM passphrase WHERE person = %s"
    with psycopg.connect(cluster.at(demo.data / "pg").dsn(), autocommit=True) as connection:
        of_before = PasswordHasher().hash(PASSPHRASE)
        connection.execute("UPDATE passphrase SET hash = %s WHERE person = %s", (of_before, enrolled.hsa))
        assert log_in(Browser(demo.url), enrolled.hsa, enrolled.code(), "another passphrase")[0] == 401
        assert connection.execute(hashed, (enrolled.hsa,)).fetchone() == (of_before,)
        assert log_in(Browser(demo.url), enrolled.hsa, enrolled.code())[0] == 303
        [kept] = connection.execute(hashed, (enrolled.hsa,)).fetchall()[0]
    assert kept.startswith("p1$argon2id$")
    assert log_in(Browser(demo.url), enrolled.hsa, enrolled.code())[0] == 303


def test_a_passkey_is_made_after_a_login_of_just_now_alone(demo: Instance, tag: str) -> None:
    """Would break: who finds an open screen makes a way in of their own (ASVS 3.7.1)."""
    who: dict[str, Any] = {
        "person": f"TSTVAKA0009-F{tag[:8].upper()}",
        "practitioner": f"f-{tag}",
        "unit": "ava31",
        "provider": "region-vikmark",
    }
    long_ago_us = time.time_ns() // 1_000 - (config.FRESH_LOGIN_S + 60) * 1_000_000
    answers = []
    for began_us in (long_ago_us, None):
        browser = Browser(demo.url)
        browser.cookies["__Host-vaka"] = demo.session(began_us=began_us, **who)
        csrf = browser.form("/")
        for address in ("/login/passkeys/options", "/login/passkeys"):
            sent = {"Origin": browser.url, "X-CSRF-Token": csrf}
            answers.append(browser.ask("POST", address, sent, json={}).status_code)
    assert answers[:3] == [403, 403, 200]
    assert answers[3] != 403


def test_a_choice_that_was_left_is_nobody_elses(demo: Instance, browser: Browser) -> None:
    """Would break: on a ward's computer, the next person works as the one before who had not chosen an assignment yet."""
    browser.demo(SEVERAL)
    left = browser.cookies["__Host-vaka-choice"]
    browser.cookies.pop("__Host-vaka-login", None)
    csrf = browser.form("/login")
    browser.cookies["__Host-vaka-choice"] = left  # as if the page of the login had been open in another tab already
    assert browser.post("/login/demo", {"csrf": csrf, "person": ONE}).headers["location"] == "/"
    page = browser.get("/assignment").text
    assert "Nadia" not in page
    assert "__Host-vaka-choice" not in browser.cookies
    second = Browser(demo.url)
    second.demo(SEVERAL)
    second.get("/login")
    assert second.get("/assignment").headers["location"] == "/login", "who begins anew has nothing left to choose"


def test_a_stranger_keeps_nobody_from_enrolling(demo: Instance, employ: Callable[..., str]) -> None:
    """Would break: on the day that the identity service is away, somebody who types wrong set-up codes for a clinician keeps
    that clinician out."""
    hsa = employ("ava31")
    code, stranger = set_up_code(demo, hsa), Browser(demo.url)
    csrf = stranger.form("/login/enrol")
    for _ in range(9):
        stranger.post("/login/enrol", {"csrf": csrf, "person": hsa, "code": "0000-0000-0000-0000-0000"})
    assert enrol(demo, Browser(demo.url), hsa, code).browser.session is not None


def test_findings_are_their_providers(demo: Instance, record: Api, tag: str) -> None:
    """Would break: one provider's reviewer reads what another found of its staff; or clears the other's list by it."""
    patient = record.make({"resourceType": "Patient", "id": f"x-{tag}", "name": [{"family": "Provqvist"}]})
    doctor = demo.session(
        person=f"TSTVAKA0009-D{tag[:8].upper()}", practitioner=f"d-{tag}", unit="ava31", provider="region-vikmark",
        name="Kim Provqvist", rights=CLINICIAN,
    )  # fmt: skip
    reviewers = {
        provider: demo.session(
            person=f"TSTVAKA0009-L{n}{tag[:8].upper()}", practitioner=f"l{n}-{tag}", unit=provider, provider=provider,
            name=f"Reviewer {n}", rights=frozenset({Right.LOG}),
        )
        for n, provider in enumerate(("region-vikmark", "capella-vard"))
    }  # fmt: skip
    with Api(demo.url, doctor) as one:
        one.post(f"/Patient/{patient['id']}/$open", json={"resourceType": "Parameters", "parameter": [{"name": "what", "valueCode": "emergency"}, {"name": "reason", "valueString": "medvetslös"}, {"name": "no-consent", "valueString": "kan inte tala"}]})  # fmt: skip
    [event] = [one.id for one in accesses.events(demo.data) if one.record.actor.name == "Kim Provqvist" and one.record.actor.person.endswith(tag[:8].upper())]  # fmt: skip
    with Api(demo.url, reviewers["region-vikmark"]) as own, Api(demo.url, reviewers["capella-vard"]) as other:
        fields = {"event": event, "drawn": "emergency", "verdict": "unclear", "comment": f"utreds {tag}"}
        assert own.post(f"{own.root}/log/review", data=fields | {"drawn": "nonsense"}).status_code == 400
        assert own.post(f"{own.root}/log/review", data=fields).status_code == 303
        assert f"utreds {tag}" in own.get(f"{own.root}/log/review").text
        assert tag not in other.get(f"{other.root}/log/review").text
