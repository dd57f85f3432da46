"""The way in through the care provider's identity service: OpenID Connect, authorization code with PKCE.

Invariants: state, nonce and verifier belong to one browser's login and are used once; a token is taken with the one algorithm
that was set up, from the issuer that was asked, for us; what the service says only narrows what the record offers
(``api.claims``); the service being away stops nobody who has another way.
Sources: https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation, RFC 7636, RFC 9207, RFC 9700.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import ssl
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from vaka import config
from vaka.api.claims import CLAIMS, limits
from vaka.api.cookies import SESSION, cookie, own_origin
from vaka.api.http import Request, Response
from vaka.api.identity import Service
from vaka.api.server import Server
from vaka.errors import Invalid, NotFound
from vaka.fhir.hsa import hsa_id
from vaka.web import entry
from vaka.web.entry import Flow, Login, LoginFailed
from vaka.web.pages.message import MessagePage
from vaka.web.render import HEADERS, HTML, page, spoken
from vaka.web.texts import N_

REFUSED: Final = N_("The identity service's answer could not be accepted. Log in again.")
AWAY: Final = N_("The identity service does not answer. Log in another way, or try again later.")
UNKNOWN: Final = N_("The identity service knows you, but this record does not. Ask your administrator.")


class ServiceAway(LoginFailed):
    """503: another way in does not need it."""

    status = 503


@cache
def _trusted() -> ssl.SSLContext:
    """The authorities that a service's certificate may be of, read once: for each client it would stop the loop for 30 ms and
    more, and anybody may ask for one."""
    return httpx.create_ssl_context()


def _client(request: Request, service: Service) -> AsyncOAuth2Client:
    return AsyncOAuth2Client(
        service.client_id, service.secret, scope=service.scope, code_challenge_method="S256",
        redirect_uri=own_origin(request) + "/login/callback", timeout=config.IDENTITY_SERVICE_TIMEOUT_S, verify=_trusted(),
    )  # fmt: skip


async def _document(client: AsyncOAuth2Client, address: str, *, authorized: bool = False) -> dict[str, Any]:
    answer = await client.request("GET", address, withhold_token=not authorized)
    answer.raise_for_status()
    found = answer.json()
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


async def _metadata(client: AsyncOAuth2Client, service: Service) -> dict[str, Any]:
    found = await _document(client, service.issuer.rstrip("/") + "/.well-known/openid-configuration")
    if found.get("issuer") != service.issuer:
        raise ValueError("its issuer is another")
    return found


async def begin(server: Server, request: Request, number: str) -> Response:
    """Sends the browser to the identity service."""
    if not (number.isascii() and number.isdigit() and int(number) < len(server.identity)):
        raise NotFound("there is no such identity service")
    service = server.identity[int(number)]
    found = entry.begin(server, request, None)
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    async with _client(request, service) as client:
        try:
            async with asyncio.timeout(config.IDENTITY_SERVICE_TIMEOUT_S):
                endpoint = (await _metadata(client, service))["authorization_endpoint"]
        except (httpx.HTTPError, TimeoutError, ValueError, KeyError) as error:
            raise ServiceAway(AWAY, why=f"{service.name}: {type(error).__name__} {error}"[:300]) from error
        more = {"acr_values": " ".join(service.acr)} if service.acr else {}
        address, _ = client.create_authorization_url(endpoint, state=state, code_verifier=verifier, nonce=nonce, **more)
    content = {"service": [service.name, service.issuer], "state": state, "nonce": nonce, "verifier": verifier}
    if (former := cookie(request, SESSION)) is not None:
        content["former"] = former  # the browser will not send it on the way back from another site
    entry.keep(server, request, Flow(found.id, found.next, content))
    return Response(303, b"", [*HEADERS, ("Location", address)], HTML)


async def come_back(server: Server, request: Request) -> Response:
    """Takes the service's answer. A page, not a redirect: the browser sends a SameSite=Strict cookie only from our own."""
    found = entry.flow(server, request)
    content = found.content if found is not None else {}
    state = request.option("state") or ""
    if found is None or "state" not in content or not hmac.compare_digest(content["state"].encode(), state.encode()):
        raise LoginFailed(REFUSED, why="identity service: state is not of this browser's login")
    if not await server.callers.accounts.spend("state", state, alive_s=config.LOGIN_MAX_S):
        raise LoginFailed(REFUSED, why="identity service: state was used before")
    service = next((one for one in server.identity if [one.name, one.issuer] == content["service"]), None)
    if service is None:
        raise LoginFailed(REFUSED, why="identity service: it is not set up any more")
    if request.option("iss") not in (None, service.issuer):
        raise LoginFailed(REFUSED, why="identity service: the answer is another issuer's")
    code = request.option("code")
    if request.option("error") is not None or not code:
        raise LoginFailed(REFUSED, why=f"identity service: {(request.option('error') or 'no code')[:80]}")
    claims = await _claims(request, service, code, content)
    login = await _login(server, service, claims)
    to = await entry.enter(server, request, login, found)
    await entry.end_former(server, content.get("former"))
    told = spoken(request)
    shown = MessagePage(told(N_("You are logged in")), login.person.name, "", to, refresh=True)
    return page(request, shown)


async def _claims(request: Request, service: Service, code: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """What the service says of who logged in. LoginFailed; ServiceAway if it does not answer in time."""
    try:
        async with asyncio.timeout(3 * config.IDENTITY_SERVICE_TIMEOUT_S), _client(request, service) as client:
            metadata = await _metadata(client, service)
            token = await client.fetch_token(
                metadata["token_endpoint"],
                grant_type="authorization_code",
                code=code,
                code_verifier=content["verifier"],
            )
            keys = KeySet.import_key_set(await _document(client, metadata["jwks_uri"]))  # type: ignore[arg-type]
            claims = _verified(service, token, keys, content["nonce"])
            if not claims.get("employeeHsaId") and "userinfo_endpoint" in metadata:
                more = await _document(client, metadata["userinfo_endpoint"], authorized=True)
                if more.get("sub") != claims["sub"]:
                    raise ValueError("userinfo is of another person")
                claims |= {name: more[name] for name in CLAIMS if name in more}
    except (httpx.TransportError, TimeoutError) as error:
        raise ServiceAway(AWAY, why=f"{service.name}: {type(error).__name__}") from error
    except (httpx.HTTPError, AuthlibBaseError, JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LoginFailed(REFUSED, why=f"{service.name}: {type(error).__name__} {error}"[:300]) from error
    return claims


def _verified(service: Service, token: Mapping[str, Any], keys: KeySet, nonce: str) -> dict[str, Any]:
    """The claims of the ID token, checked as OpenID Connect 3.1.3.7 says."""
    decoded = jwt.decode(token["id_token"], keys, algorithms=[service.algorithm])
    claims = CodeIDToken(
        decoded.claims, decoded.header,
        {"iss": {"essential": True, "value": service.issuer}, "aud": {"essential": True, "value": service.client_id}},
        {"nonce": nonce, "client_id": service.client_id, "access_token": token.get("access_token")},
    )  # fmt: skip
    claims.validate(leeway=config.CLOCK_SKEW_S)
    if service.acr and claims.get("acr") not in service.acr:
        raise ValueError(f"level of assurance {str(claims.get('acr'))[:60]} is too low")
    return dict(claims)


async def _login(server: Server, service: Service, claims: Mapping[str, Any]) -> Login:
    """Who the claims name, within what they allow. LoginFailed if the record does not know the person."""
    try:
        hsa = hsa_id(str(claims.get("employeeHsaId", "")))
    except Invalid as error:
        raise LoginFailed(REFUSED, why=f"{service.name}: no employeeHsaId") from error
    person = await server.callers.people.person(hsa)
    if person is None:
        raise LoginFailed(UNKNOWN, why=f"{service.name}: {hsa} is nobody who may work")
    offers = await server.callers.people.assignments_of(person)
    return Login(person, "oidc", limits(claims, service, offers))
