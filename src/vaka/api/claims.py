"""What an identity service tells of a person, as limits of what the record offers. Pure.

Claims (national identity service): employeeHsaId, commissionHsaId, commissionName, commissionPurpose, commissionRight,
allCommissions, healthCareProviderHsaId. The record says which assignments there are; the claims only narrow: an assignment that
the service leaves out is not offered, of another provider than the service's neither, and no right is added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vaka.access.session import Purpose, Right
from vaka.api.identity import Service
from vaka.api.people import Offer

CLAIMS: Final = (
    "employeeHsaId", "commissionHsaId", "commissionName", "commissionPurpose", "commissionRight", "allCommissions",
    "healthCareProviderHsaId",
)  # fmt: skip
_PURPOSES: Final[Mapping[str, Purpose]] = {
    "vård och behandling": Purpose.CARE,
    "administration": Purpose.ADMINISTRATION,
    "kvalitetssäkring": Purpose.QUALITY,
    **{purpose.value: purpose for purpose in Purpose},
}
_ACTIVITIES: Final[Mapping[str, Right]] = {"läsa": Right.READ, "skriva": Right.WRITE, "signera": Right.SIGN}


def _texts(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value)] if value else []


def commissions(claims: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """The commissions that the claims allow: the one chosen at the service, else all; None if they say nothing of any."""
    if claims.get("commissionHsaId"):
        return [claims]
    told = claims.get("allCommissions")
    if told is None:
        return None
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []


def _same(one: Any, other: str) -> bool:
    return bool(other) and str(one or "").upper() == other.upper()


def _allows(commission: Mapping[str, Any], offer: Offer) -> bool:
    role, unit, provider = offer.hsa
    named = commission.get("commissionHsaId")
    here = _same(named, role) if role and named else _same(commission.get("healthCareUnitHsaId"), unit)
    told = commission.get("healthCareProviderHsaId")
    purposes = _texts(commission.get("commissionPurpose"))
    meant = {_PURPOSES.get(text.strip().casefold()) for text in purposes}
    return here and (not told or _same(told, provider)) and (not purposes or offer.assignment.purpose in meant)


def _rights(commission: Mapping[str, Any], offer: Offer) -> frozenset[Right]:
    """``Läsa;Alla;SJF``: activity; kind of information; level. Where activities are named, only those of reading, writing
    and signing remain."""
    told = _texts(commission.get("commissionRight")) + _texts(commission.get("commissionRights"))
    named = {_ACTIVITIES.get(text.partition(";")[0].strip().casefold()) for text in told} - {None}
    if not named:
        return offer.assignment.rights
    return offer.assignment.rights - (set(_ACTIVITIES.values()) - named)


def limits(claims: Mapping[str, Any], service: Service, offers: Sequence[Offer]) -> dict[str, frozenset[Right]]:
    """The rights in each assignment (by id) that the service's word leaves of ``offers``."""
    found: dict[str, frozenset[Right]] = {}
    told = commissions(claims)
    for offer in offers:
        if service.provider is not None and not _same(service.provider, offer.hsa[2]):
            continue
        if told is None:
            if not claims.get("healthCareProviderHsaId") or _same(claims["healthCareProviderHsaId"], offer.hsa[2]):
                found[offer.assignment.id] = offer.assignment.rights
            continue
        for commission in told:
            if _allows(commission, offer):
                found[offer.assignment.id] = found.get(offer.assignment.id, frozenset()) | _rights(commission, offer)
    return found
