"""A browser without script, for tests of pages: keeps cookies, sends forms as a browser does. Secure cookies go to localhost."""

from __future__ import annotations

import html
import re
from typing import Any

import httpx


class Browser:
    """``url``: the server, by the name ``localhost``. ``cookies`` by name; ``headers`` go with every request."""

    def __init__(self, url: str, **headers: str) -> None:
        self.url = url.replace("127.0.0.1", "localhost")
        self.cookies: dict[str, str] = {}
        self.set_cookies: list[str] = []
        self.headers = {"Accept-Language": "en", **{name.replace("_", "-"): value for name, value in headers.items()}}
        self._client = httpx.Client(timeout=60)

    def ask(self, method: str, address: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        sent = {**self.headers, **(headers or {})}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        self._client.cookies.clear()
        answer = self._client.request(method, self.url + address, headers=sent, **more)
        self.set_cookies = answer.headers.get_list("set-cookie")
        for cookie in self.set_cookies:
            name, _, rest = cookie.partition("=")
            value = rest.partition(";")[0]
            if value:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        return answer

    def get(self, address: str, **headers: str) -> httpx.Response:
        return self.ask("GET", address, headers)

    def post(self, address: str, fields: dict[str, str], **headers: str) -> httpx.Response:
        """Sends a form from a page of the same origin."""
        return self.ask("POST", address, {"Origin": self.url, **headers}, data=fields)

    def form(self, page: str) -> str:
        """The CSRF token of the first form of a page."""
        return field(self.get(page).text, "csrf")

    def demo(self, person: str, next_: str = "") -> httpx.Response:
        """Logs in as one of the demo's staff."""
        csrf = self.form("/login" + (f"?next={next_}" if next_ else ""))
        return self.post("/login/demo", {"csrf": csrf, "person": person})

    @property
    def session(self) -> str | None:
        return self.cookies.get("__Host-vaka")


def field(page: str, name: str) -> str:
    """The value of a hidden field of a page."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, page[:2_000]
    return html.unescape(found[1])
