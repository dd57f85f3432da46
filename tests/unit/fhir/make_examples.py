"""Makes examples.ndjson.zst: some 220 of the official R4 examples, at least one of each type that has one.

    python tests/unit/fhir/make_examples.py PATH/TO/hl7.fhir.r4.examples/package

Source: the npm package ``hl7.fhir.r4.examples`` (CC0). Narratives over 400 characters are left out.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import orjson
import zstandard

from vaka.fhir.definitions import RESOURCE_TYPES

TARGET = Path(__file__).parent / "examples.ndjson.zst"
BYTES_MAX = 20_000
MORE = {
    "Patient": 6, "Observation": 14, "Encounter": 5, "MedicationRequest": 6, "MedicationAdministration": 4,
    "DiagnosticReport": 4, "Appointment": 3, "Condition": 8, "AllergyIntolerance": 2, "Consent": 4, "Task": 4,
    "Procedure": 4, "ServiceRequest": 4, "Group": 3, "Composition": 2, "Bundle": 3, "Medication": 3, "CarePlan": 2,
    "MedicationStatement": 2, "AuditEvent": 3, "Provenance": 2, "Specimen": 2, "Immunization": 2, "Device": 2,
    "ActivityDefinition": 2, "MolecularSequence": 2, "RiskAssessment": 3, "Location": 3, "Organization": 3,
    "Practitioner": 3, "RelatedPerson": 2,
}  # fmt: skip


def main() -> None:
    found: dict[str, list[bytes]] = defaultdict(list)
    for file in sorted(Path(sys.argv[1]).glob("*.json")):
        resource = orjson.loads(file.read_bytes())
        type_ = resource.get("resourceType")
        if type_ in RESOURCE_TYPES and file.name.startswith(type_ + "-"):
            if len(resource.get("text", {}).get("div", "")) > 400:
                del resource["text"]
            found[type_].append(orjson.dumps(resource))
    picked: list[bytes] = []
    for type_ in sorted(found):
        sized = sorted((b for b in found[type_] if len(b) < BYTES_MAX), key=len)
        count = MORE.get(type_, 1)
        places = [len(sized) * 2 // 3] if count == 1 else [i * (len(sized) - 1) // (count - 1) for i in range(count)]
        picked += dict.fromkeys(sized[place] for place in places if sized)
    packed = zstandard.ZstdCompressor(level=19).compress(b"\n".join(picked))
    TARGET.write_bytes(packed)
    print(f"{len(picked)} resources of {len(found)} types, {len(packed)} bytes")


if __name__ == "__main__":
    main()
