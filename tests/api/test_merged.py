"""Two patients that were merged (S23): every way of asking gives the whole record under either id, and each its own again once
the merge is taken apart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

import pytest
from tests.accesses import events
from tests.api.programs import dsn
from tests.api.records import Ward, operate
from tests.api.test_records_people import IDENTITY, Staff, merge, pair, staff, ward
from tests.client import SYSTEM, Api, Resource, ask, entries, fresh, identifier, observation, outcome
from tests.conftest import Instance
from tests.recovery.running import vaka

from vaka import config
from vaka.access.filter import system_filter
from vaka.access.session import Right
from vaka.fhir.criteria import Criterion
from vaka.fhir.keys import resource_key
from vaka.fhir.query import parse_query
from vaka.journal.journal import Journal
from vaka.journal.search import Searcher

__all__ = ["staff", "ward"]


@dataclass
class Pair:
    """``old`` goes on in ``new``. Each has an Observation with a word of its own and an identifier, and stands in a Group."""

    old: str
    new: str
    word: str
    ids: dict[str, str]
    groups: dict[str, str]
    notes: dict[str, str]

    @property
    def all(self) -> set[str]:
        return set(self.ids.values())


@pytest.fixture
def two(api: Api, ward: Ward) -> Pair:
    tag = fresh()
    made = Pair("", "", f"ord{tag}", {}, {}, {})
    for name in ("old", "new"):
        patient = ward.admit(identifier=[identifier(f"{name}{tag}")])
        setattr(made, name, patient)
        made.ids[patient] = api.make(
            observation(f"{tag}{name}", note=[{"text": made.word}], performer=[{"reference": f"Patient/{patient}"}], **ward.owned(patient))
        )["id"]  # fmt: skip
        made.notes[patient] = f"{tag}{name}"
        group = {"resourceType": "Group", "type": "person", "actual": True, "member": [{"entity": {"reference": f"Patient/{patient}"}}]}  # fmt: skip
        made.groups[patient] = api.make(group)["id"]
    return made


def _number(two: Pair, patient: str) -> str:
    tag = two.word.removeprefix("ord")
    return quote(f"{SYSTEM}|{'old' if patient == two.old else 'new'}{tag}")


def found(api: Api, two: Pair, patient: str) -> dict[str, set[str]]:
    """What each way of asking for the patient's Observations gives."""
    number = _number(two, patient)
    asked = {
        "patient": f"/Observation?patient={patient}",
        "subject": f"/Observation?subject=Patient/{patient}",
        "typed": f"/Observation?subject:Patient={patient}",
        "an address": f"/Observation?subject={api.base_url}Patient/{patient}",
        "another parameter": f"/Observation?performer=Patient/{patient}",
        "chain": f"/Observation?subject:Patient.identifier={number}",
        "chain by patient": f"/Observation?patient.identifier={number}",
        "chain by id": f"/Observation?patient._id={patient}",
        "two chains": f"/Observation?encounter.patient.identifier={number}",
        "chain to a reference": f"/Observation?encounter.patient={patient}",
        "words": f"/Observation?_content={two.word}&patient={patient}",
        "words and chain": f"/Observation?_content={two.word}&patient.identifier={number}",
        "sorted": f"/Observation?patient={patient}&_sort=date&_count=1",
        "compartment": f"/Patient/{patient}/Observation",
        "everything": f"/Patient/{patient}/$everything?_type=Observation&_count=1",
    }
    got = {name: set(api.ids(address)) for name, address in asked.items()}
    address = f"/Patient?_id={patient}&_revinclude=Observation:patient"
    got["revinclude"] = {entry["resource"]["id"] for entry in entries(api.bundle(address), "include")}
    got["has"] = {
        id_
        for whose, id_ in two.ids.items()
        if patient in api.ids(f"/Patient?_id={patient}&_has:Observation:patient:identifier={two.notes[whose]}")
    }
    got["has, two steps"] = {
        id_
        for whose, id_ in two.ids.items()
        if patient in api.ids(f"/Patient?_id={patient}&_has:Encounter:patient:_has:Observation:encounter:identifier={two.notes[whose]}")
    }  # fmt: skip
    posted = api.post("/Observation/_search", data={"patient": patient}).json()
    got["posted"] = {entry["resource"]["id"] for entry in entries(posted)}
    for kind in ("batch", "transaction"):
        for name in ("patient", f"_content={two.word}&subject"):
            answer = api.transact(ask("GET", f"Observation?{name}={patient}"), type_=kind)
            assert answer.status_code == 200, answer.text
            inside = answer.json()["entry"][0]["resource"]
            got[f"{kind} {name}"] = {entry["resource"]["id"] for entry in entries(inside)}
    got["group"] = {two.ids[whose] for whose, id_ in two.groups.items() if id_ in api.ids(f"/Group?member=Patient/{patient}")}  # fmt: skip
    got["group by chain"] = {
        two.ids[whose] for whose, id_ in two.groups.items() if id_ in api.ids(f"/Group?member:Patient.identifier={number}")
    }  # fmt: skip
    return got


def _expect(api: Api, two: Pair, expected: Callable[[str], set[str]]) -> None:
    for patient in (two.old, two.new):
        wrong = {name: ids for name, ids in found(api, two, patient).items() if ids != expected(patient)}
        assert not wrong, (patient == two.old, expected(patient), wrong)


def test_every_way_gives_the_whole_record_and_its_own_once_taken_apart(api: Api, staff: Staff, two: Pair) -> None:
    """Breaks if a chain, an include, a bundle or another parameter gives a part of a merged record, or keeps a part after."""
    anna, bo = staff("anna", IDENTITY), staff("bo", IDENTITY)
    _expect(api, two, lambda patient: {two.ids[patient]})
    assert merge(anna, bo, two.old, two.new).status_code == 200
    _expect(api, two, lambda _: two.all)
    assert anna.post("/Patient/$unmerge", json=pair(two.old, two.new)).status_code == 200
    _expect(api, two, lambda patient: {two.ids[patient]})


def test_a_condition_knows_the_merged_patient(api: Api, ward: Ward, staff: Staff, two: Pair) -> None:
    """Breaks if a sender who knows one number makes an entry again that stands under the other."""
    assert merge(staff("anna", IDENTITY), staff("bo", IDENTITY), two.old, two.new).status_code == 200
    for patient in (two.old, two.new):
        for whose in (two.old, two.new):
            for condition in (f"patient={patient}", f"subject:Patient.identifier={_number(two, patient)}"):
                headers = {"If-None-Exist": f"{condition}&identifier={two.notes[whose]}"}
                again = api.post("/Observation", json=observation(fresh(), **ward.owned(whose)), headers=headers)
                assert again.status_code == 200, (condition, again.text)
                assert again.json()["id"] == two.ids[whose]


def test_with_many_matches_too(journal: Instance, staff: Staff, two: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks if the form that asks each candidate (a chain with more matches than are collected) forgets a merge."""
    assert merge(staff("anna", IDENTITY), staff("bo", IDENTITY), two.old, two.new).status_code == 200

    async def unsettled(_: Searcher, __: object, node: Criterion, *___: object) -> Criterion:
        return node

    monkeypatch.setattr(Searcher, "settle", unsettled)

    async def ids(types: str, *pairs: tuple[str, str]) -> set[str]:
        opened = await Journal.open(dsn(journal))
        try:
            query = parse_query([types], pairs, base_url="", strict=True)
            page = await opened.searching(system_filter("tests")).search(query, count=10)
            return {match.id for match in page.matches}
        finally:
            await opened.close()

    for patient in (two.old, two.new):
        number = unquote(_number(two, patient))
        assert asyncio.run(ids("Observation", ("subject:Patient.identifier", number))) == two.all
        assert asyncio.run(ids("Group", ("member:Patient.identifier", number))) == set(two.groups.values())
    for whose in (two.old, two.new):
        got = asyncio.run(ids("Patient", ("_has:Observation:patient:identifier", two.notes[whose])))
        assert got == {two.old, two.new}


def test_what_was_the_others_for_a_while_is_ones_own_again(api: Api, ward: Ward, staff: Staff) -> None:
    """Breaks if, after a wrong merge was taken apart, who cares for the one reads the other's entries in old versions."""
    second = Ward(api)
    anna, bo = staff("anna", IDENTITY), staff("bo", IDENTITY)
    old, new = ward.admit(), second.admit()
    api.make({**api.get(f"/Encounter/{ward.visits[old]}").json(), "status": "in-progress"})
    note = ward.note(old)
    mine, other = staff("mine"), staff("other", ward=second)
    assert merge(anna, bo, old, new).status_code == 200
    assert anna.post("/Patient/$unmerge", json=pair(old, new)).status_code == 200
    assert [one["resource"]["meta"]["versionId"] for one in api.bundle(f"/Composition/{note['id']}/_history")["entry"]] == ["3", "2", "1"]  # fmt: skip
    for version in ("1", "2", "3"):
        assert mine.get(f"/Composition/{note['id']}/_history/{version}").status_code == 200, version
        outcome(other.get(f"/Composition/{note['id']}/_history/{version}"), 404)
    # A unit that cares for the other patient alone, where the note was made: the case of a wrong merge within one unit.
    third = ward.admit()
    assert merge(anna, bo, old, third).status_code == 200
    assert anna.post("/Patient/$unmerge", json=pair(old, third)).status_code == 200
    api.delete(f"/Encounter/{ward.visits[old]}")
    assert mine.get(f"/Encounter/{ward.visits[third]}").status_code == 200
    for version in ("1", "2", "3", "4", "5"):
        outcome(mine.get(f"/Composition/{note['id']}/_history/{version}"), 404)
    outcome(mine.get(f"/Composition/{note['id']}/_history"), 404)
    assert note["id"] not in str(mine.bundle("/Composition/_history?_count=100"))


def test_what_was_deleted_meanwhile_is_its_own_patients_too(api: Api, ward: Ward, staff: Staff) -> None:
    """Breaks if what was deleted while a wrong merge lasted is read, in its old versions, by who cares for the other patient."""
    second = Ward(api)
    anna, bo, doctor = staff("anna", IDENTITY), staff("bo", IDENTITY), staff("doctor", ward=second)
    old, new = second.admit(), ward.admit()
    before, meanwhile, others = (api.make(observation(fresh(), **second.owned(old)))["id"] for _ in range(3))
    api.make({**api.get(f"/Observation/{others}").json(), "subject": {"reference": f"Patient/{new}"}})
    visit = api.get(f"/Encounter/{second.visits[old]}").json()
    api.make({**visit, "id": fresh(), "subject": {"reference": f"Patient/{new}"}})  # the unit cares for both
    assert merge(anna, bo, old, new).status_code == 200
    late = api.make(observation(fresh(), **second.owned(old)))["id"]
    for id_ in (meanwhile, late, others):
        assert api.delete(f"/Observation/{id_}").status_code == 204

    def read(id_: str) -> list[int]:
        count = len(api.bundle(f"/Observation/{id_}/_history")["entry"])
        return [doctor.get(f"/Observation/{id_}/_history/{version}").status_code for version in range(1, count + 1)]

    assert anna.post("/Patient/$unmerge", json=pair(old, new)).status_code == 200
    assert (read(before), read(meanwhile), read(late)) == ([200, 200, 200], [200, 200, 410], [200, 410])
    assert api.delete(f"/Encounter/{visit['id']}").status_code == 204  # the unit cares for the other alone
    assert (set(read(before)), set(read(meanwhile)), set(read(late))) == ({404}, {404}, {404})
    assert read(others)[-2:] == [200, 410], "what was the other's stays that one's"


def test_who_reads_an_old_version_is_logged_on_whose_it_is(
    api: Api, journal: Instance, ward: Ward, staff: Staff
) -> None:
    """Breaks if the log names the patient in whose record an entry stood by mistake."""
    anna, bo = staff("anna", IDENTITY), staff("bo", IDENTITY)
    old, new = ward.admit(), ward.admit()
    note = ward.note(old)
    assert merge(anna, bo, old, new).status_code == 200
    assert anna.post("/Patient/$unmerge", json=pair(old, new)).status_code == 200
    assert staff("mine").get(f"/Composition/{note['id']}/_history/2").status_code == 200
    (read,) = _logged(journal, "vread", old)
    assert read["patients"] == [resource_key("Patient", old)], read


def _logged(journal: Instance, activity: str, patient: str) -> list[Any]:
    import orjson

    told = vaka("log", "show", "--patient", patient, "--activity", activity, "--json", "--data", journal.data)
    return [orjson.loads(line) for line in told.stdout.splitlines()]


def test_the_log_is_asked_for_both_ids(api: Api, journal: Instance, ward: Ward, staff: Staff) -> None:
    """Breaks if the extract for a merged patient lacks who read under the other id, or once apart, who read meanwhile (L4)."""
    anna, bo = staff("anna", IDENTITY), staff("bo", IDENTITY)
    reviewer = staff("reviewer", frozenset({Right.LOG}))
    old, new = ward.admit(), ward.admit()
    note, other = ward.note(old), ward.note(new)

    def seen_by(patient: str) -> set[str]:
        bundle = reviewer.bundle(
            f"/AuditEvent?patient=Patient/{patient}&subtype=read&_source=urn:vaka:access-log&_count=100"
        )
        return {str(entry["resource"]["agent"][0]["name"]) for entry in bundle.get("entry", ())}

    def read(name: str, entry: Resource) -> None:
        assert staff(name).get(f"/Composition/{entry['id']}").status_code == 200

    read("before-old", note)
    read("before-new", other)
    assert seen_by(old) == {"Doktor before-old"}
    assert merge(anna, bo, old, new).status_code == 200
    read("while-old", note)
    read("while-new", other)
    whole = {f"Doktor {name}" for name in ("before-old", "before-new", "while-old", "while-new")}
    assert seen_by(old) == whole
    assert seen_by(new) == whole
    extract = reviewer.get(f"{reviewer.root}/log/extract/{old}").text
    assert anna.post("/Patient/$unmerge", json=pair(old, new)).status_code == 200
    read("after-old", note)
    assert seen_by(old) == {f"Doktor {name}" for name in ("before-old", "while-old", "after-old")}
    assert seen_by(new) == {f"Doktor {name}" for name in ("before-new", "while-new")}
    assert "while-new" not in reviewer.get(f"{reviewer.root}/log/extract/{old}").text
    assert extract.count("Läst") > 0
    operate(api, note, "sign")


def test_a_long_answer_counts_for_whom_it_can_have_been_about(
    api: Api, journal: Instance, ward: Ward, staff: Staff
) -> None:
    """Breaks if, once apart, a list too long to be logged entry by entry counts for a patient of whom nothing was in it; or not
    for one whose entries stood at its end."""
    second = Ward(api)
    anna, bo, doctor = staff("anna", IDENTITY), staff("bo", IDENTITY), staff("doctor")
    old, new = second.admit(), ward.admit()
    last = second.note(old)["id"]  # lists begin with the newest
    notes = [ward.note(new)["id"] for _ in range(config.LOG_RESOURCES_MAX + 1)][::-1]
    assert merge(anna, bo, old, new).status_code == 200
    assert doctor.ids(f"/Composition?patient={new}&_count=100") == notes, "the other unit's is not shown"
    assert api.ids(f"/Composition?patient={new}&_count=100") == [*notes, last]

    def searched(patient: str) -> set[str]:
        found = events(journal.data, patient=resource_key("Patient", patient))
        return {
            one.record.actor.name or "program" for one in found if one.record.activity == "search" and one.record.more
        }

    assert searched(old) == searched(new) == {"Doktor doctor", "program"}
    assert anna.post("/Patient/$unmerge", json=pair(old, new)).status_code == 200
    assert searched(new) == {"Doktor doctor", "program"}
    assert searched(old) == {"program"}
