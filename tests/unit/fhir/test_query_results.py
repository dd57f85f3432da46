"""Order, page, totals, includes, compartments, the self link: what shapes an answer beside its filters."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from vaka import config, errors
from vaka.fhir.criteria import All, Any, Criterion, Ids, Include, LastUpdated, Query, SortKey, Tokens
from vaka.fhir.definitions import RESOURCE_TYPES, parameter
from vaka.fhir.extract import extract
from vaka.fhir.keys import key, reference_key, resource_key
from vaka.fhir.query import everything, matches, parse_query, sort_text


def ask(types: str, *parameters: tuple[str, str], compartment: tuple[str, str] | None = None) -> Query:
    names = RESOURCE_TYPES if types == "*" else types.split(",")
    return parse_query(names, parameters, base_url="http://j/fhir", strict=True, compartment=compartment)


def number(name: str) -> int:
    found = parameter(*name.split(".", 1))
    assert found is not None
    return found.number


def test_sort_keys_name_their_source() -> None:
    """A sort would read the wrong rows, or the wrong way."""
    query = ask(
        "Observation", ("_sort", "-date,code,value-quantity,_id,-_lastUpdated,value-string,combo-value-quantity")
    )
    both = (number("Observation.value-quantity"), number("Observation.component-value-quantity"))
    assert query.sort == (
        SortKey("date", (number("Observation.date"),), "date", True),
        SortKey("text", (), "code", False),
        SortKey("quantity", (number("Observation.value-quantity"),), "value-quantity", False),
        SortKey("id", (), "_id", False),
        SortKey("updated", (), "_lastUpdated", True),
        SortKey("string", (number("Observation.value-string"),), "value-string", False),
        SortKey("quantity", both, "combo-value-quantity", False),
    )


@pytest.mark.parametrize("value", ["nothing", "_text", "code-value-quantity", "-", "date,,code", "_score"])
def test_what_has_no_order_is_refused(value: str) -> None:
    """A sort that is not done would pass for done."""
    with pytest.raises(errors.Invalid) as raised:
        ask("Observation", ("_sort", value))
    assert raised.value.issues[0].path == "_sort"


def test_sort_text_of_tokens_uris_and_references() -> None:
    """Values without index row would sort as if they were missing, or by the wrong one of several."""
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"code": "b"}, {"code": "a"}], "text": "x"},
        "subject": {"reference": "Patient/p1"},
        "valueCodeableConcept": {"text": "only text"},
        "identifier": [{"value": "9"}, {"value": "1"}],
        "valueBoolean": True,
    }
    expected = {
        "code": "a",
        "status": "final",
        "subject": "Patient/p1",
        "value-concept": "only text",
        "identifier": "1",
    }
    for code, text in expected.items():
        assert sort_text(observation, SortKey("text", (), code, False)) == text, code
    assert sort_text(observation, SortKey("text", (), "code", True)) == "b"
    assert sort_text(observation, SortKey("text", (), "patient", False)) == "Patient/p1"
    assert sort_text(observation, SortKey("text", (), "device", False)) is None
    device = {"resourceType": "Observation", "subject": {"reference": "Device/d1"}}
    assert sort_text(device, SortKey("text", (), "patient", False)) is None
    assert sort_text({"resourceType": "Patient"}, SortKey("text", (), "deceased", False)) == "false"
    assert sort_text({"resourceType": "Patient", "name": "x"}, SortKey("text", (), "phone", False)) is None
    assert (
        sort_text({"resourceType": "Observation", "component": ["x"]}, SortKey("text", (), "component-code", False))
        is None
    )
    assert (
        sort_text({"resourceType": "Patient", "deceasedDateTime": "2024"}, SortKey("text", (), "deceased", False))
        == "true"
    )
    assert sort_text({"resourceType": "Nothing"}, SortKey("text", (), "code", False)) is None
    assert sort_text({"resourceType": "Observation", "code": 5}, SortKey("text", (), "nothing", False)) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [("20", 20), ("0", 0), ("1000", 1000), ("1001", 1000), ("9" * 3000, config.PAGE_MAX_COUNT), ("007", 7)],
)
def test_count_is_cut_to_its_limit(value: str, expected: int) -> None:
    """A page would hold more than the server can make at once."""
    query = ask("Patient", ("_count", value))
    assert query.count == expected
    assert query.used == (("_count", str(expected)),)
    assert query.summary == ("count" if expected == 0 else "false")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_count", "-1"),
        ("_count", "ten"),
        ("_count", "1.5"),
        ("_count", "٣"),
        ("_count", ""),
        ("_count", "9" * 5000),
        ("_total", "exact"),
        ("_summary", "yes"),
        ("_elements", "name,"),
        ("_elements", "na me"),
        ("_contained", "true"),
        ("_contained", "both"),
        ("_type", "Nothing"),
        ("_type", "Observation"),
        ("_include", "Patient"),
        ("_include", "Patient:"),
        ("_include", "Nothing:subject"),
        ("_include", "Patient:organization:Nothing"),
        ("_include", "Patient:organization:Device"),
        ("_include", "Patient:name"),
        ("_include", "Patient:nothing"),
        ("_include", "Patient:organization:Organization:x"),
        ("_include:below", "Patient:organization"),
        ("_sort:asc", "name"),
        ("_count:missing", "1"),
    ],
)
def test_a_bad_value_of_a_result_parameter_is_said(name: str, value: str) -> None:
    """A result parameter with a bad value would be passed over in silence."""
    with pytest.raises(errors.Invalid) as raised:
        ask("Patient", (name, value))
    assert [issue.path for issue in raised.value.issues] == [name]


def test_results_as_asked() -> None:
    """One of the result parameters would be lost on the way."""
    query = ask(
        "Patient",
        ("_summary", "data"),
        ("_total", "accurate"),
        ("_elements", "name, Patient.birthDate,name.family"),
        ("_contained", "false"),
    )
    assert (query.summary, query.total, query.elements) == ("data", "accurate", ("name", "birthDate"))


def test_includes() -> None:
    """An include would follow another reference than the one named, or not go on where :iterate asks for it."""
    query = ask(
        "Observation",
        ("_include", "Observation:subject:Patient"),
        ("_include", "Observation:patient"),
        ("_include:iterate", "Patient:*"),
        ("_include:recurse", "Observation:has-member"),
        ("_include", "*"),
        ("_revinclude", "Provenance:target"),
        ("_revinclude", "Provenance:target"),
    )
    assert query.includes == (
        Include("Observation", "subject", "Patient", False, False),
        Include("Observation", "patient", None, False, False),
        Include("Patient", "*", None, True, False),
        Include("Observation", "has-member", None, True, False),
        Include("*", "*", None, False, False),
        Include("Provenance", "target", None, False, True),
    )


def test_summary_text_and_includes_do_not_go_together() -> None:
    """R4 forbids it: included resources would be cut to their text too."""
    with pytest.raises(errors.Invalid, match="cannot be combined"):
        ask("Patient", ("_summary", "text"), ("_include", "Patient:organization"))


def test_used_is_in_one_order_whatever_the_request() -> None:
    """Equal searches would have unlike self links, and conditional creates of the same would take unlike locks."""
    parameters = [
        ("_include", "Patient:organization"), ("name", "b"), ("_count", "5"), ("name", "a"), ("birthdate", "2000"),
        ("_sort", "name"), ("_pretty", "true"), ("_format", "json"), ("_page", "x"),
    ]  # fmt: skip
    used = ask("Patient", *parameters).used
    assert used == ask("Patient", *reversed(parameters)).used
    assert [name for name, _ in used] == ["birthdate", "name", "name", "_sort", "_count", "_include"]


def test_type_narrows_a_search_in_the_system_before_anything_else() -> None:
    """``birthdate&_type=Patient`` would fail on the types without birthdate, though they are not searched."""
    query = ask("*", ("birthdate", "2000"), ("_type", "Patient,Person"))
    assert query.types == ("Patient", "Person")


def test_compartment_of_one_type() -> None:
    """A patient's page would show another patient's resources, or leave out those that are tied by another
    reference."""
    query = ask("Observation", ("code", "x"), compartment=("Patient", "p1"))
    subject, performer = (reference_key(f"Observation.{code}", "Patient", "p1") for code in ("subject", "performer"))
    member, code = query.where.parts if isinstance(query.where, All) else ()
    assert isinstance(member, Tokens)
    assert set(member.keys) == {subject, performer}
    assert code == Tokens((key("Observation.code", "c", "x"),))


def test_compartment_of_all_types() -> None:
    """The compartment's own resource, or a type that can belong to it, would be missing; or one that cannot,
    present."""
    query = ask("*", compartment=("Patient", "p1"))
    assert {"Patient", "Observation", "Encounter", "AllergyIntolerance"} <= set(query.types)
    assert not {"Medication", "ValueSet"} & set(query.types)
    assert _selects(query.where, {"resourceType": "Patient", "id": "p1"}) is True
    assert _selects(query.where, {"resourceType": "Patient", "id": "p2"}) is False
    linked = {"resourceType": "Patient", "id": "p2", "link": [{"other": {"reference": "Patient/p1"}}]}
    assert _selects(query.where, linked) is True


def test_compartment_refuses_what_cannot_belong() -> None:
    """An error in the address would be an empty answer."""
    with pytest.raises(errors.Invalid, match="not part of"):
        ask("Medication", compartment=("Patient", "p1"))
    with pytest.raises(errors.NotFound):
        ask("Observation", compartment=("Medication", "m1"))
    with pytest.raises(errors.NotFound):
        ask("*", compartment=("Medication", "m1"))
    with pytest.raises(errors.Invalid):
        ask("Observation", compartment=("Patient", "p 1"))


def test_everything_of_a_patient() -> None:
    """``$everything`` would miss a type that the Patient compartment holds."""
    found = everything("p1")
    subject = {"reference": "Patient/p1"}
    for type_, name in [("Observation", "subject"), ("AllergyIntolerance", "patient"), ("Immunization", "patient")]:
        assert _selects(found, {"resourceType": type_, "id": "x", name: subject}) is True, type_
        assert _selects(found, {"resourceType": type_, "id": "x", name: {"reference": "Patient/p2"}}) is False, type_
    appointment = {"resourceType": "Appointment", "id": "x", "participant": [{"actor": subject, "status": "accepted"}]}
    assert _selects(found, appointment) is True
    assert _selects(found, {"resourceType": "Patient", "id": "p1"}) is True


def test_everything_since_and_of_types() -> None:
    """``_since`` or ``_type`` would be without effect."""
    since = everything("p1", types=["Patient"], since_us=1_000)
    patient = {"resourceType": "Patient", "id": "p1"}
    assert isinstance(since, All)
    assert any(isinstance(part, LastUpdated) for part in since.parts)
    assert matches(extract(patient), resource_key("Patient", "p1"), 999, since) is False
    assert matches(extract(patient), resource_key("Patient", "p1"), 1_000, since) is True
    assert everything("p1", types=["Patient"]) != everything("p1")
    assert isinstance(everything("p1"), Any)
    assert any(isinstance(part, Ids) for part in everything("p1").parts)  # type: ignore[union-attr]


def _selects(where: Criterion, resource: Mapping[str, object]) -> bool | None:
    own = resource_key(str(resource["resourceType"]), str(resource["id"]))
    return matches(extract(dict(resource)), own, 0, where)
