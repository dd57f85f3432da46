"""A ward to open, block and write in: two providers, three units, one patient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.client import Api, Resource, fresh
from tests.conftest import Instance

from vaka.access.session import CLINICIAN, Purpose, Right


@dataclass
class Ward:
    """Two providers, units u and v of the first and w of the second; a patient in care at u, with a note of each unit."""

    tag: str
    patient: str
    journal: Instance
    api: Api
    person: Callable[..., Api]

    def at(
        self, unit: str, who: str = "h", *, rights: frozenset[Right] = CLINICIAN, purpose: Purpose = Purpose.CARE
    ) -> Api:
        provider = f"{self.tag}q" if unit == "w" else f"{self.tag}p"
        name = f"{self.tag}{who}"
        return self.person(
            person=name, practitioner=name, unit=self.tag + unit, provider=provider, rights=rights, purpose=purpose
        )

    def note(self, unit: str) -> str:
        return f"{self.tag}o{unit}"

    def sees(self, client: Api, unit: str) -> bool:
        status = client.get(f"/Observation/{self.note(unit)}").status_code
        assert status in (200, 404)
        return status == 200

    def open(self, client: Api, what: str, target: str | None = None, **more: Any) -> Any:
        parts: list[Resource] = [{"name": "what", "valueCode": what}]
        if target is not None:
            parts.append({"name": "target", "valueReference": {"reference": f"Organization/{self.tag}{target}"}})
        parts += [
            {"name": name.replace("_", "-"), "valueString": value} for name, value in more.items() if name != "hours"
        ]
        if "hours" in more:
            parts.append({"name": "hours", "valueInteger": more["hours"]})
        return client.post(f"/Patient/{self.patient}/$open", json={"resourceType": "Parameters", "parameter": parts})


PROTECTED = {"system": "http://hl7.se/fhir/ig/base/CodeSystem/SecurityLabel", "code": "sekretessmarkering"}


def build(tag: str, *, protected: bool = False) -> list[Resource]:
    """The entries of a bundle that makes a ward's region, with a block and a consent."""
    patient = f"{tag}a"
    meta = {"meta": {"security": [PROTECTED]}} if protected else {}
    made = [*region(tag, patient, **meta)]
    for n, (unit, deny) in enumerate((("u", None), ("v", "inner"), ("w", "outer"))):
        made.append({"id": f"{tag}c{n}", **_agreement(tag, patient, unit, deny)})
    return [
        {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}} for one in made
    ]


def region(tag: str, patient: str, **members: Any) -> list[Resource]:
    """Two providers with their units, and a patient with an encounter and a note at each."""
    now = datetime.now(UTC)
    made: list[Resource] = [
        {"resourceType": "Organization", "id": f"{tag}p", "name": "P"},
        {"resourceType": "Organization", "id": f"{tag}q", "name": "Q"},
        *(
            {
                "resourceType": "Organization",
                "id": tag + unit,
                "name": unit,
                "partOf": {"reference": f"Organization/{tag}{of}"},
            }
            for unit, of in (("u", "p"), ("v", "p"), ("w", "q"))
        ),
        {"resourceType": "Patient", "id": patient, "identifier": [{"system": "urn:x", "value": patient}], **members},
    ]
    for unit, days in (("u", 0), ("v", 400), ("w", 400)):
        period = {"start": (now - timedelta(days=days + 1)).isoformat(timespec="seconds")}
        if days:
            period["end"] = (now - timedelta(days=days)).isoformat(timespec="seconds")
        made.append({
            "resourceType": "Encounter", "id": f"{tag}e{unit}", "status": "finished" if days else "in-progress",
            "class": {"code": "AMB"}, "subject": {"reference": f"Patient/{patient}"}, "period": period,
            "serviceProvider": {"reference": f"Organization/{tag}{unit}"},
        })  # fmt: skip
        made.append({
            "resourceType": "Observation", "id": f"{tag}o{unit}", "status": "final", "code": {"text": unit},
            "subject": {"reference": f"Patient/{patient}"}, "encounter": {"reference": f"Encounter/{tag}e{unit}"},
        })  # fmt: skip
    return made


@pytest.fixture
def ward(journal: Instance, api: Api, person: Callable[..., Api]) -> Ward:
    tag = f"x{fresh()[:10]}"
    patient = f"{tag}a"
    made = region(tag, patient)
    entries = [
        {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}} for one in made
    ]
    answer = api.transact(*entries)
    assert answer.status_code == 200, answer.text
    return Ward(tag, patient, journal, api, person)


def agreement(ward: Ward, unit: str, *, deny: str | None = None) -> Resource:
    """A consent to, or a block of, what a unit has."""
    return _agreement(ward.tag, ward.patient, unit, deny)


def _agreement(tag: str, patient: str, unit: str, deny: str | None) -> Resource:
    organization = [{"reference": f"Organization/{tag}{unit}"}]
    code = f"{deny}-block" if deny else "shared-documentation"
    provision: Resource = {"type": "deny"} if deny else {
        "type": "permit", "actor": [{"role": {"text": "unit"}, "reference": organization[0]}]
    }  # fmt: skip
    return {
        "resourceType": "Consent", "status": "active", "patient": {"reference": f"Patient/{patient}"},
        "scope": {"coding": [{"code": "patient-privacy"}]}, "policyRule": {"text": "PDL"}, "organization": organization,
        "category": [{"coding": [{"system": "urn:x-vaka:consent", "code": code}]}], "dateTime": "2026-01-01", "provision": provision,
    }  # fmt: skip
