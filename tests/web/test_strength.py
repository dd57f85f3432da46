"""The strength of a new passphrase, told while it is typed; and to whom it is told."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx
from tests.conftest import Instance
from tests.web.browser import Browser, field
from tests.web.test_code import Enrolled, enrolled, set_up_code

__all__ = ["enrolled"]
GOOD, EASY = "fyra grå kråkor på ett tak", "välkommen2026!"


def ask(browser: Browser, csrf: str, typed: object, sealed: str = "", **headers: str) -> httpx.Response:
    sent = {"X-CSRF-Token": csrf, "Origin": browser.url, **headers}
    return browser.ask("POST", "/login/strength", sent, json={"passphrase": typed, "sealed": sealed})


def test_the_strength_is_what_the_form_will_judge(demo: Instance, enrolled: Enrolled, tag: str) -> None:
    """Would break: the meter says good, and the form refuses it; or the other way round (ASVS 2.1.8)."""
    browser = enrolled.browser
    csrf = browser.form("/login/passphrase")
    shares = [ask(browser, csrf, typed).json()["share"] for typed in (GOOD, EASY, "kort", "", f"Tove Test-{tag[:6]}", "k7$qLz9!pR2")]  # fmt: skip
    assert shares[0] == 1.0
    assert all(0 <= one < 1 for one in shares[1:]), shares
    assert shares[1] > shares[3]
    strange: list[object] = ["x" * 5_000, "🥕" * 60, 17, None, [GOOD], {}]
    for odd in strange:
        assert 0 <= ask(browser, csrf, odd).json()["share"] <= 1


def test_who_sets_up_is_told_and_nobody_else(demo: Instance, employ: Callable[..., str]) -> None:
    """Would break: anybody has guesses judged here, by other sites' pages too, and keeps the cores busy."""
    hsa = employ("ava31")
    browser = Browser(demo.url)
    csrf = browser.form("/login/enrol")
    assert ask(browser, csrf, GOOD).status_code == 403, "before the set-up code"
    assert ask(browser, csrf, GOOD, sealed="x" * 80).status_code == 401
    page = browser.post("/login/enrol", {"csrf": csrf, "person": hsa, "code": set_up_code(demo, hsa)}).text
    sealed = field(page, "sealed")
    assert ask(browser, csrf, GOOD, sealed).json() == {"share": 1.0}
    assert ask(browser, csrf, hsa.lower() + " ab", sealed).json()["share"] < 1
    assert ask(browser, "x", GOOD, sealed).status_code == 403
    assert ask(browser, csrf, GOOD, sealed, Origin="https://evil.example").status_code == 403
    other = Browser(demo.url)
    assert ask(other, other.form("/login"), GOOD, sealed).status_code == 401, "of another browser's login"
    assert other.ask("POST", "/login/strength", {"Origin": other.url}, data={"passphrase": GOOD}).status_code == 415
    assert other.get("/login/strength").status_code == 405


def test_what_is_typed_stands_in_no_log(demo: Instance, enrolled: Enrolled, tag: str) -> None:
    """Would break: passphrases, half typed, lie where whoever operates Vaka reads them."""
    typed = f"en lapp om {tag}"
    browser = enrolled.browser
    assert ask(browser, browser.form("/login/passphrase"), typed).status_code == 200
    assert ask(browser, "wrong", typed).status_code == 403
    time.sleep(1.0)  # the request log is written a few times a second
    files = [one for folder in ("log", "accesslog") for one in (demo.data / folder).rglob("*") if one.is_file()]
    assert files
    assert not [
        one for one in files if tag.encode() in one.read_bytes() and f"lapp om {tag}".encode() in one.read_bytes()
    ]
