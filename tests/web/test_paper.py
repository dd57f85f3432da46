"""A sheet in a real browser: joined parts are read to the end, and each printed page says whose it is, of when, and which of how
many (S2, S7, S24)."""

from __future__ import annotations

import io
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files

import pytest
from playwright.sync_api import Browser, sync_playwright
from pypdf import PdfReader
from tests.unit.copy.sheet.building import NOW_US, READER, concept, made, owned

from vaka.copy.sheet import page
from vaka.copy.sheet.identity import Identity, Number
from vaka.copy.sheet.page import Hidden, Owned
from vaka.copy.sheet.stream import joined

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: on Debian, apt-get install chromium")
WHO = Identity("p1", "Rolf Lindberg", (Number("personnummer", "19480314-9816"),), born="1948-03-14", reach="0701740654")


def parts() -> tuple[Owned, ...]:
    note = {
        "resourceType": "Composition", "status": "final", "date": "2026-11-29", "type": concept("Note"),
        "section": [{"title": f"Heading {n}", "text": {"div": "<div>" + "A sentence of a note. " * 20 + "</div>"}} for n in range(2)],
    }  # fmt: skip
    flags = [{"resourceType": "Flag", "status": "active", "code": concept(f"Alert {n}")} for n in range(60)]
    visit = {
        "resourceType": "Encounter", "status": "in-progress", "serviceType": concept("Ward 35"), "period": {"start": "2026-11-28"},
        "location": [{"location": {"display": "Bed 12"}, "status": "active"}],
    }  # fmt: skip
    return (
        owned(made(*flags)), owned(made(*[note] * 8), "note"), owned(made(visit), "contact"),
    )  # fmt: skip


def stream(who: Identity = WHO, language: str = "en", *, away: bool = True) -> bytes:
    reader = replace(READER, language=language, as_of_us=NOW_US - 7_200_000_000, age_s=7_200.0, away=away)
    fragments = parts() if language == "en" else ()
    body = page.body(language, who.id, fragments, Hidden(), NOW_US)
    return joined(page.html(body, who, reader))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def served() -> Iterator[Callable[[bytes], str]]:
    """Serves what it is given, as a copy would; gives its address."""
    pages: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            style = self.path == "/static/sheet.css"
            body = (files("vaka.web") / "static" / "sheet.css").read_bytes() if style else pages.get(self.path, b"")
            self.send_response(200)
            self.send_header("Content-Type", "text/css" if style else "text/html; charset=utf-8")
            if not style:
                self.send_header("Content-Encoding", "deflate")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def serve(body: bytes) -> str:
        pages[f"/{len(pages)}"] = body
        return f"http://localhost:{server.server_port}/{len(pages) - 1}"

    yield serve
    server.shutdown()


def printed(browser: Browser, address: str) -> list[str]:
    """The text of each page on paper."""
    shown = browser.new_page()
    shown.goto(address)
    found = PdfReader(io.BytesIO(shown.pdf(prefer_css_page_size=True)))
    shown.close()
    return [" ".join(each.extract_text().split()) for each in found.pages]


def test_a_browser_reads_all_parts(browser: Browser, served: Callable[[bytes], str]) -> None:
    """Would break: the browser stops after the first part, as it does with members of gzip; or finds a script or a style in it."""
    shown = browser.new_page()
    faults: list[str] = []
    shown.on("pageerror", lambda error: faults.append(str(error)))
    shown.goto(served(stream()))
    assert shown.locator("section").count() == 18
    assert shown.locator("#alerts li").count() == 60
    assert shown.locator("script").count() == 0
    assert shown.locator(".more a").get_attribute("href") == "/fhir/Patient/p1/$everything"
    assert not shown.locator("p.running").is_visible()
    assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shown.set_viewport_size({"width": 360, "height": 700})
    assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not faults
    shown.close()


def test_each_page_on_paper_says_whose_it_is(browser: Browser, served: Callable[[bytes], str]) -> None:
    """Would break: a page that is found later is nobody's, or of nobody knows when; one that is missing is not missed."""
    pages = printed(browser, served(stream()))
    assert len(pages) >= 2
    for number, text in enumerate(pages, start=1):
        assert "Rolf Lindberg" in text
        assert "19480314-9816" in text
        assert "as of Sunday 2026-11-29 12:03 (2 hours old)" in text
        assert "Shown Sunday 2026-11-29 14:03" in text
        assert f"Page {number} of {len(pages)}" in text
    assert "The journal cannot be reached." in pages[0]


@pytest.mark.parametrize("away", [False, True])
def test_a_journal_that_is_away_is_a_coloured_banner_and_black_on_paper(
    browser: Browser, served: Callable[[bytes], str], away: bool
) -> None:
    """Would break: nobody notices that the journal is away, or everybody always sees a warning; or it is white on white paper."""
    shown = browser.new_page()
    shown.goto(served(stream(away=away)))
    ground, ink = (
        f"getComputedStyle(document.querySelector('.state')).{name}" for name in ("backgroundColor", "color")
    )
    assert shown.evaluate(ground) == ("rgb(138, 28, 28)" if away else "rgba(0, 0, 0, 0)")
    assert (shown.evaluate(ink) == "rgb(255, 255, 255)") is away
    shown.emulate_media(media="print")
    assert shown.evaluate(ground) == "rgba(0, 0, 0, 0)"
    assert shown.evaluate(ink) != "rgb(255, 255, 255)"
    shown.close()


def test_paper_in_swedish(browser: Browser, served: Callable[[bytes], str]) -> None:
    """Would break: pages are counted in another language than they are in."""
    (text,) = printed(browser, served(stream(language="sv")))
    assert "Sida 1 av 1" in text
    assert "uppgifter per söndag 2026-11-29 12:03" in text


def test_paper_of_a_protected_identity_tells_no_place(browser: Browser, served: Callable[[bytes], str]) -> None:
    """Would break: a sheet on paper tells where somebody is whose identity is protected, or how to reach them (S24)."""
    open_ = " ".join(printed(browser, served(stream())))
    assert "Bed 12" in open_
    assert "Ward 35" in open_
    assert "0701740654" in open_
    closed = " ".join(printed(browser, served(stream(replace(WHO, protected=True)))))
    assert "Protected identity" in closed
    assert "Bed 12" not in closed
    assert "Ward 35" not in closed, "the reader's unit is a place too, and whose the entries are"
    assert "0701740654" not in closed
