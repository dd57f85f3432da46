"""Requests as the door sees them, from persons and programs that were proven or not."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from vaka.access.filter import AccessFilter, program_filter
from vaka.access.session import Assignment, Session
from vaka.access.trail import Touched
from vaka.api import sessions
from vaka.api.admission.known import Known
from vaka.api.http import Request

NOW = 1_000.0


def session(person: str = "TST-1") -> Session:
    return sessions.begin(
        person=person, practitioner="p", name="N", way="demo", assignment=Assignment("a", "u", "v", title="T")
    )


def asks(address: str, method: str = "GET", who: str = "", **headers: str) -> Request:
    path, _, query = address.partition("?")
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if who:
        sent["authorization"] = f"Bearer {who}"
    return Request(
        method, tuple(path.strip("/").split("/")), parse_qsl(query), sent, "", b"", AccessFilter("anonymous")
    )


def answered(
    known: Known,
    request: Request,
    access: AccessFilter,
    *,
    status: int = 200,
    patient: int | None = None,
    now: float = NOW,
) -> None:
    """The application has answered ``request``: it knows who asked, and whom it showed."""
    request.access = access.anew()
    if patient is not None:
        request.access.trail.touched.append(Touched("Observation", 1, 1, patient, 1))
    known.learn(request, request.path, status, now)


def person_filter(one: Session) -> AccessFilter:
    return AccessFilter(f"person:{one.person}", session=one)


def program(scope: str = "system/*.*") -> AccessFilter:
    return program_filter("lab", scope)


def door_that_knows(**people: Any) -> Known:
    """``name=session`` for a person, ``name=filter`` for a program: each has asked once."""
    known = Known()
    for name, who in people.items():
        access = person_filter(who) if isinstance(who, Session) else who
        answered(known, asks("/fhir/Task", who=name), access)
    return known
