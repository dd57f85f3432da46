"""The way in with a passkey (WebAuthn): needs no service, and its public keys may lie on every copy.

Invariants: the authenticator verifies its user, so that one passkey is two factors; a challenge belongs to one browser's login
and works once, and the login's page brings it; a key made by a demo login opens a demo only. Source: https://www.w3.org/TR/webauthn-3/.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
import webauthn
from webauthn.helpers import bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException

from vaka.api.cookies import CSRF_HEADER, own_origin
from vaka.api.http import Request, Response
from vaka.api.proofs import Against, Answer
from vaka.api.server import Server
from vaka.api.vouched import proof_of
from vaka.errors import Invalid
from vaka.store.accounts import Used
from vaka.web import entry
from vaka.web.entry import REFUSED, Flow, Login, LoginFailed
from vaka.web.forms import json_object
from vaka.web.render import data

_CHALLENGE_BYTES: Final = 32
MALFORMED = (WebAuthnException, ValueError, TypeError, KeyError)


def site_of(server: Server, request: Request) -> str:
    """The name that passkeys belong to here: ours, or the domain above it (WebAuthn, 5.1.2: RP ID)."""
    name = urlsplit(own_origin(request)).hostname
    if name is None:
        raise Invalid("the Host header is malformed")
    return server.site if server.site and name.endswith(f".{server.site}") else name


def _proven(server: Server, request: Request) -> Flow:
    return entry.proven(server, request, {"csrf": request.header(CSRF_HEADER) or ""})


def remembered(challenge: bytes, session: str = "") -> dict[str, Any]:
    return {"challenge": base64.b64encode(challenge).decode(), "session": session}


def challenge_of(found: Flow | None, session: str = "") -> str:
    """The challenge that this browser was given. LoginFailed if there is none."""
    text = found.content.get("challenge") if found is not None and found.content.get("session") == session else None
    if text is None:
        raise LoginFailed(REFUSED, why="passkey: challenge is not of this login")
    return str(text)


def offer(server: Server) -> tuple[str, Mapping[str, Any]]:
    """A challenge as the page of a login has it, and what its flow remembers of it."""
    offered = server.callers.sessions.offer()
    challenge = offered.challenge if offered is not None else secrets.token_bytes(_CHALLENGE_BYTES)
    content = remembered(challenge) | {"offered": [offered.nonce, offered.at_us] if offered is not None else None}
    return bytes_to_base64url(challenge), content


def site_above(server: Server, request: Request) -> str:
    """The name that passkeys belong to, where that is not the page's own, which a browser takes without being told."""
    site = site_of(server, request)
    return site if site == server.site else ""


def again(server: Server, request: Request) -> Response:
    """Another challenge for a page whose own was used."""
    found = _proven(server, request)
    challenge, content = offer(server)
    entry.keep(server, request, Flow(found.id, found.next, {**found.content, **content}))
    return data(orjson.dumps({"challenge": challenge}))


async def log_in(server: Server, request: Request) -> Response:
    """Verifies what the authenticator signed; where to go then. LoginFailed."""
    found = _proven(server, request)
    challenge = challenge_of(found)
    told = await json_object(request)
    person, used = await _verified(server, request, told, challenge)
    who = await server.callers.people.person(person)
    if who is None:
        raise LoginFailed(REFUSED, why=f"passkey of {person}, who may not work")
    offered = found.content.get("offered")
    proof = proof_of(told, *offered) if offered is not None else None
    to = await entry.enter(
        server, request, Login(who, "passkey", proof=proof, used=used), Flow(found.id, found.next, {})
    )
    return data(orjson.dumps({"next": to}))


async def _verified(server: Server, request: Request, told: dict[str, Any], text: str) -> tuple[str, Used]:
    """Who has signed the challenge ``text``, and what that uses."""
    challenge = base64.b64decode(text)
    try:
        credential = webauthn.base64url_to_bytes(told["rawId"])
        known = await server.callers.accounts.passkey(credential)
        if known is None:
            raise LoginFailed(REFUSED, why="passkey is not known")
        if known.demo and not server.demo_login:
            raise LoginFailed(REFUSED, why=f"passkey of {known.person} was made in a demo")
        if known.site != site_of(server, request):
            raise LoginFailed(REFUSED, why=f"passkey of {known.person} belongs to another site")
        verified = webauthn.verify_authentication_response(
            credential=told, expected_challenge=challenge, expected_rp_id=known.site, expected_origin=own_origin(request),
            credential_public_key=known.public_key, credential_current_sign_count=known.signs, require_user_verification=True,
        )  # fmt: skip
    except MALFORMED as error:
        raise LoginFailed(REFUSED, why=f"passkey: {error}") from error
    response = told["response"]
    server.callers.proofs.keep(
        Answer(told["rawId"], response["authenticatorData"], response["clientDataJSON"], response["signature"]),
        Against(challenge, known.site, own_origin(request), known.public_key),
    )
    return known.person, Used(text, credential, verified.new_sign_count)
