"""Conditions that match what the caller may not see: no second one is made, and nothing is told of the first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from tests.access.wards import Ward, ward
from tests.api.programs import Program, program
from tests.api.test_program_scopes import alike
from tests.client import SYSTEM, Api, Resource, ask, fresh, identifier, observation, outcome, patient, post, put

__all__ = ["program", "ward"]
PATCH = {"Content-Type": "application/json-patch+json"}
LABEL = {"system": "http://example.org/label", "code": "ours"}


@pytest.fixture
def lab(program: Callable[..., Program]) -> Api:
    """A program that knows the patients with its label alone."""
    return program("system/Patient.cruds?_security=http://example.org/label|ours").api()


def _ours(tag: str, **members: Any) -> Resource:
    return patient(tag, meta={"security": [LABEL]}, **members)


def _same(answers: list[httpx.Response], other: httpx.Response, status: int) -> None:
    for answer in answers:
        outcome(answer, status)
        alike(answer, other)


def test_a_program_makes_no_second_patient(lab: Api, api: Api, tag: str) -> None:
    """Breaks if a program that cannot see a patient makes another one of the same number, or learns that there is one."""
    hidden = api.make(patient(tag, birthDate="1980-01-01", name=[{"family": f"N{tag}"}]))["id"]
    refused = lab.post("/Patient", json=patient(fresh()))  # one that lies outside: may not be created
    outcome(refused, 403)
    number = quote(f"{SYSTEM}|{tag}")
    for condition in (f"identifier={number}", f"identifier={tag}", f"identifier={number}&birthdate=1900-01-01"):
        created = lab.post("/Patient", json=_ours(tag), headers={"If-None-Exist": condition})
        updated = lab.put(f"/Patient?{condition}", json=_ours(tag))
        _same([created, updated], refused, 403)
        assert hidden not in created.text + updated.text
    assert api.ids(f"/Patient?identifier={number}") == [hidden]
    assert api.get(f"/Patient/{hidden}").json()["meta"]["versionId"] == "1"
    # What is in a bundle is refused as what may not be made in a bundle.
    for entry in (
        post(_ours(tag), ifNoneExist=f"identifier={number}"),
        {"resource": _ours(tag), "request": {"method": "PUT", "url": f"Patient?identifier={number}"}},
    ):
        for kind in ("transaction", "batch"):
            one, other = lab.transact(entry, type_=kind), lab.transact(post(patient(fresh())), type_=kind)
            assert one.text == other.text, kind
            assert one.status_code == other.status_code
    assert api.ids(f"/Patient?identifier={number}") == [hidden]


def test_a_program_asks_for_numbers_only(lab: Api, api: Api, tag: str) -> None:
    """Breaks if a condition becomes a way to ask what a hidden patient is called, or when it was born."""
    api.make(patient(tag, birthDate="1980-01-01", name=[{"family": f"N{tag}"}]))
    for condition in (f"family=N{tag}", f"family=N{tag}&birthdate=1980-01-01"):
        made = lab.post("/Patient", json=_ours(fresh()), headers={"If-None-Exist": condition})
        assert made.status_code == 201, made.text
        none = lab.patch(f"/Patient?{condition}", json=[], headers=PATCH)
        _same([none], lab.patch(f"/Patient?{condition.replace(tag, fresh())}", json=[], headers=PATCH), 404)


def test_a_program_changes_nothing_hidden(lab: Api, api: Api, tag: str) -> None:
    """Breaks if patching or deleting by condition tells of a hidden patient, or a reference is made to it."""
    hidden, number, none = api.make(patient(tag))["id"], quote(f"{SYSTEM}|{tag}"), fresh()
    patch = [{"op": "add", "path": "/active", "value": True}]
    patched = [lab.patch(f"/Patient?identifier={asked}", json=patch, headers=PATCH) for asked in (number, none)]
    _same(patched[:1], patched[1], 404)
    assert {lab.delete(f"/Patient?identifier={asked}").status_code for asked in (number, none)} == {204}
    referring = [lab.transact(post(_ours(fresh(), link=[{"other": {"reference": f"Patient?identifier={asked}"}, "type": "seealso"}])))
                 for asked in (tag, none)]  # fmt: skip
    alike(referring[0], referring[1], tag, none)
    outcome(referring[0], 422)
    assert api.get(f"/Patient/{hidden}").json()["meta"]["versionId"] == "1"


def test_what_is_visible_comes_first(lab: Api, api: Api, tag: str) -> None:
    """Breaks if a hidden patient of the same number keeps a program from its own."""
    api.make(patient(tag))
    mine = api.make(_ours(tag))["id"]
    again = lab.post("/Patient", json=_ours(tag), headers={"If-None-Exist": f"identifier={tag}"})
    assert (again.status_code, again.json()["id"]) == (200, mine)
    assert lab.put(f"/Patient?identifier={tag}", json=_ours(tag, active=True)).json()["id"] == mine


def test_a_provider_s_program_makes_no_second_entry(program: Callable[..., Program], api: Api, tag: str) -> None:
    """Breaks if what the own provider has, outside the scopes, is made again."""
    provider = api.make({"resourceType": "Organization", "id": f"p-{tag}", "name": "P"})["id"]
    other = program("system/Observation.cruds?status=final", provider=provider).api()
    whole = program("system/Observation.cruds", provider=provider).api()
    there = whole.make(observation(tag, status="preliminary"))["id"]
    refused = other.post("/Observation", json=observation(fresh(), status="preliminary"))
    again = other.post("/Observation", json=observation(tag), headers={"If-None-Exist": f"identifier={tag}"})
    _same([again], refused, 403)
    assert whole.ids(f"/Observation?identifier={tag}") == [there]


def test_a_person_makes_no_second_entry_and_learns_nothing(ward: Ward, tag: str) -> None:
    """Breaks if a condition that matches another unit's entry of the own provider fails, or names it."""
    mine = ward.at("u")
    hidden = ward.api.get(f"/Observation/{ward.note('v')}").json()
    ward.api.make({**hidden, "identifier": [identifier(tag)]})
    assert not ward.sees(mine, "v")
    body = {k: v for k, v in hidden.items() if k not in ("id", "meta")}
    body["encounter"] = {"reference": f"Encounter/{ward.tag}eu"}
    condition = f"identifier={tag}"
    created = mine.post("/Observation", json=body, headers={"If-None-Exist": condition})
    updated = mine.put(f"/Observation?{condition}", json=body)
    keyed = mine.post("/Observation", json=body, headers={"If-None-Exist": condition, "Idempotency-Key": fresh()})
    bundled = mine.transact(post(body, ifNoneExist=condition))
    for answer in (created, updated, keyed, bundled):
        outcome(answer, 403)
        assert hidden["id"] not in answer.text
    patch = [{"op": "add", "path": "/language", "value": "sv"}]
    patched = [mine.patch(f"/Observation?identifier={asked}", json=patch, headers=PATCH) for asked in (tag, fresh())]
    _same(patched[:1], patched[1], 404)
    assert mine.delete(f"/Observation?{condition}").status_code == 204
    for asked in (tag, none := fresh()):
        referring = mine.transact(post({**body, "hasMember": [{"reference": f"Observation?identifier={asked}"}]}))
        assert outcome(referring, 422)[0]["diagnostics"].replace(asked, "X") == "no resource matches the reference Observation?identifier=X"  # fmt: skip
    assert none
    assert ward.api.ids(f"/Observation?{condition}") == [hidden["id"]]
    assert ward.open(mine, "unit", "v").status_code == 201
    again = mine.post("/Observation", json=body, headers={"If-None-Exist": condition})
    assert (again.status_code, again.json()["id"]) == (200, hidden["id"])
    assert ask("GET", "Observation")
    assert put(hidden)


def test_a_condition_passes_through_what_is_visible_alone(ward: Ward, tag: str) -> None:
    """Breaks if a chain in a condition asks what a hidden encounter says."""
    mine = ward.at("u")
    note = ward.api.get(f"/Observation/{ward.note('u')}").json()
    ward.api.make({**note, "identifier": [identifier(tag)], "encounter": {"reference": f"Encounter/{ward.tag}eu"},
                   "partOf": [{"reference": f"Procedure/{ward.tag}pv"}]})  # fmt: skip
    ward.api.make({"resourceType": "Procedure", "id": f"{ward.tag}pv", "status": "completed", **{"subject": note["subject"]},
                   "encounter": {"reference": f"Encounter/{ward.tag}ev"}})  # fmt: skip
    assert mine.get(f"/Procedure/{ward.tag}pv").status_code == 404
    body = {k: v for k, v in note.items() if k not in ("id", "meta")}
    for status in ("completed", "in-progress"):
        headers = {"If-None-Exist": f"identifier={tag}&part-of:Procedure.status={status}"}
        assert mine.post("/Observation", json=body, headers=headers).status_code == 201
