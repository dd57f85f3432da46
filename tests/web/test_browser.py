"""The pages in a real browser: Chromium with and without script, by keyboard, with a passkey, back from another site."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright
from tests.access.wards import PROTECTED
from tests.client import Api
from tests.conftest import Instance
from tests.web.identity import Identity
from tests.web.test_code import set_up_code

from vaka import config

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: on Debian, apt-get install chromium")


@pytest.fixture(scope="module")  # no longer: while it lives, no other test can run an event loop
def chromium() -> Iterator[Chromium]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Chromium, demo: Instance) -> Iterator[Callable[..., BrowserContext]]:
    """Makes browsers of their own; addresses begin at the demo's."""
    made: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        given = {"locale": "sv-SE", "base_url": demo.url.replace("127.0.0.1", "localhost"), **options}
        made.append(chromium.new_context(**given))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def page(context: Callable[..., BrowserContext]) -> Iterator[Page]:
    """A page in Swedish. What it complains of is a failure."""
    made = context().new_page()
    faults: list[str] = []
    made.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    made.on("pageerror", lambda error: faults.append(str(error)))
    yield made
    assert not faults


def test_from_login_to_logout(page: Page, demo: Instance) -> None:
    """Would break: the way that everybody goes, in Swedish, with cookies as a browser takes them on http://localhost."""
    page.goto("/")
    expect(page).to_have_title("Logga in – Vaka")
    assert page.locator("html").get_attribute("lang") == "sv"
    page.get_by_role("button", name="Nadia Demir").click()
    expect(page).to_have_url(page.url.rpartition("/")[0] + "/assignment")
    page.get_by_role("button", name="Avdelning 31 Medicin").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Du är inloggad")
    expect(page.get_by_role("banner")).to_contain_text("Nadia Demir, Undersköterska")
    expect(page.get_by_text("läsa, skriva, signera")).to_be_visible()
    [cookie] = page.context.cookies()
    assert cookie["name"] == "__Host-vaka"
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"], cookie["expires"]) == (True, True, "Strict", -1)
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("link", name="Byt uppdrag").click()
    page.get_by_role("button", name="Avdelning 32 Lungmedicin").click()
    expect(page.get_by_role("banner")).to_contain_text("Avdelning 32 Lungmedicin")
    page.get_by_role("button", name="Logga ut").click()
    expect(page).to_have_title("Logga in – Vaka")
    assert not [one for one in page.context.cookies() if one["name"] == "__Host-vaka"]


def test_by_keyboard_and_without_script(context: Callable[..., BrowserContext]) -> None:
    """Would break: who has no mouse, or no script, cannot log in; or cannot see where the keyboard is."""
    page = context(java_script_enabled=False, locale="en-GB").new_page()
    page.goto("/login")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    assert skip.bounding_box()["x"] >= 0  # type: ignore[index]
    target = page.get_by_role("button", name="Sara Lindqvist")
    for _ in range(60):
        page.keyboard.press("Tab")
        if target.evaluate("one => one === document.activeElement"):
            break
    expect(target).to_be_focused()
    assert target.evaluate("one => getComputedStyle(one).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("You are logged in")
    expect(page.get_by_text("Avdelning 31 Medicin").first).to_be_visible()


def test_a_wrong_try_is_told(context: Callable[..., BrowserContext]) -> None:
    """Would break: somebody who mistyped does not learn it, or has to type the HSA-id again."""
    page = context().new_page()
    page.goto("/login")
    page.get_by_label("HSA-id").fill("TSTVAKA0001-P044")
    page.get_by_role("textbox", name="Lösenfras").fill("fel fel fel fel")
    page.get_by_label("Sex siffror").fill("123456")
    page.get_by_role("button", name="Logga in", exact=True).click()
    expect(page.get_by_role("alert")).to_have_text("HSA-id, lösenfras eller kod är fel.")
    expect(page.get_by_label("HSA-id")).to_have_value("TSTVAKA0001-P044")
    expect(page.get_by_role("textbox", name="Lösenfras")).to_have_value("")


def authenticator(page: Page) -> Any:
    """A virtual authenticator that verifies its user, in this page's browser."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True, "automaticPresenceSimulation": True}  # fmt: skip
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session


def test_a_passkey(page: Page, context: Callable[..., BrowserContext]) -> None:
    """Would break: the way in that needs no identity service. Made after a login, used without one; unverified users refused."""
    page.goto("/login")
    session = authenticator(page)
    page.get_by_role("button", name="Reza Hosseini").click()
    page.get_by_role("link", name="Passkeys (0)").click()
    page.get_by_role("button", name="Skapa en passkey här").click()
    expect(page.get_by_text("Du har 1.")).to_be_visible()
    page.get_by_role("button", name="Logga ut").click()
    page.get_by_role("button", name="Använd en passkey").click()
    expect(page.get_by_role("banner")).to_contain_text("Reza Hosseini")
    expect(page.get_by_text("med passkey")).to_be_visible()
    page.get_by_role("button", name="Logga ut").click()
    # A recorded answer cannot be sent again: its challenge was used.
    sent: list[tuple[str, dict[str, str]]] = []
    page.on(
        "request",
        lambda one: sent.append((one.post_data or "", one.headers)) if one.url.endswith("/login/passkey") else None,
    )
    page.get_by_role("button", name="Använd en passkey").click()
    expect(page.get_by_role("banner")).to_contain_text("Reza Hosseini")
    [(body, headers)] = sent
    cookies = page.context.cookies()
    page.get_by_role("button", name="Logga ut").click()
    replay = context()
    replay.add_cookies([dict(one) for one in cookies])  # type: ignore[misc]
    kept = {name: value for name, value in headers.items() if name in ("x-csrf-token", "content-type")}
    answer = replay.request.post("/login/passkey", data=body, headers={**kept, "Origin": page.url.rpartition("/")[0]})
    assert answer.status in (401, 403)
    assert not [one for one in replay.cookies() if one["name"] == "__Host-vaka" and one not in cookies]
    session.detach()


def test_a_passkey_is_asked_with_what_the_page_has_and_once_more(context: Callable[..., BrowserContext]) -> None:
    """Would break: a login takes a request more than it needs; or who has two login pages open, or has failed once, is kept out
    until the page is loaded anew."""
    page = context().new_page()
    page.goto("/login")
    session = authenticator(page)
    page.get_by_role("button", name="Reza Hosseini").click()
    page.goto("/login/passkeys")
    page.get_by_role("button", name="Skapa en passkey här").click()
    expect(page.get_by_text("Du har ")).to_be_visible()
    page.get_by_role("button", name="Logga ut").click()
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url.rpartition("/login/")[2]) if one.method == "POST" else None)
    page.get_by_role("button", name="Använd en passkey").click()
    expect(page.get_by_role("banner")).to_contain_text("Reza Hosseini")
    assert asked == ["passkey"]
    page.get_by_role("button", name="Logga ut").click()
    expect(page.get_by_role("button", name="Använd en passkey")).to_be_enabled()
    page.context.new_page().goto("/login")  # another page of the same login: its challenge counts now
    del asked[:]
    page.get_by_role("button", name="Använd en passkey").click()
    expect(page.get_by_role("status")).to_contain_text("Det gick inte att använda passkey")
    page.get_by_role("button", name="Använd en passkey").click()
    expect(page.get_by_role("banner")).to_contain_text("Reza Hosseini")
    assert asked == ["passkey", "passkey/challenge", "passkey"]
    session.detach()


def test_a_passkey_without_its_user_is_refused(context: Callable[..., BrowserContext]) -> None:
    """Would break: who finds a phone or key has only one factor, and comes in."""
    page = context().new_page()
    page.goto("/login")
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True, "automaticPresenceSimulation": True}  # fmt: skip
    made = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    page.get_by_role("button", name="Emma Sandström").click()
    page.goto("/login/passkeys")
    page.get_by_role("button", name="Skapa en passkey här").click()
    expect(page.get_by_text("Du har 1.")).to_be_visible()
    page.get_by_role("button", name="Logga ut").click()
    session.send("WebAuthn.setUserVerified", {"authenticatorId": made["authenticatorId"], "isUserVerified": False})
    page.get_by_role("button", name="Använd en passkey").click()
    expect(page.get_by_role("status")).to_contain_text("Det gick inte att använda passkey")
    expect(page.get_by_role("button", name="Använd en passkey")).to_be_enabled()
    assert not [one for one in page.context.cookies() if one["name"] == "__Host-vaka"]


def test_what_is_typed_can_be_shown(page: Page) -> None:
    """Would break: on a small keyboard nobody sees what they mistype (ASVS 2.1.12); or the browser keeps it as ordinary text."""
    page.goto("/login")
    typed = page.get_by_role("textbox", name="Lösenfras")
    typed.fill("fel fel fel fel")
    assert typed.get_attribute("type") == "password"
    page.get_by_role("button", name="Visa det som skrivs").click()
    assert typed.get_attribute("type") == "text"
    page.get_by_role("button", name="Dölj det igen").click()
    assert typed.get_attribute("type") == "password"
    page.get_by_role("button", name="Visa det som skrivs").click()
    page.evaluate(
        "document.querySelector('form[action=\"/login/code\"]').addEventListener('submit', (e) => e.preventDefault())"
    )
    page.get_by_label("HSA-id").fill("TSTVAKA0001-P044")
    page.get_by_label("Sex siffror").fill("123456")
    page.get_by_role("button", name="Logga in", exact=True).click()
    assert typed.get_attribute("type") == "password", "when it is sent"


def test_the_strength_shows_while_one_types(page: Page, demo: Instance, employ: Callable[..., str]) -> None:
    """Would break: what makes a good passphrase is learnt by being refused (ASVS 2.1.8); a page of policy stops the meter."""
    hsa = employ("ava31")
    page.goto("/login/enrol")
    page.get_by_label("HSA-id").fill(hsa)
    page.get_by_label("Startkod").fill(set_up_code(demo, hsa))
    page.get_by_role("button", name="Fortsätt").click()
    typed = page.get_by_role("textbox", name="Ny lösenfras")
    meter = page.get_by_role("meter", name="Styrka")
    expect(meter).to_be_hidden()
    typed.press_sequentially("sommaren2026", delay=5)
    expect(meter).to_be_visible(timeout=30_000)  # the first time, its lists are read
    expect(page.get_by_role("status")).to_have_text("Fortfarande för lätt att gissa, eller för kort.")
    typed.fill("fyra grå kråkor på ett tak")
    expect(page.get_by_role("status")).to_have_text("Svår att gissa.", timeout=30_000)
    assert meter.evaluate("one => one.value") == 1
    typed.fill("")
    expect(meter).to_be_hidden()


def test_a_page_is_cleared_when_its_session_ends(page: Page) -> None:
    """Would break: what a clinician looked at stays on the screen of an empty room (ASVS 8.2.3); or is had back by a key."""
    page.clock.install()
    page.goto("/login")
    page.get_by_role("button", name="Sara Lindqvist").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Du är inloggad")
    page.clock.run_for((config.SESSION_ALIVE_S - 60) * 1_000)
    expect(page.get_by_role("heading", level=1)).to_have_text("Du är inloggad")
    page.clock.run_for(90 * 1_000)
    expect(page.get_by_text("sidan tömdes")).to_be_visible()
    assert "Sara" not in page.content()
    assert "Avdelning" not in page.content()
    expect(page).to_have_title("Vaka")
    page.get_by_role("link", name="Öppna den igen").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Du är inloggad")  # this clock was the browser's alone


def test_back_from_the_identity_service(page: Page, identity: Identity) -> None:
    """Would break: a browser does not send a Strict cookie on the way back from another site, and the person is logged out
    at once. The service is at 127.0.0.1, another site than localhost."""
    identity.claims = {"employeeHsaId": "TSTVAKA0001-P051"}
    page.goto("/login")
    page.get_by_role("link", name="Test's identity").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Välj uppdrag")
    page.get_by_role("button", name="Avdelning 31 Medicin").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Du är inloggad")
    expect(page.get_by_text("genom vårdgivarens identitetstjänst")).to_be_visible()


def test_another_sites_form_does_nothing(
    page: Page, context: Callable[..., BrowserContext], identity: Identity
) -> None:
    """Would break: CSRF by a real browser: a page of another site posts to ours with our cookies."""
    page.goto("/login")
    page.get_by_role("button", name="Sara Lindqvist").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Du är inloggad")
    home = page.url
    evil = page.context.new_page()
    evil.goto(identity.issuer + "/.well-known/openid-configuration")
    evil.set_content(
        f'<form method="post" action="{home}logout"><input name="csrf" value="x"><button>go</button></form>'
    )
    evil.get_by_role("button").click()
    evil.wait_for_load_state()
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Du är inloggad")
    evil.close()


@pytest.mark.slow
def test_a_picture_of_the_key_is_what_a_phone_reads(page: Page, demo: Instance, npm: Callable[..., Path]) -> None:
    """Would break: a code app photographs the picture, and gives codes of another key (decoded by jsQR)."""
    script = (npm("jsqr") / "node_modules/jsqr/dist/jsQR.js").read_text()
    page.goto("/login/enrol")
    page.get_by_label("HSA-id").fill("TSTVAKA0001-P046")
    page.get_by_label("Startkod").fill(set_up_code(demo, "TSTVAKA0001-P046"))
    page.get_by_role("button", name="Fortsätt").click()
    address = page.get_by_role("link", name="Öppna i appen").get_attribute("href")
    picture = base64.b64encode(page.locator("svg.qr").screenshot()).decode()
    reader = page.context.browser.new_page()  # type: ignore[union-attr]
    reader.evaluate(script + "; window.jsQR = jsQR; 1")
    read = reader.evaluate(
        """async (picture) => {
            const image = new Image();
            image.src = "data:image/png;base64," + picture;
            await image.decode();
            const canvas = document.createElement("canvas");
            canvas.width = image.width; canvas.height = image.height;
            const context = canvas.getContext("2d");
            context.drawImage(image, 0, 0);
            const found = jsQR(context.getImageData(0, 0, image.width, image.height).data, image.width, image.height);
            return found && found.data;
        }""",
        picture,
    )
    reader.close()
    assert read == address
    assert str(address).startswith("otpauth://totp/Vaka:TSTVAKA0001-P046?secret=")


def _extract(record: Api, id_: str, **members: Any) -> str:
    """The page of who has had access to a patient's record, with lines on it."""
    name = [{"family": "Provqvist-Långtefternamn", "given": ["Eva", "Åsa"]}]
    record.make({"resourceType": "Patient", "id": id_, "name": name, **members})
    for unit in ("ward-a", "ward-b"):
        record.make({"resourceType": "Observation", "status": "final", "code": {"text": unit}, "subject": {"reference": f"Patient/{id_}"}})  # fmt: skip
        record.get(f"/Patient/{id_}/$everything")
    return f"/log/extract/{id_}"


@pytest.mark.slow
def test_pages_pass_an_accessibility_check(
    page: Page, demo: Instance, record: Api, tag: str, npm: Callable[..., Path]
) -> None:
    """Would break: somebody with poor sight, or a screen reader, cannot use a page (WCAG 2.1 AA, by axe-core)."""
    script = (npm("axe-core") / "node_modules/axe-core/axe.min.js").read_text()

    def check(name: str) -> None:
        page.evaluate(script)
        told = page.evaluate(
            "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']})"
        )
        found = [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in told["violations"]]
        assert not found, f"{name}: {found}"

    page.set_viewport_size({"width": 1100, "height": 900})
    for address in ("/login", "/login/enrol"):
        page.goto(address)
        check(address)
    page.get_by_label("HSA-id").fill("TSTVAKA0001-P046")
    page.get_by_label("Startkod").fill(set_up_code(demo, "TSTVAKA0001-P046"))
    page.get_by_role("button", name="Fortsätt").click()
    page.get_by_role("textbox", name="Ny lösenfras").fill("fyra grå kråkor")
    expect(page.get_by_role("meter", name="Styrka")).to_be_visible(timeout=30_000)
    check("/login/enrol, setting up")
    page.goto("/login")
    page.get_by_role("button", name="Nadia Demir").click()
    check("/assignment")
    page.get_by_role("button", name="Avdelning 31 Medicin").click()
    check("/")
    page.get_by_role("link", name="Passkeys").click()
    check("/login/passkeys")
    page.goto("/")
    page.get_by_role("button", name="Logga ut").click()
    page.get_by_role("button", name="Vera Sandahl").click()
    extracts = _extract(record, f"{tag}a"), _extract(record, f"{tag}b", meta={"security": [PROTECTED]})
    own = ("/", "/assignment", "/login/sessions", "/login/passphrase", "/log", "/log/review", *extracts)
    for address in own:
        page.goto(address)
        check(address)
    page.set_viewport_size({"width": 360, "height": 700})
    for address in own:
        page.goto(address)
        wide = page.evaluate("[...document.body.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > innerWidth).map(e => e.outerHTML.slice(0, 99))")  # fmt: skip
        assert not wide, f"{address} is wider than a phone: {wide}"
        check(address)
