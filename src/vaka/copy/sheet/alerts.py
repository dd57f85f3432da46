"""Items 3 and 6: alerts (infection, treatment, restriction of care), and limits of treatment and isolation.

Every alert stands under item 3, whatever it is about; what limits treatment or isolates stands under item 6 too, so that neither
place lacks it. Sources: https://hl7.org/fhir/R4/flag.html, https://hl7.org/fhir/R4/consent.html (scope ``adr``, ``treatment``).
"""

from __future__ import annotations

import re
from typing import Final

from vaka.copy.sheet.elements import Line, at_us, code, codes, end_us, many, one, person, when, words
from vaka.copy.sheet.entry import Found, Gathered

ALERTS: Final = "alerts"
LIMITS: Final = "limits"
NONE_KNOWN: Final = ("urn:x-vaka:absent", "no-known-alerts")
"""Code of a Flag by which a person says that there is nothing to be alert to."""
# Not for resuscitation; do-not-resuscitate orders; isolation of a patient.
_LIMITING: Final = frozenset({"304253006", "425404004", "143021000119109", "40174006", "170497006"})
_SAYS_SO: Final = re.compile(
    r"behandlingsbegränsning|\b(?:0|ej|ingen) ?(?:hlr|iva)\b|isolering|\bDNA?R\b|no cpr|isolation|treatment limit", re.I
)
_SCOPES: Final = frozenset({"adr", "treatment"})


def alerts(gathered: Gathered) -> list[Line]:
    """Newest first; statements that there are none last."""
    lines = gathered.lines(ALERTS, ("Flag",), _flag)
    return sorted(lines, key=lambda line: ("none" in line, -at_us(line.get("at", "")), line["what"], line["id"]))


def limits(gathered: Gathered) -> list[Line]:
    """Newest first."""
    lines = [
        line for line in gathered.lines(LIMITS, ("Flag",), _flag) if line.get("limits") or _SAYS_SO.search(line["what"])
    ]
    lines += gathered.lines(LIMITS, ("Consent",), _directive)
    return sorted(lines, key=lambda line: (-at_us(line.get("at", "")), line["what"], line["id"]))


def _flag(found: Found) -> Line | None:
    resource = found.resource
    if resource.get("status") == "inactive":
        return None
    said = frozenset(codes(resource.get("code")))
    return found.line(
        what=words(resource.get("code")) or "?",
        none="all" if NONE_KNOWN in said else "",
        limits=any(value in _LIMITING for _, value in said),
        category=code(resource.get("category")),
        at=when(resource, "period"),
        by=person(resource.get("author")),
        _until=end_us(resource.get("period")),
    )


def _directive(found: Found) -> Line | None:
    """A Consent about treatment, not about who may read."""
    resource = found.resource
    if code(resource.get("scope")) not in _SCOPES or resource.get("status") not in ("active", "proposed"):
        return None
    said = [words(resource.get("category"))]
    said += [words(each.get("code")) for each in many(one(resource.get("provision")).get("provision"))]
    said += [words(one(resource.get("provision")).get("code"))]
    denies = one(resource.get("provision")).get("type") == "deny"
    return found.line(
        what=", ".join(dict.fromkeys(filter(None, said))) or "?",
        refused=denies,
        at=when(resource, "dateTime"),
        by=person(resource.get("performer")),
        _until=end_us(one(resource.get("provision")).get("period")),
    )
