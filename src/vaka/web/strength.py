"""How strong a new passphrase is, told while it is typed (OWASP ASVS 4.0.3, 2.1.8).

Invariants: only who may choose a passphrase now is answered, so that nobody has guesses judged here; what is typed goes where the
form will send it anyway, and stands in no log.
"""

from __future__ import annotations

import orjson

from vaka import config
from vaka.api.cookies import CSRF_HEADER
from vaka.api.http import Request, Response
from vaka.api.server import Server
from vaka.errors import Forbidden
from vaka.web import entry
from vaka.web.forms import json_object
from vaka.web.render import data
from vaka.web.texts import N_
from vaka.web.ways.enrol import fault_of, setting_up


async def tell(server: Server, request: Request) -> Response:
    """``{"share": …}``: of the guesses that a passphrase has to withstand, as powers of ten; 1 if it would be taken."""
    told = await json_object(request)
    person, name = await _chooser(server, request, str(told.get("sealed") or ""))
    passphrase = str(told.get("passphrase", ""))[: config.PASSPHRASE_MAX_CHARS + 1]
    share = min(
        1.0, await server.passphrases.strength(passphrase, [person, name]) / config.PASSPHRASE_MIN_GUESSES_LOG10
    )
    if fault_of(person, passphrase, passphrase) is not None:
        share = min(share, 0.9)
    return data(orjson.dumps({"share": round(share, 2)}))


async def _chooser(server: Server, request: Request, sealed: str) -> tuple[str, str]:
    """HSA-id and name of who chooses: with a set-up code that was right (``sealed``), or logged in. Forbidden for others."""
    given = request.header(CSRF_HEADER) or ""
    if sealed:
        person = setting_up(server, entry.proven(server, request, {"csrf": given}), sealed)["person"]
        found = await server.callers.people.person(person)
        return person, found.name if found is not None else ""
    session = await entry.session_of(server, request)
    if session is None:
        raise Forbidden(N_("You are not logged in any more."), why="strength of a passphrase, asked by nobody")
    server.callers.proof.check(request, session.id, given)
    return session.person, session.name
