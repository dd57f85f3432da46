"""Marks: what a person did to one version, as a Provenance that names the version, the person and unit, the time and the reason.

A mark is a resource like others: it has versions, travels with the feed, and is found by ``Provenance?target=Composition/1``. Its
home patient, unit and provider are those of the entry that it is on, so that what hides the entry hides it. Nobody writes a
mark but the operations.

Source: https://hl7.org/fhir/R4/provenance.html; PDL 3 kap. 10, 14 §§.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from typing import Any, Final

from vaka.access.filter import AccessFilter
from vaka.access.law import Act
from vaka.fhir.dates import parse

ACTS: Final = "urn:x-vaka:act"
"""The code system of ``Provenance.activity``."""
DETAIL: Final = "urn:x-vaka:visibility"
"""Extension of a visibility mark: ``valueCode`` yes or no, or ``valueDate`` not before."""
SYSTEMS: Final = "urn:x-vaka:system"
CODES: Final[Mapping[Act, str]] = {
    Act.SIGN: "sign",
    Act.COUNTERSIGN: "countersign",
    Act.CORRECT: "correct",
    Act.LOCK: "lock",
    Act.RECEIVED: "result-received",
    Act.READ: "result-read",
    Act.ACTED: "result-acted-on",
    Act.VISIBILITY: "visibility",
    Act.ANNUL: "annul",
    Act.MISFILED: "misfiled",
    Act.PROPOSE: "merge-proposed",
    Act.MERGE: "merge",
    Act.UNMERGE: "unmerge",
    Act.LINK: "link",
    Act.REDACT: "redact",
    Act.REFILED: "refiled",
    Act.RESERVED: "written-during-stop",
    Act.GIVEN_BACK: "given-back",
    Act.SAME: "same-result",
}
_BY_CODE: Final = {code: act for act, code in CODES.items()}
_AGENTS: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_COMPLETION: Final = "http://terminology.hl7.org/CodeSystem/v3-DocumentCompletion"
# https://terminology.hl7.org/CodeSystem-v3-DocumentCompletion.html: legally authenticated, authenticated.
_ALSO: Final[Mapping[Act, str]] = {Act.SIGN: "LA", Act.COUNTERSIGN: "AU"}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. ``key``: the same for the same person or program; ``person``: a Practitioner id, None for a program."""

    key: str
    person: str | None
    unit: str | None
    name: str

    @property
    def agent(self) -> dict[str, Any]:
        """As Provenance.agent."""
        role = "verifier" if self.person is not None else "assembler"
        who: dict[str, Any] = (
            {"reference": f"Practitioner/{self.person}"}
            if self.person is not None
            else {"identifier": {"system": SYSTEMS, "value": self.name}}
        )
        made: dict[str, Any] = {
            "type": {"coding": [{"system": _AGENTS, "code": role}]},
            "who": who | ({"display": self.name} if self.name.strip() else {}),
        }
        if self.unit is not None:
            made["onBehalfOf"] = {"reference": f"Organization/{self.unit}"}
        return made


def actor_of(access: AccessFilter) -> Actor:
    """The person of the session, else the program; never what a body says."""
    if (session := access.session) is not None:
        return Actor(
            f"Practitioner/{session.practitioner}", session.practitioner, session.assignment.unit, session.name
        )
    return Actor(f"system/{access.principal}", None, None, access.principal)


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark, read back. ``type``/``id``: the entry; ``version_id``: the version it is on, None for the resource as a whole;
    ``actor``: key of who made it; ``detail``: of visibility its value, of merges the other Patient's id."""

    act: Act
    type: str
    id: str
    version_id: str | None
    actor: str
    at_us: int
    detail: str | None = None


def mark_id(act: Act, target: str, actor: Actor) -> str:
    """The id of the one mark that this act of this actor on this version can be: doing it twice is doing it once."""
    text = "\x1f".join((CODES[act], target, actor.key))
    return str(uuid.UUID(bytes=blake2b(text.encode(), digest_size=16).digest(), version=4))


def provenance(
    act: Act,
    targets: Sequence[str],
    actor: Actor,
    recorded: str,
    *,
    reason: str | None = None,
    entities: Sequence[tuple[str, str]] = (),
    detail: str | date | None = None,
    policy: Sequence[str] = (),
) -> dict[str, Any]:
    """The Provenance of a mark. ``targets``: ``Type/id/_history/n``, the entry's first; ``entities``: (role, reference) of
    other versions that it concerns; ``recorded``: an instant of this server, or of the copy that took it."""
    codings = [{"system": ACTS, "code": CODES[act]}]
    if (code := _ALSO.get(act)) is not None:
        codings.append({"system": _COMPLETION, "code": code})
    made: dict[str, Any] = {"resourceType": "Provenance"}
    if detail is not None:
        value = {"valueDate": detail.isoformat()} if isinstance(detail, date) else {"valueCode": detail}
        made["extension"] = [{"url": DETAIL, **value}]
    made |= {"target": [{"reference": target} for target in targets], "recorded": recorded}
    if policy:
        made["policy"] = list(policy)
    if reason:
        made["reason"] = [{"text": reason}]
    made |= {"activity": {"coding": codings}, "agent": [actor.agent]}
    if entities:
        made["entity"] = [{"role": role, "what": {"reference": reference}} for role, reference in entities]
    return made


def is_mark(resource: Mapping[str, Any] | None) -> bool:
    """Whether a resource claims to be a mark, well formed or not."""
    return (
        resource is not None
        and resource.get("resourceType") == "Provenance"
        and any(isinstance(one, Mapping) and one.get("system") == ACTS for one in _codings(resource))
    )


def mark_of(resource: Mapping[str, Any]) -> Mark | None:
    """The mark that a valid Provenance is; None if it is none, or not of our making."""
    code = next((one.get("code") for one in _codings(resource) if one.get("system") == ACTS), None)
    act = _BY_CODE.get(str(code))
    targets = [one.get("reference", "").split("/") for one in resource.get("target", ())]
    if act is None or not targets or len(targets[0]) not in (2, 4):
        return None
    agent = (resource.get("agent") or [{}])[0]
    who = agent.get("who") or {}
    actor = who.get("reference") or f"system/{(who.get('identifier') or {}).get('value')}"
    span = parse(str(resource.get("recorded")))
    detail = next(
        (
            one.get("valueCode") or one.get("valueDate")
            for one in resource.get("extension", ())
            if one.get("url") == DETAIL
        ),
        None,
    )
    if act in (Act.PROPOSE, Act.MERGE, Act.UNMERGE, Act.LINK):
        detail = targets[1][1] if len(targets) > 1 and len(targets[1]) > 1 else None
    version = targets[0][3] if len(targets[0]) == 4 else None
    return Mark(act, targets[0][0], targets[0][1], version, actor, span[0] if span else 0, detail)


def _codings(resource: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    activity = resource.get("activity")
    found = activity.get("coding") if isinstance(activity, Mapping) else None
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
