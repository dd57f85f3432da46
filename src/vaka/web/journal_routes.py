"""Which page answers which address, of those that the journal alone has: what needs its secrets or its tables.

Apart from ``web.routes``, which comes here: a copy has no PostgreSQL client, and none of the modules below (decision 0013).
"""

from __future__ import annotations

from vaka.api.http import Request, Response
from vaka.api.server import Server
from vaka.errors import NotAllowed
from vaka.web import log, login, own, passkeys, strength
from vaka.web.render import redirect
from vaka.web.ways import code, enrol, service


async def answer(server: Server, request: Request, method: str) -> Response:
    """Answers a request for a page. NotAllowed for a method that it does not have."""
    match (method, *request.path):
        case ("GET", "login", "code"):  # from a copy's page, which passes this on
            return await login.show(server, request)
        case ("POST", "login", "code"):
            return redirect(await code.log_in(server, request))
        case ("GET", "login", "enrol"):
            return enrol.begin(server, request)
        case ("POST", "login", "enrol"):
            return await enrol.check(server, request)
        case ("POST", "login", "enrol", "finish"):
            return await enrol.finish(server, request)
        case ("GET", "login", "passkeys"):
            return await passkeys.show(server, request)
        case ("POST", "login", "passkeys", "options"):
            return await passkeys.new_options(server, request)
        case ("POST", "login", "passkeys"):
            return await passkeys.register(server, request)
        case ("GET", "login", "sessions"):
            return await own.show_sessions(server, request)
        case ("POST", "login", "sessions"):
            return await own.end_session(server, request)
        case ("GET", "login", "passphrase"):
            return await own.show_passphrase(server, request)
        case ("POST", "login", "passphrase"):
            return await own.change_passphrase(server, request)
        case ("POST", "login", "strength"):
            return await strength.tell(server, request)
        case ("GET", "login", "service", number):
            return await service.begin(server, request, number)
        case ("GET", "login", "callback"):
            return await service.come_back(server, request)
        case (_, "log", *_):
            return await log.answer(server, request)
    raise NotAllowed("this page cannot be used in this way")
