"""Logging in, choosing an assignment, logging out: the pages without script, and those who would misuse them."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote

import httpx
import jwt
import pytest
from tests import accesses
from tests.client import Api
from tests.conftest import Instance
from tests.web.browser import Browser, field

ONE, SEVERAL = "TSTVAKA0001-P027", "TSTVAKA0001-P051"
"""Sara Lindqvist, at one unit; Nadia Demir, at two."""


def claims(token: str | None) -> dict[str, Any]:
    assert token is not None
    return dict(jwt.decode(token, options={"verify_signature": False}))


def test_one_assignment_is_chosen_at_once(demo: Instance, browser: Browser) -> None:
    """Would break: who works in one place has to choose; or the session does not say who works where."""
    answer = browser.demo(ONE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    told = claims(browser.session)
    assert told["sub"] == ONE
    assert told["way"] == "demo"
    assert told["assignment"]["unit"] == "ava31"
    assert told["assignment"]["provider"] == "region-vikmark"
    assert set(told["assignment"]["rights"]) == {"read", "write", "sign", "consent", "emergency"}
    page = browser.get("/").text
    for text in (
        "Sara Lindqvist",
        ONE,
        "Sjuksköterska",
        "care and treatment",
        "Avdelning 31 Medicin",
        "Region Vikmark",
        "emergency opening",
        "as demo staff",
    ):
        assert text in page, text
    assert browser.get("/login").headers["location"] == "/"


def test_several_assignments_are_offered(browser: Browser) -> None:
    """Would break: somebody works at a unit that was not chosen; or the choice can be skipped, forged or made twice."""
    assert browser.demo(SEVERAL).headers["location"] == "/assignment"
    assert browser.session is None
    assert browser.get("/").headers["location"] == "/login"
    page = browser.get("/assignment").text
    assert "Avdelning 31 Medicin" in page
    assert "Avdelning 32 Lungmedicin" in page
    csrf, before = field(page, "csrf"), dict(browser.cookies)
    for chosen in ("roll-27-ava31", "", "x" * 5_000, "../roll-51-ava31"):
        assert browser.post("/assignment", {"csrf": csrf, "assignment": chosen}).status_code == 403
        assert browser.session is None
    assert browser.post("/assignment", {"csrf": csrf, "assignment": "roll-51-lung32"}).headers["location"] == "/"
    assert claims(browser.session)["assignment"]["unit"] == "lung32"
    replaying = Browser(browser.url)
    replaying.cookies = before
    assert replaying.post("/assignment", {"csrf": csrf, "assignment": "roll-51-ava31"}).status_code == 403
    assert replaying.session is None


def test_changing_the_assignment_makes_another_session(demo: Instance, browser: Browser) -> None:
    """Would break: the log cannot tell two assignments apart, or the session of the first lives on."""
    browser.demo(SEVERAL)
    browser.post("/assignment", {"csrf": browser.form("/assignment"), "assignment": "roll-51-ava31"})
    first = browser.session
    page = browser.get("/assignment").text
    assert 'aria-current="true"' in page
    csrf = page.rpartition('name="csrf" value="')[2].partition('"')[0]
    assert browser.post("/assignment", {"csrf": csrf, "assignment": "roll-51-lung32"}).status_code == 303
    before, now = claims(first), claims(browser.session)
    assert now["jti"] != before["jti"]
    assert now["auth_us"] == before["auth_us"]
    assert now["assignment"]["unit"] == "lung32"
    assert alive(demo, browser.session)
    assert not alive(demo, first)


def alive(demo: Instance, token: str | None) -> bool:
    answer = httpx.get(demo.url + "/fhir/openapi.json", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


def test_logging_in_again_ends_the_session_before(demo: Instance, browser: Browser) -> None:
    """Would break: session fixation: an id that somebody knew before the login is the id after it."""
    browser.demo(ONE)
    planted, form = browser.session, browser.cookies.get("__Host-vaka-login")
    other = Browser(demo.url)
    csrf = other.form("/login")
    other.cookies["__Host-vaka"] = str(planted)
    assert other.post("/login/demo", {"csrf": csrf, "person": "TSTVAKA0001-P023"}).status_code == 303
    assert claims(other.session)["jti"] != claims(planted)["jti"]
    assert claims(other.session)["sub"] == "TSTVAKA0001-P023"
    assert not alive(demo, planted)
    assert form is None
    fixed = httpx.get(f"{demo.url}/fhir/Patient/of-the-fixed", headers={"Cookie": f"__Host-vaka={planted}"})
    assert fixed.status_code == 401
    record = [event.record for event in accesses.events(demo.data) if event.record.address == "/fhir/Patient/of-the-fixed"][-1]  # fmt: skip
    assert record.why == f"session {claims(planted)['jti']} was ended"


def test_logging_out_ends_it_everywhere(demo: Instance, browser: Browser) -> None:
    """Would break: a copied cookie lives on after its owner has logged out."""
    browser.demo(ONE)
    token, cookies = browser.session, dict(browser.cookies)
    page = browser.get("/").text
    csrf = field(page, "csrf")
    thief = Browser(demo.url)
    thief.cookies = cookies
    assert thief.ask("POST", "/logout", {"Origin": "https://evil.example"}, data={"csrf": csrf}).status_code == 403
    assert thief.ask("POST", "/logout", data={"csrf": csrf}).status_code == 403
    assert browser.post("/logout", {"csrf": "x"}).status_code == 403
    assert alive(demo, token)
    assert browser.get("/logout").status_code == 405
    assert browser.post("/logout", {"csrf": csrf}).headers["location"] == "/login"
    assert browser.session is None
    assert not alive(demo, token)
    assert thief.get("/").status_code == 401
    assert thief.session is None


def test_forms_of_other_sites_log_nobody_in(demo: Instance, browser: Browser) -> None:
    """Would break: login CSRF: a victim works in the attacker's session and writes there."""
    csrf = browser.form("/login")
    stranger = Browser(demo.url)
    theirs = stranger.form("/login")
    for fields, headers in (
        ({"csrf": csrf}, {"Origin": "https://evil.example"}),
        ({"csrf": csrf}, {"Origin": "null"}),
        ({"csrf": csrf}, {"Origin": browser.url.replace("localhost", "localhost.evil.example")}),
        ({"csrf": csrf}, {"Sec-Fetch-Site": "cross-site"}),
        ({"csrf": csrf}, {}),
        ({"csrf": theirs}, {"Origin": browser.url}),
        ({}, {"Origin": browser.url}),
    ):
        answer = browser.ask("POST", "/login/demo", headers, data={"person": ONE, **fields})
        assert answer.status_code == 403, headers
        assert browser.session is None
    nobody = Browser(demo.url)
    assert nobody.post("/login/demo", {"person": ONE, "csrf": csrf}).status_code == 403


@pytest.mark.parametrize(
    "next_", ["//evil.example", "https://evil.example", "/\\evil.example", "/%09/evil.example", "/..//evil.example", "javascript:alert(1)", "/logout", "/fhir/Patient", "/a?b=c", "", "evil", "/a/../../b", "/%2F%2Fevil.example", "/a%0d%0aSet-Cookie:x=y"]
)  # fmt: skip
def test_only_our_own_pages_follow_a_login(demo: Instance, browser: Browser, next_: str) -> None:
    """Would break: an open redirect: a link to us leads to somebody else's copy of our login."""
    refused = browser.get(f"/login?next={next_}")
    assert refused.status_code == 400
    assert "location" not in refused.headers
    record = [event.record for event in accesses.events(demo.data) if event.record.activity == "page-refused"][-1]
    assert (record.status, record.address) == (400, "/login")
    assert record.why == f"next={unquote(next_)[:100]!r}"
    answer = browser.demo(ONE)
    assert answer.headers["location"] == "/"


def test_a_page_of_ours_follows_a_login(browser: Browser) -> None:
    """Would break: who was sent to log in does not come back."""
    assert browser.demo(ONE, "/patients/4-b").headers["location"] == "/patients/4-b"


def test_demo_staff_log_in_only_here(demo: Instance, journal: Instance) -> None:
    """Would break: a click logs in from another machine, through a proxy, by a name that an attacker made lead here, as a
    person who is real, or where no demo was asked for."""
    for headers in (
        {"Host": "evil.example"},
        {"Host": "10.0.0.1"},
        {"X-Forwarded-For": "10.0.0.1"},
        {"Via": "1.1 x"},
        {"Forwarded": "for=10.0.0.1"},
        {"X-Real-IP": "127.0.0.1"},
    ):
        browser = Browser(demo.url, **headers)
        page = browser.get("/login")
        assert page.status_code == 200
        assert "Nadia" not in page.text
        origin = {"Origin": f"http://{headers['Host']}"} if "Host" in headers else {}
        answer = browser.post("/login/demo", {"csrf": field(page.text, "csrf"), "person": ONE}, **origin)
        assert answer.status_code == 404, headers
        assert browser.session is None
    real = Browser(journal.url)
    text = real.get("/login").text
    assert "made up" not in text
    assert real.post("/login/demo", {"csrf": field(text, "csrf"), "person": ONE}).status_code == 404
    browser = Browser(demo.url)
    for person in ("SE2321000016-1ABC", "TSTVAKA0001-P999"):
        answer = browser.demo(person)
        assert answer.status_code == 401
        assert "nobody" in answer.text


def test_pages_defend_themselves(demo: Instance, browser: Browser) -> None:
    """Would break: a page can be framed, sniffed, kept by the browser, or made to run what somebody wrote into it."""
    answers = [
        browser.get(page)
        for page in ("/login", "/login/enrol", "/nowhere-but/login", "/login/none", "/assignment", "/")
    ]
    browser.demo(ONE)
    answers += [browser.get("/"), browser.get("/assignment"), browser.get("/login/passkeys")]
    for answer in answers:
        if answer.status_code == 401 and "json" in answer.headers["content-type"]:
            continue
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "no-store" in answer.headers["cache-control"]
        for inline in ("<script>", "<style", " style=", " onclick=", "javascript:"):
            assert inline not in answer.text, inline
    page = browser.post(
        "/login/code",
        {"csrf": browser.form("/login/enrol"), "person": '"><script>alert(1)</script>', "passphrase": "x", "code": "1"},
    )
    assert "<script>alert" not in page.text


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("GET", "/static/../../../etc/passwd", 401), ("GET", "/static/%2e%2e%2fbase.html", 405), ("GET", "/static/none", 404),
        ("PUT", "/login", 405), ("DELETE", "/", 405), ("GET", "/login/service/9", 404), ("GET", "/login/service/-1", 404),
        ("GET", "/login/service/x", 404), ("GET", "/login/callback", 401), ("GET", "/login/callback?state=x&code=y", 401),
        ("POST", "/logout", 303), ("POST", "/assignment", 415), ("POST", "/login/demo", 415), ("POST", "/login/passkey", 403),
    ],
)  # fmt: skip
def test_odd_requests_get_an_answer(browser: Browser, method: str, address: str, status: int) -> None:
    """Would break: an odd address or method is a fault of ours."""
    assert browser.ask(method, address).status_code == status


@pytest.mark.parametrize(
    "body", [b"a=1&a=2", b"\xff=\xff", b"a=%00", b"&" * 10_000, b"x=" + b"y" * 20_000, b"", b"csrf"]
)
def test_odd_forms_get_an_answer(browser: Browser, body: bytes) -> None:
    """Would break: an odd form is a fault of ours."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": browser.url}
    browser.get("/login")
    for page in ("/login/demo", "/login/code", "/login/enrol", "/login/enrol/finish", "/assignment"):
        assert browser.ask("POST", page, headers, content=body).status_code in (303, 400, 403, 413)


def test_who_has_no_assignment_does_not_come_in(browser: Browser, employ: Callable[..., str]) -> None:
    """Would break: somebody whose assignments have all ended, or who never had one, gets a session."""
    for members in (
        {"active": False},
        {"period": {"end": "2020-01-01"}},
        {"period": {"start": "2999"}},
        {"code": [{"text": "trädgårdsmästare"}]},
    ):
        answer = browser.demo(employ("ava31", **members))
        assert answer.status_code == 401
        assert "no assignment" in answer.text
        assert browser.session is None


def test_an_assignment_that_ends_this_minute(
    demo: Instance, browser: Browser, record: Api, employ: Callable[..., str], tag: str
) -> None:
    """Would break: a period that ends in the middle of the day counts until midnight, or the choice offers what ended since."""
    hsa = employ("ava31", "lung32")
    assert browser.demo(hsa).headers["location"] == "/assignment"
    csrf = browser.form("/assignment")
    employ("ava31", period={"end": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 1))})
    assert browser.post("/assignment", {"csrf": csrf, "assignment": f"r-{tag}-ava31"}).status_code == 403
    assert "Avdelning 31" not in browser.get("/assignment").text
    assert browser.post("/assignment", {"csrf": csrf, "assignment": f"r-{tag}-lung32"}).status_code == 303


def test_a_choice_is_made_once_however_many_try(demo: Instance, browser: Browser) -> None:
    """Would break: two clicks at once make two sessions of one choice."""
    browser.demo(SEVERAL)
    csrf = browser.form("/assignment")

    def choose(_: int) -> int:
        one = Browser(demo.url)
        one.cookies = dict(browser.cookies)
        return one.post("/assignment", {"csrf": csrf, "assignment": "roll-51-ava31"}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(choose, range(8))) == [303] + [403] * 7
