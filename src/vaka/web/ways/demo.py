"""The demo's way in: a click on one of the made-up staff. No proof of anything, and so only where nobody else can come.

Invariants: only with ``--demo``, only when listening on loopback, only for requests that come from this machine straight (no
proxy) and name it, so that no page elsewhere can lead here under another name; only for HSA-ids that no real person has.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from typing import Final
from urllib.parse import urlsplit

from vaka.api.http import Request
from vaka.api.server import Server
from vaka.errors import NotFound
from vaka.fhir.hsa import hsa_id
from vaka.web import entry
from vaka.web.entry import Login, LoginFailed
from vaka.web.forms import form
from vaka.web.pages.login import Staff
from vaka.web.texts import N_

MADE_UP: Final = "TSTVAKA"
_THROUGH: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


def allowed(server: Server, request: Request) -> bool:
    """Whether this request may log in by a click."""
    if not server.demo_login or any(request.header(name) is not None for name in _THROUGH):
        return False
    name = urlsplit(f"//{request.header('host')}").hostname
    try:
        here = ipaddress.ip_address(request.source.strip("[]")).is_loopback
    except ValueError:
        here = False
    return here and name in ("localhost", "127.0.0.1", "::1")


async def staff(server: Server) -> tuple[Staff, ...]:
    """Who can be clicked: the commonest titles first."""
    found = [
        Staff(person.hsa, person.name, title, ", ".join(units))
        for person, title, units in await server.callers.people.everybody()
        if person.hsa.startswith(MADE_UP)
    ]
    having = Counter(one.title for one in found)
    return tuple(sorted(found, key=lambda one: (-having[one.title], one.title, one.name)))


async def log_in(server: Server, request: Request) -> str:
    """Where to go after the click. NotFound where there is no demo; LoginFailed."""
    if not allowed(server, request):
        raise NotFound("there is no such page", why="demo login outside of a demo on this machine")
    fields = await form(request)
    found = entry.proven(server, request, fields)
    hsa = hsa_id(fields.get("person", ""))
    person = await server.callers.people.person(hsa) if hsa.startswith(MADE_UP) else None
    if person is None:
        raise LoginFailed(N_("There is nobody of that HSA-id here."), why=f"demo login as {hsa}")
    return await entry.enter(server, request, Login(person, "demo"), found)
