"""From where, and how, somebody comes who logs in. Told to the person of the login, and to nobody else."""

from __future__ import annotations

from typing import Final

from vaka.access.session import Session
from vaka.api.http import Request
from vaka.store.accounts import Came
from vaka.store.through import now_us

# The first that a User-Agent holds is what it is: most call themselves by the others' names too.
_BROWSERS: Final = (("Edg", "Edge"), ("Firefox/", "Firefox"), ("Chrom", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS: Final = (
    ("Windows", "Windows"), ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Mac OS", "Mac"),
    ("Linux", "Linux"),
)  # fmt: skip


def device_of(request: Request) -> str:
    """Browser and system, as far as they say; empty where they do not."""
    agent = request.header("user-agent") or ""
    found = (next((name for mark, name in marks if mark in agent), "") for marks in (_BROWSERS, _SYSTEMS))
    return ", ".join(name for name in found if name)


def coming(request: Request, session: Session) -> Came:
    """From where, and how, the person of a session that begins has come."""
    return Came(now_us(), session.way, request.source[:64], device_of(request))
