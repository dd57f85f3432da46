"""What a refusal tells the log and not the caller: whether what was asked for stands, whose it is, and which rule hides it.

Invariants: it is looked up in as many steps for what does not exist as for what is hidden (traps: timing in kind); a refused
entry of a batch is in the log before its batch is answered.
"""

from __future__ import annotations

from vaka.access.decision import decision
from vaka.access.filter import AccessFilter
from vaka.access.rules import Outcome
from vaka.api.accesses import Address, record_of
from vaka.api.http import Request
from vaka.api.server import Server
from vaka.errors import Forbidden, VakaError
from vaka.fhir.definitions import RESOURCE_TYPES
from vaka.fhir.keys import resource_key

_TYPES = frozenset(RESOURCE_TYPES)


async def tell_the_log(server: Server, request: Request, error: VakaError) -> None:
    """Adds to ``error.why`` and the trail of ``request``, whose path begins with what was asked for, what is hidden."""
    access = request.access
    if access.session is None and isinstance(error, Forbidden):
        return  # what a program's scopes forbid is told to it
    if access.full or len(request.path) < 2 or request.path[0] not in _TYPES or request.path[1][:1] in ("$", "_"):
        return
    type_, id_ = request.path[:2]
    found = await server.store.stands(type_, id_)
    patient = found.patient if found is not None and found.patient is not None else resource_key(type_, id_)
    standing = await server.store.standing(access.session, patient) if access.session is not None else None
    if found is None:
        return
    rule = "scope"
    if access.session is not None and standing is not None:
        decided = decision(access.session, access.settings, standing, found.about)
        if decided.outcome is Outcome.PERMIT:
            return
        rule = decided.id
    access.trail.rule = access.trail.rule or rule
    access.trail.patient = found.patient if found.patient is not None else access.trail.patient
    error.why = f"{error.why + ': ' if error.why else ''}{type_}/{id_} stands, hidden by {rule}"


def log_entry(server: Server, method: str, path: str, access: AccessFilter, error: VakaError) -> None:
    """Logs that an entry of a batch was refused: a record of its own, in line before that of the batch."""
    server.log.submit(record_of(method, Address(f"/fhir/{path}"), error.status, access, server.store.epoch, error))
