"""The R4 definitions are whole, official, and read right."""

from __future__ import annotations

from collections import Counter

import pytest

from vaka.fhir import definitions as d
from vaka.fhir.paths import Path, Step, parse

ALL = [p for t in d.RESOURCE_TYPES for p in d.parameters(t).values()]


def test_all_types_of_r4() -> None:
    """A type that is missing, or one that is not R4, would be stored under a wrong number."""
    assert len(d.RESOURCE_TYPES) == 146
    assert list(d.RESOURCE_TYPES) == sorted(d.RESOURCE_TYPES)
    assert not {"Resource", "DomainResource", "SubscriptionStatus", "MetadataResource"} & set(d.RESOURCE_TYPES)
    assert [d.type_name(d.type_number(t)) for t in d.RESOURCE_TYPES] == list(d.RESOURCE_TYPES)
    assert (d.type_number("Account"), d.type_number("Patient"), d.type_number("VisionPrescription")) == (1, 103, 146)


def test_every_parameter_is_supported_or_says_why() -> None:
    """A parameter lost on the way, or one that is quietly not searchable."""
    assert len(ALL) == 3010
    assert Counter(p.kind for p in ALL) == {
        "token": 1254, "reference": 517, "string": 488, "uri": 347, "date": 285, "composite": 72, "quantity": 40,
        "number": 6, "special": 1,
    }  # fmt: skip
    unsupported = {p.name for p in ALL if not p.supported and p.code != "_query"}
    assert unsupported == {
        "Location.near",
        "MolecularSequence.chromosome-variant-coordinate",
        "MolecularSequence.chromosome-window-coordinate",
        "MolecularSequence.referenceseqid-variant-coordinate",
        "MolecularSequence.referenceseqid-window-coordinate",
    }
    assert all(p.reason for p in ALL if not p.supported)
    assert sum(p.code == "_query" and not p.supported for p in ALL) == 146


def test_numbers_are_stable() -> None:
    """Stored index rows would belong to another parameter."""
    assert [p.number for p in ALL] == list(range(1, 3011))
    assert [p.code for p in d.parameters("Patient").values()] == sorted(d.parameters("Patient"))
    named = {"Account._content": 1, "Observation.code": 1971, "Patient.birthdate": 2125, "Patient.identifier": 2133}
    assert {p.name: p.number for p in ALL if p.name in named} == named


def test_every_path_ends_at_an_element() -> None:
    """A path misread would index nothing."""
    for parameter in ALL:
        if parameter.kind != "composite" and parameter.expression:
            for path in parameter.paths:
                assert d.leaf(parameter.type, path), parameter.name


@pytest.mark.parametrize(
    ("type_", "code", "stored"),
    [
        ("Observation", "patient", [("Observation.subject", "Patient")]),
        ("Observation", "subject", [("Observation.subject", None)]),
        ("Observation", "combo-code", [("Observation.code", None), ("Observation.component-code", None)]),
        (
            "Observation",
            "combo-code-value-quantity",
            [("Observation.code-value-quantity", None), ("Observation.component-code-value-quantity", None)],
        ),
        ("Observation", "code-value-date", [("Observation.code-value-date", None)]),
        ("Coverage", "patient", [("Coverage.beneficiary", None)]),
        ("DeviceUseStatement", "patient", [("DeviceUseStatement.subject", None)]),
        ("AuditEvent", "patient", [("AuditEvent.agent", "Patient"), ("AuditEvent.entity", "Patient")]),
        ("Encounter", "practitioner", [("Encounter.participant", "Practitioner")]),
        ("EpisodeOfCare", "care-manager", [("EpisodeOfCare.care-manager", None)]),
        ("Patient", "phonetic", [("Patient.name", None)]),
        ("Patient", "phone", [("Patient.phone", None)]),
        ("Condition", "code", [("Condition.code", None)]),
        ("ValueSet", "context-type-value", [("ValueSet.context-type-value", None)]),
    ],
)
def test_stored_as(type_: str, code: str, stored: list[tuple[str, str | None]]) -> None:
    """A search would look where nothing was stored."""
    found = d.parameter(type_, code)
    assert found is not None
    assert list(found.stored_as) == stored


def test_stored_as_ends_where_values_are() -> None:
    """A parameter stored as one that is itself stored elsewhere would find nothing."""
    by_name = {p.name: p for p in ALL}
    aliases = [p for p in ALL if p.stored_as != ((p.name, None),)]
    assert len(aliases) == 65
    for alias in aliases:
        for name, _ in alias.stored_as:
            assert by_name[name].stored_as == ((name, None),)
            assert by_name[name].kind == alias.kind


def test_systems_that_codes_imply() -> None:
    """``gender=http://hl7.org/fhir/administrative-gender|male`` would not find what ``gender=male`` finds."""
    systems = {code: p.systems for code, p in d.parameters("Patient").items()}
    assert systems["gender"] == ("", "http://hl7.org/fhir/administrative-gender")
    assert systems["active"] == systems["telecom"] == ("",)
    assert systems["identifier"] is None


def test_composites() -> None:
    """A composite of the resource and one of its parts are searched in different ways."""
    observation = d.parameters("Observation")
    assert observation["code-value-quantity"].root
    assert observation["code-value-quantity"].components == (("code", "token"), ("value-quantity", "quantity"))
    assert not observation["component-code-value-quantity"].root
    assert d.component_expressions("Observation", "code-value-concept") == ("code", "value.as(CodeableConcept)")


def test_single() -> None:
    """Sorting joins one row where a parameter has one value at most."""
    observation, patient = d.parameters("Observation"), d.parameters("Patient")
    assert observation["date"].single
    assert d.parameters("Condition")["onset-date"].single
    assert not observation["combo-code"].single
    assert not patient["name"].single


def test_elements() -> None:
    """Validation and summary would go by wrong types, targets or codes."""
    observation = d.structure("Observation")
    assert observation.properties["valueQuantity"] == (observation.elements["value"], "Quantity")
    assert observation.elements["value"].choice
    assert observation.elements["value"].max == 1
    assert observation.elements["status"].min == 1
    assert observation.elements["status"].value_set == "http://hl7.org/fhir/ValueSet/observation-status"
    assert observation.elements["subject"].targets == ("Patient", "Group", "Device", "Location")
    assert observation.elements["focus"].targets == ()
    assert observation.elements["id"].types == ("id",)
    assert observation.elements["contained"].types == ("Resource",)
    assert observation.elements["component"].types == ("Observation.component",)
    component = d.structure("Observation.component")
    assert component.elements["referenceRange"].types == ("Observation.referenceRange",)
    assert component.elements["modifierExtension"].many
    assert d.structure("Age").elements["value"].types == ("decimal",)
    assert d.structure("Bundle.entry").elements["resource"].types == ("Resource",)
    assert d.structure("Extension").elements["url"].types == ("uri",)
    assert "status" in d.summary_elements("Observation")
    assert "note" not in d.summary_elements("Observation")


def test_every_element_type_is_known() -> None:
    """A walk down the element tree would stop at an unknown name."""
    structures = set(d._R4["structures"])
    for name in structures:
        for element in d.structure(name).elements.values():
            assert set(element.types) <= structures, name
            assert set(element.targets) <= set(d.RESOURCE_TYPES), name


def test_only_r4() -> None:
    """Elements that the source package added would be accepted, and R4 ones that it replaced refused."""
    assert set(d.structure("Meta").elements) == {
        "id", "extension", "versionId", "lastUpdated", "source", "profile", "security", "tag",
    }  # fmt: skip
    assert "url" not in d.structure("Binary").elements
    assert "whyStopped" not in d.structure("ResearchStudy").elements
    assert "arm" in d.structure("ResearchStudy").elements
    assert set(d.structure("EvidenceVariable.characteristic").elements) >= {"definition", "groupMeasure"}
    assert "linkId" not in d.structure("EvidenceVariable.characteristic").elements
    assert "classification" not in d.parameters("DeviceDefinition")


def test_required_codes() -> None:
    """``gender: femail`` would be accepted, or a code of an open list refused."""
    gender = d.required_codes("http://hl7.org/fhir/ValueSet/administrative-gender")
    assert gender == frozenset({"male", "female", "other", "unknown"})
    assert d.required_codes("http://hl7.org/fhir/ValueSet/mimetypes") is None
    assert d.required_codes("http://hl7.org/fhir/ValueSet/currencies") is None
    open_sets = [u for u in d._R4["value_sets"] if d.required_codes(u) is None]
    assert len(open_sets) == 4
    for name in d._R4["structures"]:
        for element in d.structure(name).elements.values():
            if element.value_set:
                d.value_set(element.value_set)


def test_compartments() -> None:
    """A patient's record would miss a kind of resource."""
    assert d.COMPARTMENTS == ("Device", "Encounter", "Patient", "Practitioner", "RelatedPerson")
    patient = d.compartment("Patient")
    assert patient["Observation"] == ("subject", "performer")
    assert len(patient) == 66
    for name in d.COMPARTMENTS:
        for type_, codes in d.compartment(name).items():
            assert all(d.parameters(type_)[code].kind == "reference" for code in codes)


@pytest.mark.parametrize(
    ("expression", "paths"),
    [
        ("T.a.b | T.c", (Path((Step("a"), Step("b"))), Path((Step("c"),)))),
        ("(T.a as Quantity).unit", (Path((Step("a", cast="Quantity"), Step("unit"))),)),
        ("T.a.as(Age)", (Path((Step("a", cast="Age"),)),)),
        ("T.a.where(type='x').b", (Path((Step("a", where=("type", "x")), Step("b"))),)),
        ("T.a.where(resolve() is Patient)", (Path((Step("a"),), narrow="Patient"),)),
        ("T.a[0].b", (Path((Step("a", first=True), Step("b"))),)),
        ("T.a.exists() and T.a != false", (Path((Step("a"),), truth=True),)),
        ("", ()),
    ],
)
def test_paths(expression: str, paths: tuple[Path, ...]) -> None:
    """An expression misread indexes something else."""
    assert parse(expression, "T") == paths


@pytest.mark.parametrize("expression", ["T.a.first()", "T.a = 1", "U.a", "T.a.where(resolve() is X).b"])
def test_unknown_grammar_is_refused(expression: str) -> None:
    """An expression that is half understood would index half of the values."""
    with pytest.raises(ValueError, match=r"not in the grammar|does not begin"):
        parse(expression, "T")
