"""Logging in through an identity service, and services, answers and go-betweens that are not what they should be."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests.conftest import Instance
from tests.web.browser import Browser
from tests.web.identity import Identity
from tests.web.test_login_pages import ONE, SEVERAL, alive, claims

from vaka import config


def go_there(browser: Browser, service: int = 0) -> str:
    """The address at the identity service that the browser is sent to."""
    browser.get("/login")
    answer = browser.get(f"/login/service/{service}")
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def come_back(browser: Browser, address: str) -> httpx.Response:
    """Follows the service's way back, as a browser does: another site leads here, so Strict cookies stay away."""
    kept = {name: value for name, value in browser.cookies.items() if name in ("__Host-vaka", "__Host-vaka-choice")}
    for name in kept:
        del browser.cookies[name]
    answer = browser.get(address.removeprefix(browser.url))
    return answer


def log_in(browser: Browser, identity: Identity, service: int = 0) -> httpx.Response:
    return come_back(browser, identity.authorize(go_there(browser, service)))


def test_the_service_says_who(browser: Browser, identity: Identity) -> None:
    """Would break: nobody comes in by the ordinary way."""
    identity.claims = {"employeeHsaId": ONE}
    answer = log_in(browser, identity)
    assert answer.status_code == 200
    assert 'http-equiv="refresh" content="0; url=/"' in answer.text
    told = claims(browser.session)
    assert (told["sub"], told["way"], told["assignment"]["unit"]) == (ONE, "oidc", "ava31")
    assert browser.get("/").status_code == 200


def test_claims_of_userinfo(browser: Browser, identity: Identity) -> None:
    """Would break: services that keep the claims out of the token; or userinfo of another person is taken."""
    identity.userinfo = {"sub": "someone", "employeeHsaId": ONE}
    assert log_in(browser, identity).status_code == 200
    identity.userinfo = {"sub": "another", "employeeHsaId": ONE}
    other = Browser(browser.url)
    assert log_in(other, identity).status_code == 401
    assert other.session is None


def test_several_assignments_and_what_the_service_leaves(
    browser: Browser, identity: Identity, employ: Callable[..., str], tag: str
) -> None:
    """Would break: the service's word on which assignments there are, and with what rights, is lost; or adds to the record's."""
    hsa = employ("ava31", "lung32", "vc-kajen")
    role = f"{hsa}-AVA31"
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({}, {"ava31", "lung32", "vc-kajen"}),
        ({"allCommissions": [{"commissionHsaId": role}, {"commissionHsaId": f"{hsa}-LUNG32"}]}, {"ava31", "lung32"}),
        ({"allCommissions": [{"commissionHsaId": role}]}, {"ava31"}),
        ({"commissionHsaId": role, "commissionPurpose": "Vård och behandling"}, {"ava31"}),
        ({"commissionHsaId": role, "commissionPurpose": "Administration"}, set()),
        ({"commissionHsaId": f"{hsa}-IVA"}, set()),
        ({"commissionHsaId": role, "healthCareProviderHsaId": "TSTVAKA0002-1000"}, set()),
        ({"healthCareProviderHsaId": "TSTVAKA0002-1000"}, {"vc-kajen"}),
        ({"allCommissions": []}, set()),
        ({"allCommissions": "all"}, set()),
        ({"allCommissions": [1, None, {"commissionHsaId": None}]}, set()),
    ]
    for told, units in cases:
        identity.claims = {"employeeHsaId": hsa, **told}
        one = Browser(browser.url)
        answer = log_in(one, identity)
        if not units:
            assert answer.status_code == 401, told
            assert "no assignment" in answer.text
        elif len(units) == 1:
            assert {claims(one.session)["assignment"]["unit"]} == units, told
        else:
            page = one.get("/assignment").text
            assert {unit for unit in ("ava31", "lung32", "vc-kajen") if f"r-{tag}-{unit}" in page} == units, told
    identity.claims = {"employeeHsaId": hsa, "commissionHsaId": role, "commissionRight": ["Läsa;Alla;SJF"]}
    log_in(browser, identity)
    assert "write" not in claims(browser.session)["assignment"]["rights"]
    assert "read" in claims(browser.session)["assignment"]["rights"]
    # Another assignment is the service's to give: it is asked again, not gone round in a circle.
    choosing = browser.get("/assignment")
    assert choosing.status_code == 200
    assert "log in there again to choose another" in choosing.text
    assert 'name="assignment"' not in choosing.text
    assert "/login/service/0" in choosing.text


def test_a_service_of_one_provider_logs_in_to_no_other(
    browser: Browser, identity: Identity, employ: Callable[..., str]
) -> None:
    """Would break: a small provider's service lets its friends into the region's hospital."""
    identity.claims = {"employeeHsaId": ONE}
    assert log_in(browser, identity, service=1).status_code == 401
    assert browser.session is None
    identity.claims = {"employeeHsaId": employ("ava31", "vc-kajen")}
    log_in(browser, identity, service=1)
    assert claims(browser.session)["assignment"]["unit"] == "vc-kajen"


@pytest.mark.parametrize(
    "sign", ["none", "HS256 with the public key", "HS256 with the client's secret", "RS512", "another key"]
)
def test_tokens_signed_otherwise_are_refused(browser: Browser, identity: Identity, sign: str) -> None:
    """Would break: algorithm confusion: what anybody can make counts as signed by the service."""
    identity.claims, identity.sign = {"employeeHsaId": ONE}, sign
    answer = log_in(browser, identity)
    assert answer.status_code == 401
    assert browser.session is None
    assert "algorithm" not in answer.text.lower()
    assert "signature" not in answer.text.lower()


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://elsewhere.example"}, {"aud": "another"}, {"aud": ["vaka-test", "another"]}, {"aud": None},
        {"exp": int(time.time()) - 120}, {"exp": None}, {"iat": int(time.time()) + 3_600}, {"nonce": "another"}, {"nonce": None},
        {"sub": None}, {"azp": "another"}, {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, {"employeeHsaId": None},
        {"employeeHsaId": "x'; DROP TABLE"}, {"employeeHsaId": ["a"]}, {"employeeHsaId": "TSTVAKA0001-P999"},
        {"discovered": "https://elsewhere.example"},
    ],
)  # fmt: skip
def test_tokens_that_say_something_wrong_are_refused(
    browser: Browser, identity: Identity, wrong: dict[str, Any]
) -> None:
    """Would break: a token for another client, of another issuer, of another login, or of another time logs in."""
    identity.claims = {"employeeHsaId": ONE}
    browser.get("/login")
    if "discovered" in wrong:
        identity.wrong = wrong
        assert browser.get("/login/service/0").status_code == 503
        return
    address = go_there(browser)
    identity.wrong = wrong
    assert come_back(browser, identity.authorize(address)).status_code == 401
    assert browser.session is None


def test_clocks_may_differ_a_little(browser: Browser, identity: Identity) -> None:
    """Would break: a service whose clock is a few seconds ahead or behind logs nobody in."""
    identity.claims = {"employeeHsaId": ONE, "exp": int(time.time()) - 10, "iat": int(time.time()) + 10}
    assert log_in(browser, identity).status_code == 200


def test_an_answer_counts_once_and_for_its_browser(browser: Browser, identity: Identity) -> None:
    """Would break: a recorded answer is replayed, an answer is planted in another's browser, or a login is finished without
    the verifier (PKCE)."""
    identity.claims = {"employeeHsaId": ONE}
    address = identity.authorize(go_there(browser))
    before = dict(browser.cookies)
    assert come_back(browser, address).status_code == 200
    replay = Browser(browser.url)
    replay.cookies = before
    assert come_back(replay, address).status_code == 401
    victim = Browser(browser.url)
    planted = identity.authorize(go_there(Browser(browser.url)))
    victim.get("/login")
    assert come_back(victim, planted).status_code == 401
    go_there(victim)
    assert come_back(victim, planted).status_code == 401
    assert victim.session is None
    other = Browser(browser.url)
    address = identity.authorize(go_there(other))
    mixed = Browser(browser.url)
    theirs = identity.authorize(go_there(mixed))
    code = theirs.partition("code=")[2].partition("&")[0]
    injected = address.replace(address.partition("code=")[2].partition("&")[0], code)
    assert come_back(other, injected).status_code == 401
    assert other.session is None


def test_logging_in_again_ends_the_session_before(demo: Instance, browser: Browser, identity: Identity) -> None:
    """Would break: the session of before, whose cookie the browser withholds on the way back, lives on."""
    browser.demo(SEVERAL)
    browser.post("/assignment", {"csrf": browser.form("/assignment"), "assignment": "roll-51-ava31"})
    before = browser.session
    assert alive(demo, before)
    identity.claims = {"employeeHsaId": ONE}
    address = browser.get("/login/service/0").headers["location"]
    assert alive(demo, before), "a login that may not succeed ends nothing"
    assert come_back(browser, identity.authorize(address)).status_code == 200
    assert claims(browser.session)["sub"] == ONE
    assert not alive(demo, before)


def test_answers_that_are_errors(browser: Browser, identity: Identity) -> None:
    """Would break: a refusal at the service, or another issuer's answer, is a fault of ours."""
    address = go_there(browser)
    state = address.partition("&state=")[2].partition("&")[0]
    assert come_back(browser, f"/login/callback?error=access_denied&state={state}").status_code == 401
    address = go_there(browser)
    answer = identity.authorize(address).replace("iss=http", "iss=https")
    assert come_back(browser, answer).status_code == 401
    address = go_there(browser)
    state = address.partition("&state=")[2].partition("&")[0]
    assert come_back(browser, f"/login/callback?code=made-up&state={state}").status_code == 401
    assert browser.session is None


def test_the_service_being_away_stops_nobody_else(demo: Instance, browser: Browser, identity: Identity) -> None:
    """Would break: a stop of the identity service is a stop of the record."""
    identity.claims, identity.away = {"employeeHsaId": SEVERAL}, True
    browser.get("/login")
    answer = browser.get("/login/service/0")
    assert answer.status_code == 503
    assert "does not answer" in answer.text
    assert browser.demo(ONE).status_code == 303
    other = Browser(demo.url)
    identity.away = False
    address = identity.authorize(go_there(other))
    identity.away = True
    assert come_back(other, address).status_code == 503
    assert other.session is None


@pytest.mark.slow
def test_a_service_that_hangs_holds_nobody(demo: Instance, browser: Browser, identity: Identity) -> None:
    """Would break: a service that takes connections and says nothing keeps people waiting, or those who come in otherwise."""
    browser.get("/login")
    identity.silent = True
    try:
        with ThreadPoolExecutor(1) as pool:
            began = time.monotonic()
            waiting = pool.submit(browser.get, "/login/service/0")
            assert Browser(demo.url).demo(ONE).status_code == 303
            assert not waiting.done()
            assert waiting.result(timeout=30).status_code == 503
            assert time.monotonic() - began < config.IDENTITY_SERVICE_TIMEOUT_S + 5
    finally:
        identity.silent = False


def test_a_service_that_is_not_set_up_any_more(demo: Instance, browser: Browser, identity: Identity) -> None:
    """Would break: who was on the way while the settings changed meets a fault, or the code goes to another service."""
    from vaka.api.sealed import Sealed
    from vaka.api.secrets import secret

    content = {"service": ["Gone", identity.issuer], "state": "s" * 40, "nonce": "n", "verifier": "v"}
    flow = {"id": "f" * 32, "next": "/", "content": content}
    sealed = Sealed(secret(demo.data, "login.key"))
    browser.cookies["__Host-vaka-login"] = sealed.seal("login", flow, alive_s=60)
    answer = browser.get(f"/login/callback?state={'s' * 40}&code=x")
    assert answer.status_code == 401
    assert "could not be accepted" in answer.text
