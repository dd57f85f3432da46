"""Events of the access log as AuditEvents. Pure. Source: https://hl7.org/fhir/R4/auditevent.html."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vaka.accesslog.read import Event
from vaka.accesslog.record import Actor, Record
from vaka.accesslog.runs import when
from vaka.fhir.dates import ZONE
from vaka.journal.names import Named, Owner
from vaka.store.version import version_id

ID_PREFIX: Final = "log-"
SOURCE: Final = "urn:vaka:access-log"
HSA: Final = "urn:oid:1.2.752.129.2.1.4.1"
_REST: Final = "http://hl7.org/fhir/restful-interaction"
_TERMS: Final = "http://terminology.hl7.org/CodeSystem/"
_INTERACTIONS: Final = {
    "read": "read", "vread": "vread", "update": "update", "patch": "patch", "delete": "delete", "create": "create",
    "search": "search-type", "history": "history-instance", "transaction": "transaction",
}  # fmt: skip
ACTIONS: Final[Mapping[str, str]] = {
    "create": "C", "update": "U", "patch": "U", "sign": "U", "acknowledge": "U", "delete": "D", "search": "E",
    "transaction": "E", "validate": "E", "load": "C", "restore": "E", "forget": "D",
    "countersign": "U", "correct": "U", "lock": "U", "annul": "U", "misfiled": "U", "visibility": "U", "merge": "U",
    "unmerge": "U", "link": "U", "redact": "D", "provider-delete": "D",
    "lift": "U", "cancel-lift": "U", "revoke": "U", "attest": "C", "reserve-number": "C", "law": "U",
}  # fmt: skip
"""Activities that are something else than reading (R)."""
_PURPOSES: Final = {"care": "TREAT", "administration": "HOPERAT", "quality": "HQUALIMP"}
_LOGINS: Final = frozenset({"login", "login-failed", "logout"})


@dataclass(frozen=True, slots=True)
class Names:
    """What the log's numbers are called: patients by key, versions by number, owners by row."""

    patients: Mapping[int, tuple[str, str]]
    versions: Mapping[int, Named]
    owners: Mapping[int, Owner]


def audit_event(event: Event, names: Names) -> dict[str, Any]:
    """``event`` as a resource."""
    record = event.record
    at = when(record.time_us).astimezone(ZONE).isoformat(timespec="microseconds")
    made: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": ID_PREFIX + event.id,
        "meta": {"source": SOURCE, "lastUpdated": at},
        "type": _type(record),
        "subtype": [_subtype(record)],
        "action": ACTIONS.get(record.activity, "R"),
        "recorded": at,
        "outcome": record.outcome,
    }
    told = "; ".join(part for part in (record.why, record.reason) if part)
    if told:
        made["outcomeDesc"] = told
    if purpose := _purpose(record):
        coding = {"system": _TERMS + "v3-ActReason", "code": purpose}
        made["purposeOfEvent"] = [{"coding": [coding], "text": record.actor.purpose or record.activity}]
    made["agent"] = _agents(record)
    made["source"] = {
        "observer": {"display": f"Vaka, {event.system or 'journal'}"},
        "type": [{"system": _TERMS + "security-source-type", "code": "4", "display": "Application Server"}],
    }
    if entities := _entities(record, names):
        made["entity"] = entities
    return made


def _type(record: Record) -> dict[str, str]:
    if record.activity in _LOGINS:
        return {
            "system": "http://dicom.nema.org/resources/ontology/DCM",
            "code": "110114",
            "display": "User Authentication",
        }
    return {"system": _TERMS + "audit-event-type", "code": "rest", "display": "RESTful Operation"}


def _subtype(record: Record) -> dict[str, str]:
    if (code := _INTERACTIONS.get(record.activity)) is not None:
        return {"system": _REST, "code": code}
    return {"system": "urn:vaka:activity", "code": record.activity or "unknown"}


def _purpose(record: Record) -> str | None:
    return "ETREAT" if record.activity == "emergency" else _PURPOSES.get(record.actor.purpose)


def _agents(record: Record) -> list[dict[str, Any]]:
    actor = record.actor
    who: dict[str, Any] = {"who": _who(actor), "requestor": True}
    if actor.title:
        who["role"] = [{"text": actor.title}]
    if actor.name:
        who["name"] = actor.name
    if actor.session:
        who["altId"] = actor.session
    if actor.assignment:
        who["extension"] = [{"url": "urn:vaka:assignment", "valueString": actor.assignment}]
    if record.rule:
        who["policy"] = [f"urn:vaka:rule:{id_}" for id_ in record.rule.split(" ")]
    agents = [who]
    for id_ in dict.fromkeys((actor.unit, actor.provider)):
        if id_:
            agents.append({"who": {"reference": f"Organization/{id_}"}, "requestor": False})
    return agents


def _who(actor: Actor) -> dict[str, Any]:
    if actor.person:
        return {"identifier": {"system": HSA, "value": actor.person}, "display": actor.name or actor.person}
    name = actor.principal or "unknown"
    return {"identifier": {"system": "urn:vaka:program", "value": name}, "display": name}


def _entities(record: Record, names: Names) -> list[dict[str, Any]]:
    kinds = sorted({_kind(names.owners[owner]) for owner in record.owners if owner in names.owners})
    found: list[dict[str, Any]] = []
    for key in record.patients:
        type_, id_ = names.patients.get(key, ("", ""))
        entity: dict[str, Any] = {
            "what": {"reference": f"{type_}/{id_}"}
            if id_
            else {"display": "a patient who is not in the record any more"},
            "type": {"system": _TERMS + "audit-entity-type", "code": "1", "display": "Person"},
            "role": {"system": _TERMS + "object-role", "code": "1", "display": "Patient"},
        }
        if kinds:
            entity["detail"] = [{"type": "information", "valueString": kind} for kind in kinds]
        found.append(entity)
    for seq in record.seqs:
        version = names.versions.get(seq)
        if version is not None and version.epoch <= record.epoch and version.type != "Patient":
            number = version_id(version.version, version.epoch)
            found.append({
                "what": {"reference": f"{version.type}/{version.id}/_history/{number}"},
                "type": {"system": _TERMS + "audit-entity-type", "code": "2", "display": "System Object"},
                "role": {"system": _TERMS + "object-role", "code": "4", "display": "Domain Resource"},
            })  # fmt: skip
    if record.more:
        found.append({"name": "further versions", "detail": [{"type": "count", "valueString": str(record.more)}]})
    if record.address:
        found.append({"name": record.address})
    return found


def _kind(owner: Owner) -> str:
    return ", ".join(part for part in (owner.kind, owner.unit, owner.provider) if part)
