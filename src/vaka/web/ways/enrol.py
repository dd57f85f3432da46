"""Setting up passphrase and one-time code, with a set-up code that an administrator made (``vaka person enroll``).

Invariants: a set-up code is typed, never in an address; it works once, within a day, and guesses are counted; nothing is
kept before the app's first code has been right; a new passphrase ends all sessions of before.
"""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256
from typing import Final

import pyotp
import segno
from markupsafe import Markup

from vaka import config
from vaka.api import attempts
from vaka.api.http import Request, Response
from vaka.api.server import Server
from vaka.journal import people
from vaka.web import entry
from vaka.web.entry import Login, LoginFailed
from vaka.web.forms import form
from vaka.web.pages.enrol import EnrolPage, SetUpPage
from vaka.web.render import page, redirect, spoken
from vaka.web.texts import N_
from vaka.web.ways.code import STEP_S, count, digits, remember_device, step_of, typed_person

WRONG: Final = N_("HSA-id or set-up code is wrong, or the code was used or is too old.")
EASY: Final = N_(
    "The passphrase is too easy to guess: it is, or begins with, what many use, a date, a name or a row of keys."
)
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CODE_CHARS: Final = 24
ISSUER: Final = "Vaka"


def make_code() -> str:
    """A set-up code of 120 bits, in groups of four (Crockford's letters)."""
    text = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_CHARS))
    return "-".join(text[start : start + 4] for start in range(0, _CODE_CHARS, 4))


def code_hash(text: str) -> bytes:
    """SHA-256 of a set-up code as typed: case, hyphens and look-alikes do not matter."""
    plain = text.upper().replace("-", "").replace(" ", "").translate(str.maketrans("OIL", "011"))
    return sha256(plain.encode()).digest()


def begin(server: Server, request: Request, *, problem: str = "", person: str = "", status: int = 200) -> Response:
    """The page that asks for the set-up code."""
    found = entry.begin(server, request, None)
    told = spoken(request)
    shown = EnrolPage(server.callers.proof.token(found.id), told(problem) if problem else "", person)
    return page(request, shown, status=status)


async def _require_code(server: Server, person: str, hashed: bytes) -> None:
    rows = await people.run(server.journal, "enrolment", person=person, now_us=people.now_us())
    if not rows or not hmac.compare_digest(bytes(rows[0][0]), hashed):
        raise LoginFailed(WRONG, why=f"{person}: set-up code is wrong", person=person)


async def check(server: Server, request: Request) -> Response:
    """Takes the set-up code; the page on which passphrase and app are set up. LoginFailed."""
    fields = await form(request)
    found = entry.proven(server, request, fields)
    person = typed_person(fields)
    # By its source alone: nobody guesses 120 bits, and a count of the account would let a stranger keep its owner out.
    counts = [attempts.source(request.source)]
    await count(server, request, counts, person)
    hashed = code_hash(fields.get("code", ""))
    await _require_code(server, person, hashed)
    await attempts.succeeded(server.journal, counts)
    content = {"person": person, "code": hashed.hex(), "secret": pyotp.random_base32(), "flow": found.id}
    return _set_up(server, request, found, content)


def _set_up(
    server: Server, request: Request, found: entry.Flow, content: dict[str, str], problem: str = ""
) -> Response:
    secret, told = content["secret"], spoken(request)
    address = pyotp.TOTP(secret).provisioning_uri(name=content["person"], issuer_name=ISSUER)
    shown = SetUpPage(
        csrf=server.callers.proof.token(found.id),
        person=content["person"],
        sealed=server.sealed.seal("enrol", content, alive_s=config.LOGIN_MAX_S),
        secret=" ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
        address=address,
        picture=Markup(segno.make(address, micro=False).svg_inline(scale=4, border=4, svgclass="qr", lineclass=None)),  # noqa: S704  made here, of two numbers
        least=config.PASSPHRASE_MIN_CHARS,
        most=config.PASSPHRASE_MAX_CHARS,
        problem=told(problem) if problem else "",
    )
    return page(request, shown, status=422 if problem else 200)


async def judged(server: Server, person: str, name: str, passphrase: str, again: str) -> str | None:
    """What is wrong with a new passphrase of ``person`` (HSA-id), who is called ``name``."""
    fault = fault_of(person, passphrase, again)
    if fault is None and await server.passphrases.easy(passphrase, [person, name]):
        return EASY
    return fault


def fault_of(person: str, passphrase: str, again: str) -> str | None:
    """As ``judged``, without guessing."""
    if passphrase != again:
        return N_("The two passphrases are not the same.")
    if not config.PASSPHRASE_MIN_CHARS <= len(passphrase) <= config.PASSPHRASE_MAX_CHARS:
        return N_("The passphrase is too short or too long.")
    if person.casefold() in passphrase.casefold() or len(set(passphrase)) < 5:
        return EASY
    return None


def setting_up(server: Server, found: entry.Flow, sealed: str | None) -> dict[str, str]:
    """What ``_set_up`` sealed for this login: its set-up code was right. LoginFailed."""
    content = server.sealed.open("enrol", sealed)
    if content is None or content["flow"] != found.id:
        raise LoginFailed(N_("The page was open for too long. Begin again."), why="set-up of another login, or too old")
    return content


async def finish(server: Server, request: Request) -> Response:
    """Keeps passphrase and app, and logs in. LoginFailed."""
    fields = await form(request)
    found = entry.proven(server, request, fields)
    content = setting_up(server, found, fields.get("sealed"))
    person, passphrase = content["person"], fields.get("passphrase", "")
    who = await server.callers.people.person(person)
    fault = await judged(server, person, who.name if who is not None else "", passphrase, fields.get("again", ""))
    step = step_of(content["secret"], digits(fields.get("code", "")))
    if fault is None and step is None:
        fault = N_("The code of the app is wrong. Is the clock of the phone right?")
    if fault is not None:
        return _set_up(server, request, found, content, fault)
    hashed = await server.passphrases.hash(passphrase)
    secret = server.sealed.seal("code", {"secret": content["secret"]})
    if not await people.enrol(server.journal, person, bytes.fromhex(content["code"]), hashed, secret):
        raise LoginFailed(WRONG, why=f"{person}: set-up code was used before", person=person)
    await people.spend(server.journal, "code", f"{person}:{step}", alive_s=4 * STEP_S)
    if who is None:
        raise LoginFailed(WRONG, why=f"{person} is nobody who may work", person=person)
    await server.callers.revocations.end_all(person, "new passphrase")
    remember_device(server, request, person)
    to = await entry.enter(server, request, Login(who, "code"), found)
    request.access.trail.activity = "enrol"
    return redirect(to)
