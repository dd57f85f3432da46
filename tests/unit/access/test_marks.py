"""Marks: made and read back, and what is none. access/marks.py."""

from __future__ import annotations

from datetime import date
from typing import Any

import orjson
import pytest

from vaka.access.filter import AccessFilter, system_filter
from vaka.access.law import Act
from vaka.access.marks import Actor, actor_of, is_mark, mark_id, mark_of, provenance
from vaka.access.session import Assignment, Session
from vaka.fhir.parse import as_parsed
from vaka.fhir.validate import validate

SESSION = Session("0" * 32, "SE1", "anna", "Anna Ek", Assignment("a", "unit", "provider"), 0, 1, "demo")
ANNA = actor_of(AccessFilter("person:SE1", session=SESSION))
PROGRAM = actor_of(system_filter("x"))
TARGET = "Composition/1/_history/2-e3"


@pytest.mark.parametrize("act", list(Act))
@pytest.mark.parametrize("actor", [ANNA, PROGRAM], ids=["person", "program"])
def test_a_mark_is_valid_and_read_back(act: Act, actor: Actor) -> None:
    """Would break: the table of marks says something else than the Provenance that it is derived from."""
    made = provenance(
        act, [TARGET, "Patient/9/_history/1"], actor, "2026-03-01T10:00:00.000Z", reason="därför",
        entities=[("revision", "Composition/1/_history/1")],
    )  # fmt: skip
    assert not validate(as_parsed(made, orjson.dumps(made)))
    assert is_mark(made)
    read = mark_of(made)
    assert read is not None
    assert (read.act, read.type, read.id, read.version_id, read.actor) == (act, "Composition", "1", "2-e3", actor.key)
    assert read.at_us == 1_772_359_200_000_000
    assert read.detail == ("9" if act in (Act.PROPOSE, Act.MERGE, Act.UNMERGE, Act.LINK) else None)


@pytest.mark.parametrize(("detail", "read"), [("yes", "yes"), ("no", "no"), (date(2026, 5, 1), "2026-05-01")])
def test_visibility_is_carried(detail: str | date, read: str) -> None:
    """Would break: what a person has decided is lost on its way."""
    made = provenance(Act.VISIBILITY, ["Composition/1"], ANNA, "2026-03-01T10:00:00Z", detail=detail)
    assert not validate(as_parsed(made, orjson.dumps(made)))
    found = mark_of(made)
    assert found is not None
    assert (found.version_id, found.detail) == (None, read)


def test_the_actor_is_the_session() -> None:
    """Would break: a mark in another's name."""
    assert (ANNA.key, ANNA.person, ANNA.unit) == ("Practitioner/anna", "anna", "unit")
    assert ANNA.agent["onBehalfOf"] == {"reference": "Organization/unit"}
    assert (PROGRAM.key, PROGRAM.person) == ("system/vaka:x", None)


def test_one_act_of_one_person_on_one_version_is_one() -> None:
    """Would break: two signatures of one person, or one of two."""
    ids = {
        mark_id(act, target, actor)
        for act in Act
        for target in (TARGET, "Composition/1/_history/1")
        for actor in (ANNA, PROGRAM)
    }
    assert len(ids) == len(Act) * 4
    assert mark_id(Act.SIGN, TARGET, ANNA) == mark_id(Act.SIGN, TARGET, ANNA)


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Provenance"}, {"resourceType": "Provenance", "activity": {"text": "x"}},
        {"resourceType": "Provenance", "activity": {"coding": [{"code": "sign"}]}},
        {"resourceType": "Patient", "activity": {"coding": [{"system": "urn:x-vaka:act", "code": "sign"}]}},
        {"resourceType": "Provenance", "activity": 7}, {"resourceType": "Provenance", "activity": {"coding": [7, "x"]}},
    ],
)  # fmt: skip
def test_what_is_no_mark(resource: dict[str, Any]) -> None:
    """Would break: another system's Provenance cannot be written."""
    assert not is_mark(resource)


@pytest.mark.parametrize("code", ["nonsense", None, 7])
def test_an_act_that_is_none_is_no_mark_but_claims_to_be(code: Any) -> None:
    """Would break: a made-up act passes the door, or stops a load."""
    resource = {"resourceType": "Provenance", "activity": {"coding": [{"system": "urn:x-vaka:act", "code": code}]}}
    assert is_mark(resource)
    assert mark_of(resource) is None
