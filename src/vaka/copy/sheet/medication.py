"""Item 4: current medication with what was last given, ongoing infusions, and the latest doses.

Invariants: drafts stand nowhere (S12); what is held is listed, and says so; a dose that was not given says why; nothing here
depends on the present time (``due`` says what is next, when the sheet is shown).
Sources: https://hl7.org/fhir/R4/medicationrequest.html, medicationstatement.html, medicationadministration.html.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from vaka import config
from vaka.copy.sheet.elements import (
    Json,
    Line,
    at_us,
    code,
    codes,
    end_us,
    many,
    one,
    person,
    reference_id,
    text,
    when,
    words,
)  # fmt: skip
from vaka.copy.sheet.elements import dose as amount_of
from vaka.copy.sheet.entry import Found, Gathered

SECTION: Final = "medication"
DOSES: Final = "doses"
ATC: Final = "http://www.whocc.no/atc"
_ORDERED: Final = frozenset({"active", "on-hold"})
_STATED: Final = frozenset({"active", "intended", "on-hold", "unknown"})
_NO_ORDER: Final = frozenset({"proposal", "plan", "option"})
_NOT_GIVEN: Final = frozenset({"unknown"})
_NONE: Final = frozenset(
    {("http://snomed.info/sct", "787481004"),
     ("http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips", "no-known-medications")}
)  # fmt: skip
_WATCHED: Final = {"B01A": "anticoagulant", "A10A": "insulin", "L01": "cytotoxic", "N02A": "opioid"}
"""Groups of the ATC that are marked (clinical.md, item 4), by the beginning of the code."""
_HOUR_US: Final = 3_600_000_000


def atc(found: Json) -> str:
    return next((value for system, value in codes(found.get("medicationCodeableConcept")) if system == ATC), "")


def drug(resource: Json) -> str:
    """What the drug is called, in the resource itself."""
    if found := words(resource.get("medicationCodeableConcept")):
        return found
    reference = one(resource.get("medicationReference"))
    if found := text(reference.get("display")):
        return found
    local = str(reference.get("reference", ""))
    for held in many(resource.get("contained")):
        if local == f"#{held.get('id')}":
            return words(held.get("code")) or "?"
    return text(local) or "?"


def doses(gathered: Gathered) -> list[Line]:
    """Given and not given within ``SHEET_DOSES_HOURS`` before the newest, newest first."""
    lines = gathered.lines(DOSES, ("MedicationAdministration",), _dose)
    newest = max((at_us(line["at"]) for line in lines), default=0)
    since = newest - config.SHEET_DOSES_HOURS * _HOUR_US
    kept = [line for line in lines if at_us(line["at"]) > since]
    return gathered.first(DOSES, sorted(kept, key=lambda line: (-at_us(line["at"]), line["what"], line["id"])))


def medication(gathered: Gathered) -> list[Line]:
    """Infusions that run, then what is marked, then by name."""
    given = last_given(gathered)
    lines = gathered.lines(SECTION, ("MedicationAdministration",), _running)
    lines += gathered.lines(SECTION, ("MedicationRequest",), lambda found: _order(found, given))
    lines += gathered.lines(SECTION, ("MedicationStatement",), _statement)
    return sorted(lines, key=_rank)


def last_given(gathered: Gathered) -> dict[str, Line]:
    """The newest dose that was given: by its order's reference, by ``atc:CODE``; by ``loose:CODE`` where it names no order."""
    newest: dict[str, Line] = {}
    for found, line in gathered.each(SECTION, ("MedicationAdministration",), _dose):
        if "not_given" in line:
            continue
        group, order = atc(found.resource), reference_id(found.resource.get("request"))
        names = [order, f"atc:{group}" if group else "", f"loose:{group}" if group and not order else ""]
        for name in filter(None, names):
            if name not in newest or at_us(newest[name]["at"]) < at_us(line["at"]):
                newest[name] = line
    return newest


def last_of(resource: Json, id_: str, given: dict[str, Line]) -> tuple[Line, bool]:
    """The newest of the doses that name this order, and of those since it was written that name none, of the same ATC code;
    and whether it is one of the latter. Empty where there is none."""
    last: Line = given.get(f"MedicationRequest/{id_}", {})
    loose: Line = given.get(f"loose:{atc(resource)}", {})
    since = max(at_us(last.get("at", "")), at_us(when(resource, "authoredOn")) - 1)
    return (loose, True) if loose and at_us(loose["at"]) > since else (last, False)


def _rank(line: Line) -> tuple[Any, ...]:
    return ("none" in line, "running" not in line, "watched" not in line, line["what"].casefold(), line["id"])


def _dose(found: Found) -> Line | None:
    resource = found.resource
    at = when(resource, "effectiveDateTime", "effectivePeriod")
    if not at or resource.get("status") in _NOT_GIVEN:
        return None
    dosage = one(resource.get("dosage"))
    not_given = resource.get("status") == "not-done"
    return found.line(
        at=at,
        what=drug(resource),
        dose=amount_of(dosage.get("dose")) or text(dosage.get("text")),
        not_given=not_given,
        running=resource.get("status") == "in-progress",
        stopped=resource.get("status") == "stopped",
        why=words(resource.get("statusReason")) if not_given else "",
        by=person(resource.get("performer")),
    )


def _running(found: Found) -> Line | None:
    resource = found.resource
    if resource.get("status") not in ("in-progress", "on-hold"):
        return None
    dosage = one(resource.get("dosage"))
    rate = amount_of(dosage.get("rateQuantity"))
    return found.line(
        what=drug(resource),
        running=True,
        held=resource.get("status") == "on-hold",
        dose=", ".join(filter(None, (amount_of(dosage.get("dose")), rate or text(dosage.get("text"))))),
        route=words(dosage.get("route")),
        at=when(resource, "effectiveDateTime", "effectivePeriod"),
        by=person(resource.get("performer")),
    )


def _order(found: Found, given: dict[str, Line]) -> Line | None:
    resource = found.resource
    if (
        resource.get("status") not in _ORDERED
        or resource.get("intent") in _NO_ORDER
        or resource.get("doNotPerform") is True
    ):
        return None
    group = atc(resource)
    last, loose = last_of(resource, found.entry.id, given)
    return found.line(
        **_said(
            found.exact if many(resource.get("dosageInstruction")) else resource, resource.get("dosageInstruction")
        ),
        atc=group,
        watched=watched(group),
        held=resource.get("status") == "on-hold",
        why=words(resource.get("statusReason")) if resource.get("status") == "on-hold" else "",
        place=code(resource.get("category")),
        at=when(resource, "authoredOn"),
        by=person(resource.get("requester")),
        last=last.get("at", ""),
        last_dose=last.get("dose", ""),
        last_names_no_order=loose,
        _until=until(resource),
    )


def _statement(found: Found) -> Line | None:
    resource = found.resource
    if resource.get("status") not in _STATED:
        return None
    none = bool(_NONE.intersection(codes(resource.get("medicationCodeableConcept"))))
    group = atc(resource)
    return found.line(
        **_said(resource, resource.get("dosage")),
        none="all" if none else "",
        stated=not none,
        atc=group,
        watched=watched(group),
        held=resource.get("status") == "on-hold",
        at=when(resource, "dateAsserted", "effectiveDateTime", "effectivePeriod"),
        by=person(resource.get("informationSource")),
    )


def _said(resource: Json, dosages: Any) -> dict[str, Any]:
    name = drug(resource)
    told = []
    for dosage in many(resource.get("dosageInstruction") or dosages):
        said = text(dosage.get("text"))
        if not said:
            rate = one(dosage.get("doseAndRate"))
            said = " ".join(
                filter(None, (amount_of(rate.get("doseQuantity")), words(one(dosage.get("timing")).get("code"))))
            )
        told.append(said.removeprefix(name).lstrip(" ,"))
    asked = any(each.get("asNeededBoolean") is True or each.get("asNeededCodeableConcept") for each in many(dosages))
    return {
        "what": name,
        "dose": "; ".join(filter(None, told)),
        "as_needed": asked,
        "route": next(filter(None, (words(each.get("route")) for each in many(dosages))), ""),
    }


def watched(group: str) -> str:
    return next((name for start, name in _WATCHED.items() if group.startswith(start)), "")


def until(resource: Json) -> int | None:
    """When an order is over by its own words, for the reader's clock."""
    ends = [end_us(one(one(each.get("timing")).get("repeat")).get("boundsPeriod")) for each in _dosages(resource)]
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None


def _dosages(resource: Json) -> Iterable[Json]:
    return many(resource.get("dosageInstruction"))
