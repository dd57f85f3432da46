"""Ways round the rules that a second reader looked for: each was open once, or could be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from tests.access.wards import PROTECTED, Ward, agreement, ward
from tests.api.programs import Program, program
from tests.client import SYSTEM, Resource, entries, fresh, identifier, link, observation, outcome

from vaka.access.session import Purpose

__all__ = ["program", "ward"]


@pytest.mark.parametrize(
    "content",
    [
        observation("x", subject={"identifier": identifier("x")}),
        observation("x"),
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": observation("x")}]},
        {"resourceType": "Binary", "contentType": "text/plain", "data": "aGVtbGln"},
        {"resourceType": "List", "status": "current", "mode": "working", "title": "infektion"},
    ],
    ids=["a logical subject", "no subject", "a bundle", "a binary", "a list"],
)
def test_an_entry_whose_patient_is_not_known_is_nobody_s_to_read(
    ward: Ward, program: Callable[..., Program], content: Resource
) -> None:
    """Breaks if what is somebody's, but not said whose, is open to all who work at the provider (A2, A8)."""
    laboratory = program("system/*.cruds", provider=f"{ward.tag}p").api()
    made = laboratory.make({k: v for k, v in content.items() if k != "identifier"})
    for who in (ward.at("u"), ward.at("v"), ward.at("w"), ward.at("u", "a", purpose=Purpose.ADMINISTRATION)):
        outcome(who.get(f"/{made['resourceType']}/{made['id']}"), 404)
        assert made["id"] not in who.get(f"/{made['resourceType']}?_count=200").text
    assert laboratory.get(f"/{made['resourceType']}/{made['id']}").status_code == 200


def test_what_is_about_no_patient_stays_open(ward: Ward, program: Callable[..., Program]) -> None:
    """Breaks if timetables, groups and devices close with the rest."""
    office = program("system/*.cruds", provider=f"{ward.tag}p").api()
    actor = [{"reference": f"Organization/{ward.tag}u"}]
    for made in (
        {"resourceType": "Group", "type": "device", "actual": False},
        {"resourceType": "Device"},
        {"resourceType": "Slot", "status": "free", "start": "2026-01-01T10:00:00Z", "end": "2026-01-01T11:00:00Z",
         "schedule": {"reference": "Schedule/x"}},
        {"resourceType": "Schedule", "actor": [{"reference": f"Location/{fresh()}"}]},
    ):  # fmt: skip
        id_ = office.make(made)["id"]
        assert ward.at("v").get(f"/{made['resourceType']}/{id_}").status_code == 200, made
    assert actor


def test_a_binary_is_its_patient_s(ward: Ward, program: Callable[..., Program]) -> None:
    """Breaks if a document that says whose it is cannot be read by who cares for the patient, or by others."""
    archive = program("system/*.cruds", provider=f"{ward.tag}p").api()
    context = {"securityContext": {"reference": f"Patient/{ward.patient}"}}
    made = archive.make({"resourceType": "Binary", "contentType": "text/plain", "data": "aGVtbGln", **context})["id"]
    mine = ward.at("u")
    outcome(mine.get(f"/Binary/{made}"), 404)
    assert ward.open(mine, "unit", "p").status_code == 201
    assert mine.get(f"/Binary/{made}").status_code == 200
    outcome(ward.at("v").get(f"/Binary/{made}"), 404)


@pytest.fixture
def hidden_place(ward: Ward) -> dict[str, str]:
    """The ward's patient has a protected identity, a family doctor and a number that a hospital gave."""
    doctor, number = f"dr-{ward.tag}", f"n{ward.tag}"
    ward.api.make({"resourceType": "Practitioner", "id": doctor})
    ward.api.make({
        "resourceType": "Patient", "id": ward.patient, "meta": {"security": [PROTECTED], "source": f"urn:hospital:{ward.tag}"},
        "identifier": [{**identifier(number), "assigner": {"display": f"Sjukhuset {ward.tag}"}, "period": {"start": "2026-01-01"}}],
        "generalPractitioner": [{"reference": f"Practitioner/{doctor}"}],
        "managingOrganization": {"reference": f"Organization/{ward.tag}w"},
    })  # fmt: skip
    return {"doctor": doctor, "number": number}


def test_nobody_is_found_by_who_their_patients_are(ward: Ward, hidden_place: dict[str, str]) -> None:
    """Breaks if a protected patient's clinic or doctor is told by asking the doctors (A10, S24)."""
    mine, number = ward.at("u"), quote(f"{SYSTEM}|{hidden_place['number']}")
    asked: list[Any] = [
        mine.ids(f"/Practitioner?_id={hidden_place['doctor']}&_has:Patient:general-practitioner:identifier={number}"),
        mine.ids(f"/Practitioner?_has:Patient:general-practitioner:_id={ward.patient}"),
        mine.ids(f"/Organization?_has:Patient:organization:identifier={number}"),
        mine.ids(f"/Organization?_has:Patient:organization:_has:Observation:patient:_id={ward.note('u')}"),
        mine.ids(f"/Patient?_has:Encounter:subject:_has:Observation:encounter:_id={ward.note('w')}"),
        entries(mine.bundle(f"/Practitioner?_id={hidden_place['doctor']}&_revinclude=Patient:general-practitioner"), "include"),
        entries(mine.bundle(f"/Patient?_id={ward.patient}&_include=Patient:general-practitioner"), "include"),
        entries(mine.bundle(f"/Patient?_id={ward.patient}&_include=*"), "include"),
    ]  # fmt: skip
    assert asked == [[]] * len(asked)


def test_what_shows_of_a_protected_identity_names_no_place(ward: Ward, hidden_place: dict[str, str]) -> None:
    """Breaks if the number's giver or the sending system tells where somebody is (A10, S24)."""
    mine = ward.at("u")
    for address in ("", "/_history/2", "/_history"):
        shown = mine.get(f"/Patient/{ward.patient}{address}").text
        assert hidden_place["number"] in shown
        assert f"Sjukhuset {ward.tag}" not in shown
        assert f"urn:hospital:{ward.tag}" not in shown
    assert mine.ids(f"/Patient?_source=urn:hospital:{ward.tag}&_id={ward.patient}") == []
    assert mine.ids(f"/Patient?identifier:text=Sjukhuset&_id={ward.patient}") == []


def test_two_units_lift_a_block_each(ward: Ward) -> None:
    """Breaks if a unit's lift keeps another's, or one that has ended, from counting (A6, A7)."""
    ward.api.make(agreement(ward, "w", deny="outer"))
    ward.api.make({
        "resourceType": "EpisodeOfCare", "status": "active", "patient": {"reference": f"Patient/{ward.patient}"},
        "managingOrganization": {"reference": f"Organization/{ward.tag}v"}, "period": {"start": "2026-01-01"},
    })  # fmt: skip
    words = {"resourceType": "Parameters", "parameter": [{"name": "reason", "valueString": "the patient says so"}]}
    for unit in ("u", "v"):
        who = ward.at(unit)
        assert ward.open(who, "provider", "q").status_code == 201
        ward.api.make(agreement(ward, unit))
        assert not ward.sees(who, "w"), unit
        assert who.post(f"/Patient/{ward.patient}/$lift", json=words).status_code == 200
    assert [ward.sees(ward.at(unit), "w") for unit in ("u", "v")] == [True, True]
    assert ward.at("u").post(f"/Patient/{ward.patient}/$cancel-lift", json=words).status_code == 200
    assert [ward.sees(ward.at(unit), "w") for unit in ("u", "v")] == [False, True]


def test_an_opening_is_closed_at_its_patient(ward: Ward) -> None:
    """Breaks if closing at another patient's address says that there was nothing, and closes all the same."""
    mine, other = ward.at("u"), ward.api.make({"resourceType": "Patient"})["id"]
    opening = ward.open(mine, "unit", "v").json()["parameter"][0]["valueId"]
    body = {"resourceType": "Parameters", "parameter": [{"name": "opening", "valueId": opening}]}
    outcome(mine.post(f"/Patient/{other}/$close", json=body), 404)
    assert ward.sees(mine, "v")


def _notes(ward: Ward, unit: str, count: int) -> None:
    for n in range(count):
        ward.api.make({
            "resourceType": "Observation", "id": f"{ward.tag}o{unit}{n}", "status": "final", "code": {"text": "x"},
            "subject": {"reference": f"Patient/{ward.patient}"}, "encounter": {"reference": f"Encounter/{ward.tag}e{unit}"},
        })  # fmt: skip


def test_a_page_that_is_open_shows_nothing_more_once_it_may_not(ward: Ward) -> None:
    """Breaks if a page's address goes on giving what a withdrawn consent, or an ended choice, has closed."""
    mine = ward.at("u")
    _notes(ward, "w", 4)
    _notes(ward, "v", 4)
    consent = mine.post("/Consent", json=agreement(ward, "u")).json()["id"]
    opened = [ward.open(mine, "provider", "q"), ward.open(mine, "unit", "v")]
    addresses = (
        f"/Observation?patient={ward.patient}&_count=2&_sort=_id", "/Observation/_history?_count=2",
        f"/Patient/{ward.patient}/$everything?_count=2&_type=Observation",
    )  # fmt: skip
    first = [mine.bundle(address) for address in addresses]
    assert all(link(page, "next") for page in first)
    words = {"resourceType": "Parameters", "parameter": [{"name": "reason", "valueString": "the patient says so"}]}
    assert mine.post(f"/Consent/{consent}/$revoke", json=words).status_code == 200
    close = {"resourceType": "Parameters", "parameter": [{"name": "opening", "valueId": opened[1].json()["parameter"][0]["valueId"]}]}  # fmt: skip
    assert mine.post(f"/Patient/{ward.patient}/$close", json=close).status_code == 204
    other = ward.at("u", purpose=Purpose.ADMINISTRATION)  # the same person in another assignment
    for page in first:
        for who, visible in ((mine, {ward.note("u")}), (other, set())):
            got, following = [], link(page, "next")
            while following is not None:
                rest = who.bundle(following)
                got += [entry["resource"]["id"] for entry in rest.get("entry", ())]
                following = link(rest, "next")
            assert {id_ for id_ in got if id_.startswith(ward.tag)} <= visible, got


def test_a_person_resource_tells_not_where_a_protected_patient_lives(
    ward: Ward, hidden_place: dict[str, str], program: Callable[..., Program]
) -> None:
    """Breaks if the other resource that says who somebody is tells what the Patient does not (S24)."""
    office = program("system/*.cruds", provider=f"{ward.tag}p").api()
    linked = {"link": [{"target": {"reference": f"Patient/{ward.patient}"}}]}
    made = office.make({"resourceType": "Person", "address": [{"city": "Hemligt"}], **linked})["id"]
    mine = ward.at("u")
    assert ward.open(mine, "unit", "p").status_code == 201
    outcome(mine.get(f"/Person/{made}"), 404)
    ward.api.make({"resourceType": "Patient", "id": ward.patient, "identifier": [identifier(hidden_place["number"])]})
    assert mine.get(f"/Person/{made}").status_code == 200
