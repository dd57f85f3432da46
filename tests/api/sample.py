"""A few hundred varied resources from one seed, and random searches among them, for the differential test."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from tests.client import SYSTEM, Resource, identifier

LOINC, SNOMED, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
CODES = [(LOINC, "8480-6", "Systolic blood pressure"), (LOINC, "29463-7", "Body weight"), (LOINC, "2708-6", "Syrgas"), (SNOMED, "271649006", "Systoliskt blodtryck"), ("", "local", "egen kod"), ("urn:x", "a,b|c$d\\e", "odd code")]  # fmt: skip
PARTS = [
    {"system": LOINC, "code": "8462-4", "display": "Diastolic"},
    {"code": "part"},
    {"system": LOINC, "code": "8867-4"},
]
NAMES = ["Åberg", "Aberg", "Öberg", "Andersson", "von Essen", "O'Neill", "Müller", "Mc,Donald", "50%_x", "Ek", "ek lund", "Straße"]  # fmt: skip
DATES = ["2023", "2024-02", "2024-02-29", "2024-02-29T10:00:00+01:00", "2024-02-29T09:00:00Z", "2024-02-29T09:00:00.500Z", "2024-12-31T23:59:59-05:00", "2025-01-01", "1969-12-31", "2024-03-31T02:30:00+01:00"]  # fmt: skip
QUANTITIES = [(72.5, "kg", "kg"), (72500, "g", "g"), (120, "mmHg", "mm[Hg]"), (120.0, "mmHg", "mm[Hg]"), (0, "x", None), (-1.5, "Cel", "Cel"), (1e-7, "g", "g"), (5.4, "mmol/l", "mmol/L"), (5, "mmol/l", "mmol/L")]  # fmt: skip


class Sample:
    """``resources``: all of them, each with an id and the tag by which a search stays among them."""

    def __init__(self, seed: int, tag: str) -> None:
        self.random = random.Random(seed)
        self.tag = tag
        self.resources: list[Resource] = []
        self._make()

    def ids(self, type_: str) -> list[str]:
        return [one["id"] for one in self.resources if one["resourceType"] == type_]

    def pick(self, values: Sequence[Any]) -> Any:
        return self.random.choice(values)

    def maybe(self, make: Callable[[], Any], chance: float = 0.7) -> Any:
        return make() if self.random.random() < chance else None

    def _add(self, type_: str, **members: Any) -> None:
        number = sum(one["resourceType"] == type_ for one in self.resources)
        kept = {name: value for name, value in members.items() if value not in (None, [], {})}
        meta: Resource = {"tag": [{"system": SYSTEM, "code": self.tag}]}
        if self.random.random() < 0.3:
            meta["profile"] = [self.pick(["http://example.org/p/a", "http://example.org/p/b|1.0"])]
        if self.random.random() < 0.3:
            meta["security"] = [
                {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": self.pick("NRV")}
            ]
            meta["source"] = self.pick(["http://example.org/lab", "http://example.org/lab/1", "urn:oid:1.2.3"])
        self.resources.append(
            {"resourceType": type_, "id": f"{self.tag[:12]}-{type_.lower()}-{number}", "meta": meta, **kept}
        )

    def _reference(self, type_: str) -> Resource | None:
        known = self.ids(type_)
        draw = self.random.random()
        if draw < 0.1 or not known:
            return self.pick([None, {"identifier": identifier(self.pick(["1", "2"])), "display": "Någon Annan"}, {"reference": f"http://elsewhere.example/fhir/{type_}/1"}, {"display": "okänd"}])  # type: ignore[no-any-return]  # fmt: skip
        return {"reference": f"{type_}/{self.pick(known)}", **({"display": "Ek Någon"} if draw > 0.9 else {})}

    def _concept(self) -> Resource:
        chosen = self.random.sample(CODES, self.pick([1, 1, 2]))
        coding = [{**({"system": s} if s else {}), "code": c, "display": d} for s, c, d in chosen]
        return {
            "coding": coding,
            **({"text": self.pick(["Blodtryck, liggande", "vikt", "Blutdruck"])} if self.random.random() < 0.4 else {}),
        }

    def _quantity(self) -> Resource:
        value, unit, code = self.pick(QUANTITIES)
        return {"value": value, "unit": unit, **({"system": UCUM, "code": code} if code else {})}

    def _period(self) -> Resource:
        start, end = sorted(
            self.random.sample(
                ["2023-01-01", "2024-02", "2024-02-29T10:00:00+01:00", "2024-06-01", "2025", "2026-01-01T00:00:00Z"], 2
            )
        )
        return self.pick([{"start": start, "end": end}, {"start": start}, {"end": end}])  # type: ignore[no-any-return]

    def _when(self, name: str) -> Resource:
        return self.pick([{name + "DateTime": self.pick(DATES)}, {name + "Period": self._period()}, {}])  # type: ignore[no-any-return]

    def _make(self) -> None:
        for n in range(4):
            parent = {"reference": f"Organization/{self.ids('Organization')[0]}"} if n else None
            self._add("Organization", name=self.pick(NAMES), partOf=parent, identifier=[identifier(str(n))])
        for n in range(6):
            self._add(
                "Practitioner", name=[{"family": self.pick(NAMES), "given": ["Eva"]}], identifier=[identifier(str(n))]
            )
        for n in range(30):
            name = {"family": self.pick(NAMES), "given": [self.pick(["Anna", "Åke", "Jan-Erik"]), "B"]}
            typed = {"type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}}
            self._add(
                "Patient",
                identifier=[identifier(str(n)) | self.pick([{}, typed])],
                name=[name, *([{"text": "Alias X"}] if n % 5 == 0 else [])],
                gender=self.maybe(lambda: self.pick(["male", "female", "other", "unknown"])),
                birthDate=self.maybe(lambda: self.pick(["1970", "1970-01", "1970-01-02", "2001-12-31"])),
                active=self.maybe(lambda: self.pick([True, False])),
                telecom=self.maybe(lambda: [{"system": "phone", "value": "+46 70 123", "use": "home"}]),
                address=self.maybe(lambda: [{"city": self.pick(NAMES), "postalCode": "123 45", "line": ["Ekvägen 1"]}]),
                generalPractitioner=[r for r in [self._reference(self.pick(["Practitioner", "Organization"]))] if r],
                managingOrganization=self._reference("Organization"),
                **({"deceasedDateTime": "2024-02-01"} if n % 9 == 0 else {}),
            )
        for _ in range(40):
            self._add(
                "Encounter",
                status=self.pick(["in-progress", "finished", "planned"]),
                **{
                    "class": {
                        "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
                        "code": self.pick(["IMP", "AMB"]),
                    }
                },
                subject=self._reference("Patient"),
                serviceProvider=self._reference("Organization"),
                period=self.maybe(self._period),
                participant=[{"individual": r} for r in [self._reference("Practitioner")] if r],
            )
        for _ in range(110):
            self._add(
                "Observation",
                status=self.pick(["final", "preliminary", "amended"]),
                code=self._concept(),
                category=self.maybe(lambda: [self._concept()], 0.3),
                subject=self._reference("Patient"),
                encounter=self._reference("Encounter"),
                performer=[r for r in [self._reference("Practitioner")] if r],
                text=self.maybe(
                    lambda: {
                        "status": "generated",
                        "div": f'<div xmlns="http://www.w3.org/1999/xhtml">Patienten <b>{self.pick(["mår", "mådde", "andas"])}</b> bra</div>',
                    },
                    0.3,
                ),
                component=self.maybe(
                    lambda: [
                        {"code": {"coding": [self.pick(PARTS)]}, "valueQuantity": self._quantity()} for _ in range(2)
                    ],
                    0.3,
                ),
                **self._when("effective"),
                **self.pick(
                    [
                        {"valueQuantity": self._quantity()},
                        {"valueString": self.pick(NAMES)},
                        {"valueCodeableConcept": self._concept()},
                        {},
                    ]
                ),
            )
        for _ in range(40):
            self._add(
                "Condition",
                code=self.maybe(self._concept, 0.9),
                subject=self._reference("Patient") or {"display": "okänd"},
                encounter=self._reference("Encounter"),
                **self.pick(
                    [
                        {"onsetDateTime": self.pick(DATES)},
                        {"onsetPeriod": self._period()},
                        {"onsetAge": {"value": 40, "unit": "a", "system": UCUM, "code": "a"}},
                        {"onsetString": "ungdom"},
                        {},
                    ]
                ),
            )
        for _ in range(15):
            self._add(
                "RiskAssessment",
                status="final",
                subject=self._reference("Patient") or {"display": "okänd"},
                prediction=[
                    {"probabilityDecimal": self.pick([0.1, 0.10, 0.25, 1, 0.999])},
                    *([{"probabilityDecimal": 0.5}] if self.random.random() < 0.3 else []),
                ],
            )
        for n in range(12):
            self._add(
                "ValueSet",
                status="active",
                url=f"http://example.org/fhir/ValueSet/{self.pick('ab')}{'/x' * (n % 3)}",
                version=self.pick(["1", "1.0.2"]),
                name=self.pick(NAMES),
                title="T",
                description="Beskrivning av urval",
            )

    # Searches -----------------------------------------------------------------------------------------------------

    def search(self) -> tuple[str, list[tuple[str, str]]]:
        """(type, parameters) of a random search, one to three parameters besides the tag."""
        type_ = self.pick(
            [
                "Patient",
                "Patient",
                "Encounter",
                "Observation",
                "Observation",
                "Observation",
                "Condition",
                "RiskAssessment",
                "ValueSet",
                "Practitioner",
                "Organization",
            ]
        )
        return type_, [self.parameter(type_) for _ in range(self.pick([1, 1, 1, 2, 2, 3]))]

    def parameter(self, type_: str, depth: int = 0) -> tuple[str, str]:
        """One parameter with its value."""
        draw = self.random.random()
        if depth < 2 and draw < 0.12:
            return self._has(type_, depth)
        if depth < 3 and draw < 0.3 and type_ in _REFERENCES:
            code, target = self.pick(_REFERENCES[type_])
            name, value = self.parameter(target, depth + 1)
            return f"{code}{self.pick([':' + target, ':' + target, ''])}.{name}", value
        code, kind = self.pick(_PARAMETERS[type_] + _COMMON)
        if self.random.random() < 0.08:
            return f"{code}:missing", self.pick(["true", "false"])
        return self._of_kind(type_, code, kind)

    def _has(self, type_: str, depth: int) -> tuple[str, str]:
        ways = [(source, code) for source, refs in _REFERENCES.items() for code, target in refs if target == type_]
        if not ways:
            return self._of_kind(type_, "_id", "id")
        source, code = self.pick(ways)
        name, value = self.parameter(source, depth + 1)
        return f"_has:{source}:{code}:{name}", value

    def _of_kind(self, type_: str, code: str, kind: str) -> tuple[str, str]:
        def joined(make: Callable[[], str]) -> str:
            return ",".join(make() for _ in range(self.pick([1, 1, 1, 2, 3])))

        match kind:
            case "token":
                modifier = self.pick(["", "", "", ":not", ":text"])
                return code + modifier, joined(lambda: self._token(modifier))
            case "code":
                words = [
                    "male",
                    "female",
                    "final",
                    "amended",
                    "in-progress",
                    "finished",
                    "IMP",
                    "true",
                    "false",
                    "active",
                    "unknown",
                    "draft",
                ]
                return code + self.pick(["", "", ":not"]), joined(lambda: self.pick(words))
            case "identifier":
                odd = self.pick(
                    [
                        (":of-type", "http://terminology.hl7.org/CodeSystem/v2-0203|MR|3"),
                        ("", f"{SYSTEM}|"),
                        ("", f"{SYSTEM}|{self.random.randrange(9)}"),
                        ("", "|3"),
                    ]
                )
                return code + odd[0], str(odd[1])
            case "string":
                modifier = self.pick(["", "", ":exact", ":contains"])
                return code + modifier, joined(lambda: self._text(modifier))
            case "date":
                prefix = ["", "", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]
                return code, joined(lambda: self.pick(prefix) + self.pick([*DATES, "2024-03", "2024-06-01", "2026"]))
            case "number":
                return code, joined(
                    lambda: (
                        self.pick(["", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"])
                        + self.pick(["0.1", "0.10", "0.25", "1", "0.5", "5e-1", "0.9"])
                    )
                )
            case "quantity":
                return code, joined(self._quantity_text)
            case "reference":
                return self._reference_text(code)
            case "uri":
                modifier = self.pick(["", "", ":below", ":above"])
                return code + modifier, joined(
                    lambda: "http://example.org/fhir/ValueSet/" + self.pick(["a", "b", "a/x", "b/x/x", "", "c"])
                )
            case "composite":
                first = self._token("")
                return (
                    code,
                    f"{first}${self._quantity_text() if code.endswith('quantity') else self._token('') if 'concept' in code else self.pick(DATES)}",
                )
            case "id":
                known = self.ids(type_)
                return code, joined(lambda: self.pick([*known, "nobody"]))
            case "words":
                return code, self.pick(
                    [
                        "patienten",
                        "mår bra",
                        "BRA",
                        "andas",
                        "blodtryck",
                        "blodtrycket",
                        "vikt",
                        "systoliskt blodtryck",
                        "x",
                    ]
                )
        raise AssertionError(kind)

    def _token(self, modifier: str) -> str:
        system, code, display = self.pick([*CODES, (LOINC, "8462-4", "Diastolic"), ("", "part", "x")])
        code = code.replace("\\", "\\\\").replace(",", "\\,").replace("|", "\\|").replace("$", "\\$")
        if modifier == ":text":
            return str(self.pick([display, display.split()[0].lower(), "blodtryck", "vikt"]))
        return str(self.pick([code, f"{system}|{code}", f"|{code}", f"{system}|" if system else code, "nothing"]))

    def _text(self, modifier: str) -> str:
        name = str(self.pick(NAMES))
        if modifier == "":
            name = self.pick([name, name.lower(), name[:2], name.upper()])
        if modifier == ":contains":
            name = name[1:4]
        return name.replace("\\", "\\\\").replace(",", "\\,")

    def _quantity_text(self) -> str:
        value, _, code = self.pick(QUANTITIES)
        number = self.pick([str(value), str(value), "72", "120", "7e1"])
        unit = self.pick(["", f"|{UCUM}|{code}", f"||{code}"]) if code else ""
        return f"{self.pick(['', '', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap'])}{number}{unit}"

    def _reference_text(self, code: str) -> tuple[str, str]:
        target = self.pick(["Patient", "Practitioner", "Organization", "Encounter"])
        id_ = self.pick(self.ids(target))
        return self.pick([(code, id_), (code, f"{target}/{id_}"), (f"{code}:{target}", id_), (code, f"http://elsewhere.example/fhir/{target}/1"), (f"{code}:identifier", f"{SYSTEM}|1"), (f"{code}:identifier", "2"), (code, f"{target}/{id_},{target}/{self.pick(self.ids(target))}"), (f"{code}:text", "någon")])  # type: ignore[no-any-return]  # fmt: skip


_COMMON = [("_id", "id"), ("_profile", "uri"), ("_security", "token"), ("_lastUpdated", "date"), ("_content", "words"), ("_text", "words"), ("_source", "uri")]  # fmt: skip
_PARAMETERS: dict[str, list[tuple[str, str]]] = {
    "Patient": [("family", "string"), ("given", "string"), ("name", "string"), ("phonetic", "string"), ("address", "string"), ("address-city", "string"), ("birthdate", "date"), ("death-date", "date"), ("gender", "code"), ("active", "code"), ("deceased", "code"), ("identifier", "identifier"), ("general-practitioner", "reference"), ("organization", "reference"), ("phone", "token"), ("telecom", "token")],
    "Practitioner": [("family", "string"), ("name", "string"), ("identifier", "identifier")],
    "Organization": [("name", "string"), ("identifier", "identifier"), ("partof", "reference")],
    "Encounter": [("status", "code"), ("class", "code"), ("date", "date"), ("subject", "reference"), ("patient", "reference"), ("service-provider", "reference"), ("practitioner", "reference"), ("participant", "reference")],
    "Observation": [("code", "token"), ("combo-code", "token"), ("category", "token"), ("status", "code"), ("date", "date"), ("subject", "reference"), ("patient", "reference"), ("encounter", "reference"), ("performer", "reference"), ("value-quantity", "quantity"), ("combo-value-quantity", "quantity"), ("component-value-quantity", "quantity"), ("value-string", "string"), ("value-concept", "token"), ("code-value-quantity", "composite"), ("combo-code-value-quantity", "composite"), ("component-code-value-quantity", "composite"), ("code-value-concept", "composite"), ("code-value-date", "composite"), ("value-date", "date")],
    "Condition": [("code", "token"), ("subject", "reference"), ("patient", "reference"), ("encounter", "reference"), ("onset-date", "date"), ("onset-age", "quantity"), ("onset-info", "string")],
    "RiskAssessment": [("probability", "number"), ("subject", "reference"), ("patient", "reference")],
    "ValueSet": [("url", "uri"), ("version", "token"), ("name", "string"), ("status", "code"), ("description", "string"), ("title", "string")],
}  # fmt: skip
_REFERENCES: dict[str, list[tuple[str, str]]] = {
    "Patient": [("general-practitioner", "Practitioner"), ("general-practitioner", "Organization"), ("organization", "Organization")],
    "Organization": [("partof", "Organization")],
    "Encounter": [("subject", "Patient"), ("patient", "Patient"), ("service-provider", "Organization"), ("practitioner", "Practitioner")],
    "Observation": [("subject", "Patient"), ("patient", "Patient"), ("encounter", "Encounter"), ("performer", "Practitioner")],
    "Condition": [("subject", "Patient"), ("patient", "Patient"), ("encounter", "Encounter")],
    "RiskAssessment": [("subject", "Patient"), ("patient", "Patient")],
}  # fmt: skip
SORTS = {
    "Patient": ["birthdate", "family", "gender", "_id", "_lastUpdated", "active", "name", "identifier", "death-date"],
    "Encounter": ["date", "status", "subject", "class"],
    "Observation": ["date", "code", "value-quantity", "status", "value-string", "patient", "combo-value-quantity"],
    "Condition": ["onset-date", "code", "onset-age"],
    "RiskAssessment": ["probability", "subject"],
    "ValueSet": ["url", "name", "version"],
    "Practitioner": ["family"],
    "Organization": ["name", "partof"],
}
