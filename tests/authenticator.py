"""A login with a passkey, as the page's script does it."""

from __future__ import annotations

import httpx
from bench.authenticator import Authenticator
from tests.web.browser import Browser

__all__ = ["Authenticator", "log_in"]


def log_in(browser: Browser, authenticator: Authenticator) -> httpx.Response:
    """A login with the passkey, as the page's script does it."""
    page = browser.get("/login").text
    csrf = page.split('data-csrf="')[1].split('"')[0]
    headers = {"X-CSRF-Token": csrf, "Origin": browser.url}
    challenge = page.split('data-challenge="')[1].split('"')[0]
    made = authenticator.answer(challenge, browser.url)
    return browser.ask("POST", "/login/passkey", headers, json=made)
