"""What tests of records law ask with: a unit of its own with its patient, notes and results; and the operations."""

from __future__ import annotations

from typing import Any

import httpx
from tests.client import Api, Resource, fresh

PAPERS = {"resourceType": "Composition", "status": "final", "title": "Anteckning"}


class Ward:
    """A provider with a unit, a patient admitted there, and what stands in the record of that patient."""

    def __init__(self, api: Api) -> None:
        self.api = api
        tag = fresh()
        self.provider = api.make({"resourceType": "Organization", "id": f"p-{tag}", "name": "Provider"})["id"]
        self.unit = api.make(
            {"resourceType": "Organization", "id": f"u-{tag}", "partOf": {"reference": f"Organization/{self.provider}"}}
        )["id"]
        self.visits: dict[str, str] = {}
        self.patient = self.admit()
        self.encounter = self.visits[self.patient]

    def admit(self, **members: Any) -> str:
        """A new patient with a stay here; its id."""
        made: str = self.api.make({"resourceType": "Patient", **members})["id"]
        self.visits[made] = self.api.make(
            {
                "resourceType": "Encounter",
                "status": "in-progress",
                "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
                "subject": {"reference": f"Patient/{made}"},
                "serviceProvider": {"reference": f"Organization/{self.unit}"},
                "period": {"start": "2026-01-01"},
            }
        )["id"]
        return made

    def owned(self, patient: str | None = None) -> Resource:
        patient = patient or self.patient
        return {
            "subject": {"reference": f"Patient/{patient}"},
            "encounter": {"reference": f"Encounter/{self.visits[patient]}"},
        }

    def note(self, patient: str | None = None, **members: Any) -> Resource:
        return self.api.make(
            {
                **PAPERS,
                "type": {"text": "Daganteckning"},
                "date": "2026-03-01T10:00:00+01:00",
                "author": [{"display": "Somebody"}],
                **self.owned(patient),
                **members,
            }
        )

    def result(self, patient: str | None = None, **members: Any) -> Resource:
        return self.api.make(
            {
                "resourceType": "DiagnosticReport",
                "status": "final",
                "code": {"text": "Kreatinin"},
                **self.owned(patient),
                **members,
            }
        )


def parameters(**values: Any) -> Resource:
    """Parameters: ``name__valueX=…``; a plain name is a string."""
    made = []
    for name, value in values.items():
        plain, _, kind = name.partition("__")
        made.append({"name": plain, kind or "valueString": value})
    return {"resourceType": "Parameters", "parameter": made}


def operate(
    api: Api,
    resource: Resource | str,
    operation: str,
    version: str | None = None,
    *,
    key: str | None = None,
    **values: Any,
) -> httpx.Response:
    """POST an operation on a resource (or address), of the version that it has unless another is named."""
    address = resource if isinstance(resource, str) else f"{resource['resourceType']}/{resource['id']}"
    if version is None and not isinstance(resource, str):
        version = resource["meta"]["versionId"]
    headers = {"If-Match": f'W/"{version}"'} if version else {}
    if key is not None:
        headers["Idempotency-Key"] = key
    return api.post(f"/{address}/${operation}", json=parameters(**values) if values else None, headers=headers)


def marks(api: Api, address: str) -> list[Resource]:
    """Provenances on a resource, oldest first."""
    found = api.bundle(f"/Provenance?target={address}&_count=100")
    return [one["resource"] for one in found.get("entry", ())][::-1]


def acts(api: Api, address: str) -> list[str]:
    return [one["activity"]["coding"][0]["code"] for one in marks(api, address)]


def listed(api: Api, address: str) -> list[str]:
    """Ids on all pages of a list."""
    return api.ids(address)
