"""The way in with a passphrase and a one-time code (RFC 6238): for the journal alone, since it needs the secrets that lie there.

Invariants: whatever is wrong, the answer and the work for it are the same; a code works once; an attempt is counted before it is
tried (``api.attempts``).
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final

import pyotp

from vaka import config
from vaka.api import attempts, living
from vaka.api.cookies import DEVICE, cookie, kept
from vaka.api.http import Request
from vaka.api.server import Server
from vaka.errors import Invalid
from vaka.fhir.hsa import hsa_id
from vaka.journal import people
from vaka.store import accounts
from vaka.web import entry
from vaka.web.entry import Login, LoginFailed
from vaka.web.forms import form
from vaka.web.texts import N_

WRONG: Final = N_("HSA-id, passphrase or code is wrong.")
NOT_HSA: Final = N_("This is not an HSA-id: it looks like SE2321000016-1ABC.")
TOO_OFTEN: Final = N_("Too many attempts have failed. Wait a while, or log in another way.")
STEP_S: Final = 30
_DEVICE_PEOPLE_MAX: Final = 20
_NOBODYS_SECRET: Final = pyotp.random_base32()


class TooOften(LoginFailed):
    """Who guesses is slowed: 429."""

    status = 429

    def __init__(self, wait_s: int, *, person: str) -> None:
        super().__init__(TOO_OFTEN, why=f"too many attempts for {person}, {wait_s} s to wait", person=person)
        self.wait_s = wait_s


def typed_person(fields: Mapping[str, str]) -> str:
    """The HSA-id that was typed. LoginFailed if it is none."""
    try:
        return hsa_id(fields.get("person", ""))
    except Invalid as error:
        raise LoginFailed(
            NOT_HSA, why="what was typed is not an HSA-id", person=fields.get("person", "")[:60]
        ) from error


async def count(server: Server, request: Request, counts: list[attempts.Count], person: str) -> None:
    """Counts an attempt; TooOften, with the time to wait, if it comes too early."""
    wait_s = await attempts.begin(server.journal, counts)
    if wait_s:
        request.add_headers.append(("Retry-After", str(wait_s)))
        raise TooOften(wait_s, person=person)


def step_of(secret: str, code: str) -> int | None:
    """The time step whose code this is: now, or one before or after; None if it is none of theirs."""
    now = int(time.time()) // STEP_S
    totp = pyotp.TOTP(secret)
    found = None
    for step in (now - 1, now, now + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode()):
            found = step
    return found


def digits(text: str) -> str:
    return text.replace(" ", "")


def _device(server: Server, request: Request) -> dict[str, Any]:
    found = server.sealed.open("device", cookie(request, DEVICE))
    return found if found is not None else {"id": secrets.token_hex(16), "people": []}


def remember_device(server: Server, request: Request, person: str) -> None:
    """Keeps that ``person`` has logged in from this browser: others' failures elsewhere do not slow it down."""
    found = _device(server, request)
    known = [one for one in found["people"] if one != person][-_DEVICE_PEOPLE_MAX + 1 :]
    content = {"id": found["id"], "people": [*known, person]}
    seconds = config.DEVICE_DAYS * 86_400
    request.add_headers.append(kept(DEVICE, server.sealed.seal("device", content, alive_s=seconds), seconds=seconds))


async def log_in(server: Server, request: Request) -> str:
    """Where to go after the login. LoginFailed."""
    fields = await form(request)
    found = entry.proven(server, request, fields)
    person = typed_person(fields)
    hashed = await proved(server, request, person, fields.get("passphrase", ""), fields.get("code", ""))
    who = await server.callers.people.person(person)
    if who is None:
        raise LoginFailed(WRONG, why=f"{person} is nobody who may work", person=person)
    if server.passphrases.outdated(hashed):
        again = await server.passphrases.hash(fields.get("passphrase", ""))
        await people.run(server.journal, "rehash_passphrase", person=person, hash=again, old=hashed)
    remember_device(server, request, person)
    return await entry.enter(server, request, Login(who, "code"), found)


async def proved(server: Server, request: Request, person: str, passphrase: str, typed: str) -> str:
    """Spends the one-time code; the hash of the passphrase. LoginFailed unless both are right."""
    code = digits(typed)
    known = _device(server, request)
    if person in known["people"]:
        counts = [attempts.device(known["id"], person)]
    else:
        counts = [attempts.source(request.source), attempts.account(person, "code")]
    await count(server, request, counts, person)
    rows = await people.run(server.journal, "passphrase", person=person)
    hashed, sealed = rows[0] if rows else (None, None)
    secret = (server.sealed.open("code", sealed) or {}).get("secret", _NOBODYS_SECRET)
    right = await server.passphrases.verify(hashed, passphrase[: config.PASSPHRASE_MAX_CHARS + 1])
    step = step_of(secret, code)
    if not right or step is None:
        raise LoginFailed(WRONG, why=f"{person}: {'code' if right else 'passphrase'} is wrong", person=person)
    if not await people.spend(server.journal, "code", f"{person}:{step}", alive_s=4 * STEP_S):
        await living.changed(server.journal, person, accounts.CODE_AGAIN)
        raise LoginFailed(WRONG, why=f"{person}: code was used before", person=person)
    await attempts.succeeded(server.journal, counts)
    return str(hashed)
