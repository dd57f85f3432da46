"""Cookies that a browser is given, and what the access log keeps of coming in."""

from __future__ import annotations

from tests import accesses
from tests.conftest import Instance
from tests.web.browser import Browser

ONE = "TSTVAKA0001-P027"


def test_every_cookie_is_closed_to_scripts_other_sites_and_the_clear(demo: Instance) -> None:
    """Would break: a script, another site, or who listens on a line without TLS gets a session."""
    browser = Browser(demo.url)
    given: list[str] = []
    browser.get("/login")
    given += browser.set_cookies
    browser.demo(ONE)
    given += browser.set_cookies
    csrf = browser.form("/")
    given += browser.set_cookies
    browser.post("/logout", {"csrf": csrf})
    given += browser.set_cookies
    assert {cookie.partition("=")[0] for cookie in given} >= {"__Host-vaka", "__Host-vaka-login"}
    for cookie in given:
        name, *attributes = (part.strip() for part in cookie.split(";"))
        assert name.startswith("__Host-")
        assert {"Secure", "HttpOnly", "Path=/"} <= set(attributes), cookie
        assert not [one for one in attributes if one.startswith("Domain")], cookie
        # An identity service leads back here: the state of a login comes along, a session never does.
        may_be_lax = name.startswith("__Host-vaka-login=")
        assert "SameSite=Strict" in attributes or (may_be_lax and "SameSite=Lax" in attributes), cookie


def test_coming_in_and_failing_to_are_in_the_access_log(demo: Instance) -> None:
    """Would break: nobody can see that an account was tried, or when its owner came in and left."""
    browser = Browser(demo.url)
    csrf = browser.form("/login")
    answer = browser.post("/login/code", {"csrf": csrf, "person": ONE, "passphrase": "wrong wrong", "code": "000000"})
    assert answer.status_code == 401
    browser.demo(ONE)
    browser.post("/logout", {"csrf": browser.form("/")})
    found = sorted((event.record for event in accesses.events(demo.data)), key=lambda record: record.time_us)
    tried = [record for record in found if record.activity == "login-failed"][-1]
    assert tried.status == 401
    assert ONE in tried.reason  # which account, and what was wrong: the page does not say
    assert "wrong wrong" not in tried.reason
    came, left = (record for record in found if record.actor.person == ONE and record.time_us > tried.time_us)
    assert (came.activity, came.actor.way, left.activity) == ("login", "demo", "logout")
    assert came.actor.session == left.actor.session != ""
    assert tried.time_us < came.time_us < left.time_us
