"""The software bill of materials in CycloneDX 1.6, as JSON.

Written here and not by ``cyclonedx-python-lib``, since it is to be had with what ``requirements.lock`` installs and is a tree of
a dozen names; that library's strict validator judges every document in the tests.
Source: https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from datetime import datetime
from importlib import metadata
from typing import Any, Final

from vaka.supply import inside
from vaka.supply.lock import normal
from vaka.supply.parts import Part

# Data in Vaka's own package that others made.
_DATA: Final[tuple[dict[str, Any], ...]] = (
    {
        "type": "data",
        "name": "hl7.fhir.r4.core",
        "version": "4.0.1",
        "description": "Definitions of FHIR R4, packed in src/vaka/fhir/definitions.json.zst",
        "licenses": [{"expression": "CC0-1.0"}],
        "bom-ref": "vaka/hl7.fhir.r4.core",
    },
)


def document(found: Sequence[Part], made: datetime, python: str) -> dict[str, Any]:
    """The bill of ``found`` and of Vaka itself. ``python``: the interpreter that it was made with, which is not part of it.

    Hashes stand as those of files to fetch ("distribution"), since a version has one for each platform and any of them is right.
    """
    own = metadata.metadata("vaka")
    by_name = {part.name: part for part in found}
    # What nothing else needs is Vaka's own, setuptools among it, which installs it.
    named = _named() | set(by_name) - {need for part in found for need in part.needs}
    vaka = {
        "type": "application",
        "bom-ref": "vaka",
        "name": "vaka",
        "version": own["Version"],
        "description": own["Summary"],
        "licenses": [{"expression": own["License-Expression"]}],
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.uuid4().urn,
        "version": 1,
        "metadata": {
            "timestamp": made.isoformat(timespec="seconds"),
            "lifecycles": [{"phase": "operations"}],
            "tools": {"components": [{"type": "application", "name": "vaka sbom", "version": own["Version"]}]},
            "component": vaka,
            "properties": [{"name": "vaka:python", "value": python}],
        },
        "components": [*_DATA, *(_component(part) for part in found)],
        "dependencies": [
            {
                "ref": "vaka",
                "dependsOn": [
                    *(data["bom-ref"] for data in _DATA),
                    *(_purl(by_name[n]) for n in sorted(named & set(by_name))),
                ],
            },
            *({"ref": _purl(part), "dependsOn": [_purl(by_name[name]) for name in part.needs]} for part in found),
        ],
    }


def _named() -> set[str]:
    """What Vaka itself requires, extras left out."""
    lines = (line for line in metadata.requires("vaka") or () if "extra ==" not in line)
    return {normal(match[0]) for line in lines if (match := re.match(r"[A-Za-z0-9._-]+", line))}


def _component(part: Part) -> dict[str, Any]:
    purl = _purl(part)
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": part.name,
        "version": part.version,
        "description": part.summary,
        "licenses": inside.licenses(part.license or part.license_text or "not told"),
        "purl": purl,
        "externalReferences": [
            {
                "type": "distribution",
                "url": purl,
                "comment": "one of these files; the lock lets no other be installed",
                "hashes": [{"alg": "SHA-256", "content": digest} for digest in part.hashes],
            }
        ],
    }
    if part.inside:
        component["components"] = [
            one | {"bom-ref": f"{purl}#{number}-{one['name']}"} for number, one in enumerate(part.inside, 1)
        ]
    return component


def _purl(part: Part) -> str:
    return f"pkg:pypi/{part.name}@{part.version}"
