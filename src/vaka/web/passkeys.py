"""The page of one's passkeys, where they are made: at the journal, which keeps them, and soon after a login alone.

Source: https://www.w3.org/TR/webauthn-3/, 7.1; OWASP ASVS 4.0.3, 3.7.1.
"""

from __future__ import annotations

import base64

import orjson
import webauthn
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
from vaka.store import accounts
from vaka.web import entry, home
from vaka.web.entry import REFUSED, LoginFailed
from vaka.web.forms import json_object
from vaka.web.pages.passkeys import PasskeysPage
from vaka.web.render import data, page, redirect
from vaka.web.texts import N_
from vaka.web.ways.passkey import MALFORMED, challenge_of, remembered, site_of


async def show(server: Server, request: Request) -> Response:
    """The page."""
    session = await entry.session_of(server, request)
    if session is None:
        return redirect("/login")
    entry.begin(server, request, None)
    count = len(await server.callers.accounts.passkeys_of(session.person))
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
    known = await server.callers.accounts.passkeys_of(session.person)
    made = webauthn.generate_registration_options(
        rp_id=site_of(server, request), rp_name="Vaka", user_name=session.person, user_display_name=session.name,
        user_id=server.callers.proof.token(f"person {session.person}").encode(),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known],
    )  # fmt: skip
    entry.begin(server, request, None, remembered(made.challenge, session.id))
    return data(webauthn.options_to_json(made).encode())


async def register(server: Server, request: Request) -> Response:
    """Keeps the public key that the authenticator made."""
    session = await _registering(server, request)
    challenge = challenge_of(entry.flow(server, request), session.id)
    if not await server.callers.accounts.spend("challenge", challenge, alive_s=config.LOGIN_MAX_S):
        raise LoginFailed(REFUSED, why="passkey: challenge was used before")
    told = await json_object(request)
    try:
        made = webauthn.verify_registration_response(
            credential=told, expected_challenge=base64.b64decode(challenge), expected_rp_id=site_of(server, request),
            expected_origin=own_origin(request), require_user_verification=True,
        )  # fmt: skip
    except MALFORMED as error:
        raise Invalid(N_("No passkey was made. Try again."), why=f"passkey: {error}") from error
    kept = await people.run(
        server.journal, "keep_passkey", credential=made.credential_id, person=session.person, site=site_of(server, request),
        public_key=made.credential_public_key, signs=made.sign_count, demo=session.way == "demo",
    )  # fmt: skip
    if not kept:
        raise Forbidden(N_("No passkey was made. Try again."), why="passkey is known already")
    await living.changed(server.journal, session.person, accounts.PASSKEY)
    request.access.trail.activity = "enrol"
    request.access.trail.reason = "passkey"
    return data(orjson.dumps({"next": "/login/passkeys"}))
