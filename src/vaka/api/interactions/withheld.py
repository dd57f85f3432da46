"""That a list of one patient's information is not all there is (S3): said in the Bundle, alike whatever was searched for.

Invariant: it tells no more than the first step of ``Patient/[id]/$access`` (A2-A6, S21): that there is something, not what, whose
or how much; of what is denied, and of patients whom the caller may not see, nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from vaka.access.rules import Outcome
from vaka.access.session import Purpose, Right
from vaka.api.http import Request
from vaka.errors import Issue

if TYPE_CHECKING:
    from vaka.api.server import Server
    from vaka.store.version import Version

TOLD_OUTCOMES: Final = (Outcome.CHOICE, Outcome.EXISTENCE)
"""What ``$access`` says that there is."""
_OF_PATIENT: Final = frozenset({"patient", "subject", "beneficiary"})


def patient_asked(parameters: Sequence[tuple[str, str]], compartment: tuple[str, str] | None) -> str | None:
    """The id of the one patient within whom is searched; None where there is no one such."""
    named = {compartment[1]} if compartment is not None and compartment[0] == "Patient" else set()
    for name, value in parameters:
        base, _, modifier = name.partition(":")
        if base in _OF_PATIENT and modifier in ("", "Patient") and "," not in value:
            type_, slash, id_ = value.rpartition("/")
            if not slash or type_ == "Patient" or type_.endswith("/Patient"):
                named.add(id_)
    return named.pop() if len(named) == 1 else None


async def withheld(server: Server, request: Request, patient: str | None, read: Version | None = None) -> list[Issue]:
    """A warning where something of ``patient`` (an id) is withheld from the person who asks, and may be said to be. ``read``: the
    Patient as this request has just read it, None where it has not."""
    session = request.access.session
    if (
        patient is None
        or session is None
        or session.assignment.purpose is not Purpose.CARE
        or not session.may(Right.READ)
    ):
        return []
    id_ = server.store.resolve(patient)
    found = read if read is not None and read.id == id_ else None
    if found is None:  # not shown, and so not logged as seen
        found = await server.store.read("Patient", id_, access=request.access.anew())
    if found is None or found.deleted:
        return []
    _, groups = await server.store.groups(session, request.access.settings, found.rkey)
    if not any(group.rule.outcome in TOLD_OUTCOMES for group in groups):
        return []
    return [
        Issue(
            "warning", "suppressed",
            "information about this patient is withheld from you: what is not listed here may exist."
            f" Patient/{id_}/$access says what stands before it",
        )
    ]  # fmt: skip
