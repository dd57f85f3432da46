"""The way in with a passkey (WebAuthn): needs no service, and its public keys may lie on every copy.

Invariants: the authenticator verifies its user, so that one passkey is two factors; a challenge belongs to one browser's login
and works once; a key made by a demo login opens a demo only. Source: https://www.w3.org/TR/webauthn-3/.
"""

from __future__ import annotations

import base64
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
import webauthn
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from vaka import config
from vaka.access.session import Session
from vaka.api import living
from vaka.api.cookies import CSRF_HEADER, own_origin
from vaka.api.http import Request, Response
from vaka.api.server import Server
from vaka.api.sessions import is_fresh
from vaka.errors import Forbidden, Invalid
from vaka.journal import people
from vaka.web import entry, home
from vaka.web.entry import Flow, Login, LoginFailed
from vaka.web.forms import json_object
from vaka.web.pages.passkeys import PasskeysPage
from vaka.web.render import data, page, redirect
from vaka.web.texts import N_

REFUSED: Final = N_("The passkey could not be used. Try again, or log in another way.")
_MALFORMED = (WebAuthnException, ValueError, TypeError, KeyError)


def _site(request: Request) -> str:
    """The name that passkeys belong to here."""
    name = urlsplit(own_origin(request)).hostname
    if name is None:
        raise Invalid("the Host header is malformed")
    return name


def _proven(server: Server, request: Request) -> Flow:
    return entry.proven(server, request, {"csrf": request.header(CSRF_HEADER) or ""})


def _remember(server: Server, request: Request, found: Flow, challenge: bytes, session: str = "") -> None:
    content = {"challenge": base64.b64encode(challenge).decode(), "session": session}
    entry.keep(server, request, Flow(found.id, found.next, content))


async def _challenge(server: Server, found: Flow | None, session: str = "") -> bytes:
    """The challenge that this browser was given, once. LoginFailed if there is none, or it was used."""
    text = found.content.get("challenge") if found is not None and found.content.get("session") == session else None
    if text is None or not await people.spend(server.journal, "challenge", text, alive_s=config.LOGIN_MAX_S):
        raise LoginFailed(REFUSED, why="passkey: challenge is not of this login, or was used")
    return base64.b64decode(text)


def options(server: Server, request: Request) -> Response:
    """What the browser asks its authenticators with; any passkey of this site will do."""
    found = _proven(server, request)
    made = webauthn.generate_authentication_options(
        rp_id=_site(request), user_verification=UserVerificationRequirement.REQUIRED
    )
    _remember(server, request, found, made.challenge)
    return data(webauthn.options_to_json(made).encode())


async def log_in(server: Server, request: Request) -> Response:
    """Verifies what the authenticator signed; where to go then. LoginFailed."""
    found = _proven(server, request)
    challenge = await _challenge(server, found)
    told = await json_object(request)
    person = await _verified(server, request, told, challenge)
    who = await server.callers.people.person(person)
    if who is None:
        raise LoginFailed(REFUSED, why=f"passkey of {person}, who may not work")
    to = await entry.enter(server, request, Login(who, "passkey"), Flow(found.id, found.next, {}))
    return data(orjson.dumps({"next": to}))


async def _verified(server: Server, request: Request, told: dict[str, Any], challenge: bytes) -> str:
    try:
        credential = webauthn.base64url_to_bytes(told["rawId"])
        rows = await people.run(server.journal, "passkey", credential=credential)
        if not rows:
            raise LoginFailed(REFUSED, why="passkey is not known")
        _, person, site, public_key, signs, demo = rows[0]
        if demo and not server.demo_login:
            raise LoginFailed(REFUSED, why=f"passkey of {person} was made in a demo")
        if site != _site(request):
            raise LoginFailed(REFUSED, why=f"passkey of {person} belongs to another site")
        verified = webauthn.verify_authentication_response(
            credential=told, expected_challenge=challenge, expected_rp_id=site, expected_origin=own_origin(request),
            credential_public_key=bytes(public_key), credential_current_sign_count=signs, require_user_verification=True,
        )  # fmt: skip
    except _MALFORMED as error:
        raise LoginFailed(REFUSED, why=f"passkey: {error}") from error
    await people.run(server.journal, "passkey_used", credential=credential, signs=verified.new_sign_count)
    return str(person)


async def show(server: Server, request: Request) -> Response:
    """The page of one's passkeys."""
    session = await entry.session_of(server, request)
    if session is None:
        return redirect("/login")
    entry.begin(server, request, None)
    count = len(await people.run(server.journal, "passkeys_of", person=session.person))
    shown = PasskeysPage(server.callers.proof.token(session.id), count, is_fresh(session))
    return page(request, shown, head=await home.head_of(server, session))


async def _registering(server: Server, request: Request) -> Session:
    """The session that may make a passkey. LoginFailed, Forbidden."""
    session = await entry.session_of(server, request)
    if session is None:
        raise LoginFailed(N_("You are not logged in any more."), why="passkey without session")
    server.callers.proof.check(request, session.id, request.header(CSRF_HEADER))
    if not is_fresh(session):
        raise Forbidden(N_("Log out and in again first."), why="passkey long after the login")
    return session


async def new_options(server: Server, request: Request) -> Response:
    """What the browser makes a passkey with."""
    session = await _registering(server, request)
    known = await people.run(server.journal, "passkeys_of", person=session.person)
    made = webauthn.generate_registration_options(
        rp_id=_site(request), rp_name="Vaka", user_name=session.person, user_display_name=session.name,
        user_id=server.callers.proof.token(f"person {session.person}").encode(),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=bytes(row[0])) for row in known],
    )  # fmt: skip
    _remember(server, request, entry.begin(server, request, None), made.challenge, session.id)
    return data(webauthn.options_to_json(made).encode())


async def register(server: Server, request: Request) -> Response:
    """Keeps the public key that the authenticator made."""
    session = await _registering(server, request)
    challenge = await _challenge(server, entry.flow(server, request), session.id)
    told = await json_object(request)
    try:
        made = webauthn.verify_registration_response(
            credential=told, expected_challenge=challenge, expected_rp_id=_site(request),
            expected_origin=own_origin(request), require_user_verification=True,
        )  # fmt: skip
    except _MALFORMED as error:
        raise Invalid(N_("No passkey was made. Try again."), why=f"passkey: {error}") from error
    kept = await people.run(
        server.journal, "keep_passkey", credential=made.credential_id, person=session.person, site=_site(request),
        public_key=made.credential_public_key, signs=made.sign_count, demo=session.way == "demo",
    )  # fmt: skip
    if not kept:
        raise Forbidden(N_("No passkey was made. Try again."), why="passkey is known already")
    await living.changed(server.journal, session.person, living.PASSKEY)
    request.access.trail.activity = "enrol"
    request.access.trail.reason = "passkey"
    return data(orjson.dumps({"next": "/login/passkeys"}))
