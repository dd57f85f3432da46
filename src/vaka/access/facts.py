"""What the record itself says about access: care relations, blocks, consents, protected identity. Pure.

Derived from a resource when it is written, and written in the same transaction, so that a decision never reads a body.

- A **care relation** (A2) comes from an encounter, appointment, referral, or an episode of care that somebody attested; it
  begins a little before what it comes from and ends a while after it (``access.limits``).
- A **block** (A5, A7) is a Consent whose provision denies; a **consent** (A4) one whose provision permits. Where a Consent does
  not say in our codes what kind of block it is, it is taken as inner and outer: the closed reading.
- Unit and provider of a relation are those of the resource's owner unless it names others (a referral's performer).

Sources: PDL 4 kap., SVD 2–3 kap., https://hl7.org/fhir/R4/consent.html.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vaka.access.limits import RELATION_AFTER_US, RELATION_BEFORE_US
from vaka.fhir.dates import parse

EVER: Final = 2**62
CONSENT_CODES: Final = "urn:x-vaka:consent"
"""``inner-block``, ``outer-block``, ``shared-documentation``: category of a Consent."""
KIND_CODES: Final = "urn:x-vaka:kind"
"""Kinds of information (``access.ownership``), in ``provision.class`` of an inner block."""
PROTECTED_CODES: Final = frozenset({"sekretessmarkering", "skyddad-folkbokforing", "R", "V"})
"""Security labels of a protected identity: HL7 Sweden's, and confidentiality restricted or above on a Patient."""

TYPES: Final = frozenset({"Encounter", "Appointment", "ServiceRequest", "EpisodeOfCare", "Consent", "Patient"})
_OPEN_ENCOUNTER: Final = frozenset({"arrived", "triaged", "in-progress", "onleave"})
_NO_ENCOUNTER: Final = frozenset({"cancelled", "entered-in-error", "unknown"})
_NO_APPOINTMENT: Final = frozenset({"cancelled", "noshow", "entered-in-error"})
_REFERRAL: Final = frozenset({"active", "on-hold", "completed"})
_EPISODE: Final = frozenset({"planned", "waitlist", "active", "onhold", "finished"})


@dataclass(frozen=True, slots=True)
class Relation:
    """``organization``: an Organization id, None for the owner's unit. [from, until) in microseconds since 1970 UTC."""

    organization: str | None
    from_us: int
    until_us: int


@dataclass(frozen=True, slots=True)
class Block:
    """``organization``: whose information, a unit's or a provider's; None where that cannot be read: then the owner's provider.
    ``kind``: None for all kinds. ``lifted_for``: the unit that the patient has lifted it for, from and until. Neither inner nor
    outer: a further lift of the same Consent, which counts for all its blocks."""

    organization: str | None
    kind: str | None
    inner: bool
    outer: bool
    from_us: int
    until_us: int
    lifted_for: str | None = None
    lifted_from_us: int = 0
    lifted_until_us: int = 0


@dataclass(frozen=True, slots=True)
class Consented:
    """``receiver``: the Organization, unit or provider, that may read other providers' information."""

    receiver: str
    from_us: int
    until_us: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What one resource says."""

    relations: tuple[Relation, ...] = ()
    blocks: tuple[Block, ...] = ()
    consents: tuple[Consented, ...] = ()
    protected: bool = False

    @property
    def organizations(self) -> set[str]:
        """Organizations whose unit and provider must be known to store these."""
        named = [one.organization for one in self.relations] + [one.organization for one in self.blocks]
        return {name for name in named if name is not None}


def facts_of(resource: Mapping[str, Any]) -> Facts:
    """What a valid ``resource`` says about access; nothing for most types."""
    match resource.get("resourceType"):
        case "Encounter":
            return Facts(relations=tuple(_encounter(resource)))
        case "Appointment":
            return Facts(relations=tuple(_appointment(resource)))
        case "ServiceRequest":
            return Facts(relations=tuple(_referral(resource)))
        case "EpisodeOfCare":
            return Facts(relations=tuple(_episode(resource)))
        case "Consent":
            return _consent(resource)
        case "Patient":
            return Facts(protected=protected(resource))
    return Facts()


def protected(patient: Mapping[str, Any]) -> bool:
    """Whether the patient's identity is protected (sekretessmarkering, skyddad folkbokföring; A10)."""
    labels = (patient.get("meta") or {}).get("security") or ()
    return any(label.get("code") in PROTECTED_CODES for label in labels)


def _span(period: Any) -> tuple[int | None, int | None]:
    """(low, high) of a Period; None where an end is missing."""
    if not isinstance(period, Mapping):
        return None, None
    low, high = (_moment(period.get(name)) for name in ("start", "end"))
    return (low[0] if low else None), (high[1] if high else None)


def _moment(text: Any) -> tuple[int, int] | None:
    return parse(text) if isinstance(text, str) else None


def _encounter(resource: Mapping[str, Any]) -> Iterator[Relation]:
    status = resource.get("status")
    if status in _NO_ENCOUNTER:
        return
    start, end = _span(resource.get("period"))
    if status in _OPEN_ENCOUNTER and end is None:
        yield Relation(None, (start or 0) - RELATION_BEFORE_US if start else 0, EVER)
    elif start is not None or end is not None:
        first, last = start if start is not None else end, end if end is not None else start
        assert first is not None
        assert last is not None
        yield Relation(None, first - RELATION_BEFORE_US, last + RELATION_AFTER_US)


def _appointment(resource: Mapping[str, Any]) -> Iterator[Relation]:
    start, end = _moment(resource.get("start")), _moment(resource.get("end"))
    if resource.get("status") not in _NO_APPOINTMENT and start is not None:
        last = end[1] if end is not None else start[1]
        yield Relation(None, start[0] - RELATION_BEFORE_US, last + RELATION_AFTER_US)


def _referral(resource: Mapping[str, Any]) -> Iterator[Relation]:
    authored = _moment(resource.get("authoredOn"))
    if resource.get("status") not in _REFERRAL or authored is None:
        return
    span = (authored[0], authored[1] + RELATION_AFTER_US)
    yield Relation(None, *span)
    for performer in resource.get("performer") or ():
        if (unit := _organization(performer)) is not None:
            yield Relation(unit, *span)


def _episode(resource: Mapping[str, Any]) -> Iterator[Relation]:
    start, end = _span(resource.get("period"))
    if resource.get("status") in _EPISODE and start is not None:
        yield Relation(None, start, end if end is not None else EVER)


def _organization(reference: Any) -> str | None:
    text = reference.get("reference") if isinstance(reference, Mapping) else None
    if isinstance(text, str) and text.startswith("Organization/") and text.count("/") == 1:
        return text.removeprefix("Organization/")
    return None


def _consent(resource: Mapping[str, Any]) -> Facts:
    provision = resource.get("provision") or {}
    if resource.get("status") != "active" or not provision:
        return Facts()
    start, end = _span(provision.get("period"))
    if start is None:
        dated = _moment(resource.get("dateTime"))
        start = dated[0] if dated else 0
    until = end if end is not None else EVER
    if provision.get("type") == "permit":
        actors = [_organization(actor.get("reference")) for actor in provision.get("actor") or ()]
        receivers = [one for one in actors if one] or [
            one for one in map(_organization, resource.get("organization") or ()) if one
        ]
        return Facts(consents=tuple(Consented(one, start, until) for one in dict.fromkeys(receivers)))
    codes = {
        coding.get("code")
        for concept in resource.get("category") or ()
        for coding in concept.get("coding") or ()
        if coding.get("system") == CONSENT_CODES
    }
    inner, outer = "inner-block" in codes, "outer-block" in codes
    if not inner and not outer:
        inner = outer = True
    kinds = [c.get("code") for c in provision.get("class") or () if c.get("system") == KIND_CODES] or [None]
    owners: list[str | None] = [one for one in map(_organization, resource.get("organization") or ()) if one]
    first, *others = _lifts(provision) or [(None, 0, 0)]
    whose = list(dict.fromkeys(owners or [None]))
    blocks = [Block(owner, kind, inner, outer, start, until, *first) for owner in whose for kind in kinds]
    blocks += [Block(whose[0], None, False, False, start, until, *lift) for lift in others]
    return Facts(blocks=tuple(blocks))


def _lifts(provision: Mapping[str, Any]) -> list[tuple[str | None, int, int]]:
    """A temporary lift is a provision within that permits a unit for a period (A7)."""
    found: list[tuple[str | None, int, int]] = []
    for inside in provision.get("provision") or ():
        start, end = _span(inside.get("period"))
        for actor in inside.get("actor") or ():
            unit = _organization(actor.get("reference"))
            if inside.get("type") == "permit" and unit is not None and start is not None and end is not None:
                found.append((unit, start, end))
    return found
