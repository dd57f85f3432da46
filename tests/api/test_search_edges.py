"""Search at its edges: bad values, what is deleted or changed, long lists, chains through many."""

from __future__ import annotations

from typing import Any

import pytest
from tests.client import SYSTEM, Api, Resource, entries, identifier, observation, outcome, patient, put

from vaka.config import CHAIN_COLLECT_MAX


@pytest.mark.parametrize(
    "bad",
    [
        "birthdate=x",
        "birthdate=2024-13",
        "birthdate=ge",
        "birthdate=xx2024",
        "_lastUpdated=today",
        "_id=a_b",
        "_count=x",
        "gender:missing=x",
        "_summary=x",
        "identifier:of-type=a|b",
        "general-practitioner:Foo=1",
        "organization=a b",
        "_total=x",
        "gender=",
        "_has:Observation:patient=x",
        "birthdate=2024,",
        "_sort=",
        "_elements=",
        "_include=Patient",
    ],
)
def test_bad_values_are_refused_even_when_lenient(api: Api, bad: str) -> None:
    """Would break: leaving out a known parameter with a bad value would widen the search."""
    issue = outcome(api.get(f"/Patient?{bad}"), 400)[0]
    assert issue["expression"] == [bad.partition("=")[0]]


def test_quantities_with_bad_values(api: Api) -> None:
    """Would break: what is no number, no unit, or beyond a double."""
    for bad in ("x", "gt", "1|x", "1|a|b|c", "1e999", "NaN", "--1", "1,", "0x1"):
        outcome(api.get(f"/Observation?value-quantity={bad}"), 400)
    for bad in ("8480-6", "8480-6$", "$5", "8480-6$x", "a$b$c"):
        outcome(api.get(f"/Observation?code-value-quantity={bad}"), 400)


def test_deleted_resources_are_found_by_nothing(api: Api, tag: str) -> None:
    """Would break: a deleted resource found by search, chain, _has or include."""
    one = api.make(patient(tag, name=[{"family": tag}]))["id"]
    noted = api.make(observation(tag, subject={"reference": f"Patient/{one}"}))["id"]
    assert api.ids(f"/Observation?patient.family={tag}") == [noted]
    api.delete(f"/Patient/{one}")
    assert api.ids(f"/Patient?family={tag}") == []
    assert api.ids(f"/Patient?_id={one}") == []
    assert api.ids(f"/Observation?patient.family={tag}") == []
    page = api.bundle(f"/Observation?identifier={tag}&_include=Observation:subject")
    assert entries(page, "include") == []
    assert api.ids(f"/Observation?subject=Patient/{one}") == [noted]
    api.make(patient(tag, id=one))
    api.delete(f"/Observation/{noted}")
    assert api.ids(f"/Patient?_has:Observation:patient:identifier={tag}") == []
    assert entries(api.bundle(f"/Patient?_id={one}&_revinclude=Observation:subject"), "include") == []


def test_an_update_is_found_by_what_it_is_now(api: Api, tag: str) -> None:
    """Would break: index rows of an old version that stay, or of a new one that are missing."""
    id_ = api.make(patient(tag, name=[{"family": f"old{tag}"}], birthDate="2000-01-01", gender="male"))["id"]
    api.make(patient(tag, id=id_, name=[{"family": f"new{tag}"}], birthDate="2001-01-01", gender="female"))
    for gone in (f"family=old{tag}", "birthdate=2000-01-01", "gender=male"):
        assert api.ids(f"/Patient?identifier={tag}&{gone}") == []
    for there in (f"family=new{tag}", "birthdate=2001-01-01", "gender=female"):
        assert api.ids(f"/Patient?identifier={tag}&{there}") == [id_]


def test_a_long_list_of_values(api: Api, tag: str) -> None:
    """Would break: the way that long lists take: few matches, many, none, negated, beside other parameters."""
    ids = [f"{tag[:20]}-{n}" for n in range(30)]
    assert (
        api.transact(*[put(patient(f"{tag}-{n}", id=id_, active=n % 2 == 0)) for n, id_ in enumerate(ids)]).status_code
        == 200
    )
    filler = ",".join(f"nothing-{n}" for n in range(200))
    some = ",".join(f"{tag}-{n}" for n in range(20))
    everyone = f"_id={','.join(ids)}"
    assert set(api.ids(f"/Patient?identifier={filler},{some}")) == set(ids[:20])
    assert set(api.ids(f"/Patient?identifier={filler},{some}&active=true&_count=3&_sort=_id")) == set(ids[:20:2])
    assert set(api.ids(f"/Patient?identifier:not={filler},{some}&{everyone}")) == set(ids[20:])
    assert api.ids(f"/Patient?identifier={filler}") == []


def test_a_parameter_that_means_one_type_includes_no_other(api: Api, tag: str) -> None:
    """Would break: Observation.patient is a subject that is a Patient; a Device that is the subject is none."""
    device = api.make({"resourceType": "Device", "identifier": [identifier(tag)]})["id"]
    noted = api.make(observation(tag, subject={"reference": f"Device/{device}"}))["id"]
    for parameter, found in (("subject", [noted]), ("patient", [])):
        page = api.bundle(f"/Device?identifier={tag}&_revinclude=Observation:{parameter}")
        assert [entry["resource"]["id"] for entry in entries(page, "include")] == found
        page = api.bundle(f"/Observation?identifier={tag}&_include=Observation:{parameter}")
        assert [entry["resource"]["id"] for entry in entries(page, "include")] == ([device] if found else [])


def test_chains_through_many(api: Api, tag: str) -> None:
    """Would break: chains and _has whose inner search has too many matches to be collected beforehand."""
    many = CHAIN_COLLECT_MAX + 50
    marked = {"meta": {"tag": [{"system": SYSTEM, "code": tag}]}}
    ids = [f"{tag[:20]}-{n}" for n in range(many)]

    def flag(id_: str, of: str, **members: Any) -> Resource:
        return {
            "resourceType": "Flag",
            "id": id_,
            "status": "active",
            "code": {"text": "x"},
            "subject": {"reference": f"Patient/{of}"},
            **members,
        }

    plain = f"{tag[:20]}-plain"
    work = [put({"resourceType": "Patient", "id": id_, **marked}) for id_ in ids]
    work += [put(flag(id_, id_, identifier=[identifier(tag)], **marked)) for id_ in ids[1:]]
    work += [put({"resourceType": "Patient", "id": plain}), put(flag(plain, plain, identifier=[identifier(tag)]))]
    assert api.transact(*work).status_code == 200
    common = f"{SYSTEM}|{tag}"

    def count(address: str) -> int:
        return int(api.bundle(f"/{address}&_summary=count")["total"])

    assert count(f"Flag?identifier={common}") == many
    assert count(f"Flag?identifier={common}&patient:Patient._tag={common}") == many - 1
    assert count(f"Flag?identifier={common}&subject._tag={common}") == many - 1
    assert count(f"Patient?_tag={common}&_has:Flag:patient:identifier={common}") == many - 1
    assert count(f"Patient?_has:Flag:patient:_tag={common}") == many - 1
    assert count(f"Flag?identifier={common}&patient._has:Flag:subject:_tag={common}") == many - 1
    some = f"_id={ids[0]},{ids[1]},{plain}"
    assert api.ids(f"/Patient?{some}&_has:Flag:patient:_tag={common}") == [ids[1]]
    assert api.ids(f"/Flag?{some}&patient._tag={common}") == [ids[1]]
    assert set(api.ids(f"/Flag?_id={ids[1]},{plain}&patient._tag=nothing,{common}")) == {ids[1]}
