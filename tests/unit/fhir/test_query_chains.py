"""Chains and ``_has``: which references are followed, to which types, with what at the end."""

from __future__ import annotations

import pytest

from vaka import config, errors
from vaka.fhir.criteria import All, Any, Chain, Criterion, Has, Ids, Not, Strings, Tokens, Unprotected
from vaka.fhir.definitions import RESOURCE_TYPES, parameter
from vaka.fhir.index import IndexRows
from vaka.fhir.keys import key, reference_key, resource_key
from vaka.fhir.query import matches, parse_query


def where(types: str, name: str, value: str) -> Criterion:
    return parse_query(types.split(","), [(name, value)], base_url="http://j/fhir", strict=True).where


def number(name: str) -> int:
    found = parameter(*name.split(".", 1))
    assert found is not None
    return found.number


def test_chain_with_type() -> None:
    """``subject:Patient.name`` would look in other types too, or lose its value."""
    name = Strings((number("Patient.name"),), "prefix", "peter")
    assert where("Observation", "subject:Patient.name", "Peter") == Chain(
        ("Observation.subject",), ("Patient",), Unprotected(name)
    )


def test_chain_without_type_tries_those_that_have_the_parameter() -> None:
    """A chain without type would fail on the targets that lack the parameter, or forget some that have it."""
    found = where("Observation", "subject.name", "Peter")
    assert isinstance(found, Chain)
    assert found.types == ("Location", "Patient")
    assert found.inner == Unprotected(Strings((number("Location.name"), number("Patient.name")), "prefix", "peter"))


def test_chain_by_a_parameter_stored_as_another_is_narrowed() -> None:
    """``patient.name`` would also follow the subject to a Location."""
    found = where("Observation", "patient.name", "Peter")
    assert isinstance(found, Chain)
    assert (found.parameters, found.types) == (("Observation.subject",), ("Patient",))


def test_chain_splits_where_a_parameter_means_different_kinds() -> None:
    """``entity.value`` type kinds would be mixed in one leaf that fits none."""
    kinds = {p.kind for t in RESOURCE_TYPES if (p := parameter(t, "value")) and p.supported}
    assert len(kinds) > 1
    found = where("AuditEvent", "entity.value", "x")
    assert isinstance(found, Any | Chain)


def test_chain_of_several_levels_and_a_modifier_at_its_end() -> None:
    """Only the first step of a chain would be followed, or the modifier lost."""
    found = where("Encounter", "subject:Patient.organization.name:exact", "Öster")
    inner = Tokens((key("Organization.name", "exact", "Öster"),))
    assert found == Chain(
        ("Encounter.subject",), ("Patient",), Unprotected(Chain(("Patient.organization",), ("Organization",), inner))
    )
    negated = where("Encounter", "subject:Patient.gender:not", "male")
    assert isinstance(negated, Chain)
    assert isinstance(negated.inner, Not)


def test_chain_to_an_id() -> None:
    """``subject:Patient._id`` would not be understood as the reference it is."""
    found = where("Encounter", "subject:Patient._id", "p1")
    assert found == Chain(("Encounter.subject",), ("Patient",), Ids((resource_key("Patient", "p1"),)))


def test_has() -> None:
    """``_has`` would look from the wrong side."""
    found = where("Patient", "_has:Observation:patient:code", "718-7")
    assert found == Has("Observation", ("Observation.subject",), Tokens((key("Observation.code", "c", "718-7"),)))


def test_has_nested_and_chained() -> None:
    """``_has`` within ``_has``, within a chain, or with a chain behind it would be refused or flattened."""
    nested = where("Patient", "_has:Observation:patient:_has:AuditEvent:entity:agent", "Practitioner/d1")
    agent = Tokens((reference_key("AuditEvent.agent", "Practitioner", "d1"),))
    assert nested == Has("Observation", ("Observation.subject",), Has("AuditEvent", ("AuditEvent.entity",), agent))
    behind = where("Encounter", "subject:Patient._has:Observation:patient:code", "x")
    assert isinstance(behind, Chain)
    assert isinstance(behind.inner, Has)
    chained = where("Patient", "_has:Observation:patient:performer:Practitioner.family", "Ek")
    assert isinstance(chained, Has)
    assert isinstance(chained.inner, Chain)


def test_has_with_a_narrowed_parameter_selects_its_type_alone() -> None:
    """``Group?_has:Observation:patient`` would find groups, though ``patient`` means patients."""
    with pytest.raises(errors.Invalid, match="does not refer to Group"):
        where("Group", "_has:Observation:patient:code", "x")
    with pytest.raises(errors.Invalid, match="the only type"):
        where("Group,Patient", "_has:Observation:patient:code", "x")
    assert isinstance(where("Group,Patient", "_has:Observation:subject:code", "x"), Has)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("code.name", "not a reference"),
        ("subject:Medication.name", "does not refer to"),
        ("subject:Nothing.name", "does not refer to"),
        ("subject.", "no parameter behind the dot"),
        ("subject:Patient.nothing", "no search parameter"),
        ("subject.nothing", "no search parameter|has a search parameter"),
        ("subject:Patient.name:below", "not supported"),
        ("subject.birthdate", "is not a date"),
        ("_has:Observation", "write _has"),
        ("_has:Observation:patient:", "write _has"),
        ("_has:Nothing:patient:code", "not a resource type"),
        ("_has:AuditEvent:nothing:code", "no search parameter"),
        ("_has:AuditEvent:action:code", "not a reference"),
        (".".join(["part-of"] * (config.CHAIN_MAX_DEPTH + 2)), "steps of chaining"),
        ("_has:Observation:has-member:" * (config.CHAIN_MAX_DEPTH + 1) + "code", "steps of chaining"),
    ],
)
def test_what_cannot_be_followed_is_said(name: str, said: str) -> None:
    """A chain that leads nowhere would be an empty answer, or a fault."""
    with pytest.raises(errors.Invalid, match=said) as raised:
        where("Observation" if not name.startswith("part-of") else "Procedure", name, "x")
    assert all(issue.path == name[:200] for issue in raised.value.issues)


@pytest.mark.parametrize("step", ["entity", "focus", "subject", "patient", "target", "item"])
def test_a_chain_over_wide_references_stays_small(step: str) -> None:
    """A short request would grow into a tree of thousands of steps."""
    starts = [t for t in RESOURCE_TYPES if (p := parameter(t, step)) and p.kind == "reference"]
    name = ".".join([step, "subject", "patient", "subject", "patient", "_tag"])
    assert starts
    for type_ in starts:
        try:
            assert _size(where(type_, name, "x")) < 200
        except errors.Invalid:
            continue


def _size(node: Criterion) -> int:
    match node:
        case Chain(_, _, inner) | Has(_, _, inner) | Not(inner):
            return 1 + _size(inner)
        case All(parts) | Any(parts):
            return 1 + sum(map(_size, parts))
        case _:
            return 1


def test_a_chain_is_not_judged_from_one_resource() -> None:
    """Verification would call a chain's answer wrong because it cannot see the other resource."""
    rows = IndexRows()
    assert matches(rows, 0, 0, where("Observation", "subject:Patient.name", "x")) is None
    assert matches(rows, 0, 0, where("Patient", "_has:Observation:patient:code", "x")) is None


def test_as_deep_as_is_allowed() -> None:
    """The limit would stand one lower than it says."""
    assert (
        _size(where("Procedure", "part-of:Procedure." * config.CHAIN_MAX_DEPTH + "_id", "x"))
        == config.CHAIN_MAX_DEPTH + 1
    )


@pytest.mark.parametrize(
    ("types", "name", "value"),
    [
        ("Patient", "address-city", "Norrvalla"),
        ("Patient", "family:exact", "Ek"),
        ("Patient", "general-practitioner", "Organization/vc"),
        ("Patient", "general-practitioner:Organization.name", "Hamnen"),
        ("Patient", "_content", "Storgatan"),
        ("Patient,Practitioner", "phone", "070"),
    ],
)
def test_what_tells_where_somebody_lives_is_shielded(types: str, name: str, value: str) -> None:
    """A protected identity would be found by address or name, asked one value after the other (A10)."""
    assert isinstance(where(types, name, value), Unprotected)


def test_who_somebody_is_is_not_shielded() -> None:
    """A protected patient who comes to the ward would not be found by number."""
    assert isinstance(where("Patient", "identifier", "199911012392"), Tokens)
    assert isinstance(where("Practitioner", "family", "Ek"), Strings)
