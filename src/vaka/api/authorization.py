"""``POST /auth/token``: a token for five minutes in exchange for a signed assertion; and what tells programs of it.

OAuth 2 client credentials with private_key_jwt (SMART Backend Services). Errors are those of RFC 6749, 5.2: what was wrong with
an assertion stands in the log alone. Sources: https://hl7.org/fhir/smart-app-launch/backend-services.html, RFC 6749, RFC 7523.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import orjson

from vaka import log
from vaka.access.scopes import OTHERS, parse_scopes, within
from vaka.api.assertions import ALGORITHMS, claimed, client_of
from vaka.api.http import Request, Response, parse_query_string
from vaka.api.server import Server
from vaka.api.tokens import CLIENT_SECONDS
from vaka.errors import Invalid, NotAllowed, Unauthenticated
from vaka.journal.clients import Client

TOKEN_PATH: Final = "/auth/token"  # noqa: S105  an address, no secret
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FORM_MAX_BYTES: Final = 32 * 1024
_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"
_KNOWN: Final = frozenset({"grant_type", "scope", "client_assertion_type", "client_assertion", "client_id"})


async def token(server: Server, request: Request) -> Response:
    """200 with a token; 400 or 401 with an error of OAuth."""
    if request.method != "POST":
        raise NotAllowed("a token is asked for with POST")
    trail = request.access.trail
    trail.activity = "token-refused"
    try:
        form = await _form(request)
        client = await _client(server, request, form)
        request.access = replace(request.access, principal=f"client:{client.name}")
        scope = _scope(client, form.get("scope", ""))
    except Unauthenticated as error:
        log.warning("client refused", source=request.source, why=error.why)
        trail.reason = error.why or ""
        return _error(401, "invalid_client", error.message)
    except _Refused as error:
        trail.reason = error.message
        return _error(400, error.kind, error.message)
    trail.activity, trail.reason = "token", scope
    made = server.tokens.for_client(client, scope)
    told = {"access_token": made, "token_type": "bearer", "expires_in": CLIENT_SECONDS, "scope": scope}
    log.info("token given", client=client.name, source=request.source, scope=scope)
    return Response(200, orjson.dumps(told), [("Cache-Control", "no-store")], _JSON)


def configuration(request: Request) -> Response:
    """``/.well-known/smart-configuration``: open to everybody, as the standard asks."""
    told = {
        "token_endpoint": token_address(request),
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "grant_types_supported": ["client_credentials"],
        "scopes_supported": ["system/*.cruds", "system/*.rs", *sorted(OTHERS)],
        "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
        # Demanded by the standard of every server; there is no authorization endpoint that would use it.
        "code_challenge_methods_supported": ["S256"],
    }
    return Response(200, orjson.dumps(told), content_type=_JSON)


def token_address(request: Request) -> str:
    return request.base_url.removesuffix("/fhir") + TOKEN_PATH


class _Refused(Exception):
    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind, self.message = kind, message


async def _form(request: Request) -> dict[str, str]:
    if request.query:
        raise _Refused("invalid_request", "what is secret never stands in an address: send it in the body")
    if (request.header("content-type") or "").split(";")[0].strip().lower() != _FORM:
        raise _Refused("invalid_request", f"send a form: {_FORM}")
    try:
        pairs = parse_query_string((await request.body(FORM_MAX_BYTES)).decode("ascii"))
    except (UnicodeDecodeError, Invalid) as error:
        raise _Refused("invalid_request", "the form cannot be read") from error
    form = dict(pairs)
    if len(form) != len(pairs):
        raise _Refused("invalid_request", "a parameter is given twice")
    if unknown := sorted(set(form) - _KNOWN):
        raise _Refused("invalid_request", f"{unknown[0][:40]} is not known here")
    if form.get("grant_type") != "client_credentials":
        raise _Refused("unsupported_grant_type", "grant_type is client_credentials")
    if form.get("client_assertion_type") != ASSERTION_TYPE or not form.get("client_assertion"):
        raise _Refused("invalid_request", f"client_assertion_type is {ASSERTION_TYPE}, client_assertion a signed JWT")
    return form


async def _client(server: Server, request: Request, form: dict[str, str]) -> Client:
    """Who asks. Unauthenticated; who fails often waits."""
    assertion = form["client_assertion"]
    name = claimed(assertion)
    slowed = name if server.register.named(name) is not None else ""  # names that are nobody's count as one
    await server.slowing.wait(request.source, slowed)
    try:
        if not server.wire.is_ours(request.base_url):
            raise Unauthenticated(
                "the client is not known here, or its assertion is not valid", why="asked at another name"
            )
        client, jti, expires = client_of(assertion, server.register, [token_address(request)])
        if form.get("client_id", client.name) != client.name:
            raise Unauthenticated(
                "the client is not known here, or its assertion is not valid", why="client_id is another"
            )
        if not await server.register.use_assertion(client, jti, expires):
            raise Unauthenticated("the client is not known here, or its assertion is not valid", why="used before")
    except Unauthenticated as error:
        server.slowing.failed(request.source, slowed)
        error.why = f"{name}: {error.why}"
        raise
    server.slowing.succeeded(request.source, slowed)
    return client


def _scope(client: Client, asked: str) -> str:
    """The scopes to be granted, in their one form; all that are registered where none is asked for."""
    held, others = parse_scopes(client.scopes)
    if not asked.strip():
        return client.scopes
    try:
        grants, also = parse_scopes(asked)
    except Invalid as error:
        raise _Refused("invalid_scope", error.message) from error
    for grant in grants:
        if not within(grant, held):
            raise _Refused("invalid_scope", f"{grant.text} is wider than what is registered for {client.name}")
    if not also <= others:
        raise _Refused("invalid_scope", f"{' '.join(sorted(also - others))} is not registered for {client.name}")
    return " ".join([*(grant.text for grant in grants), *sorted(also)])


def _error(status: int, kind: str, message: str) -> Response:
    told = {"error": kind, "error_description": message}
    return Response(status, orjson.dumps(told), [("Cache-Control", "no-store")], _JSON)
