"""A unit's lists in a record.db: who stands on them, who sees them, and what takes an entry from them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.unit.copy.sheet.building import NOW_US, concept
from tests.unit.copy.sheet.record import FULL, Record, person

from vaka.access.decision import What
from vaka.access.filter import AccessFilter, program_filter
from vaka.access.law import Act
from vaka.access.marks import Actor, provenance
from vaka.access.rules import permitted_by
from vaka.copy import listed
from vaka.copy.sheet.page import Reader
from vaka.copy.unit_page import html_of, json_of
from vaka.fhir.dates import ZONE
from vaka.fhir.paper import FROM_PAPER, TASKS
from vaka.store.through import now_us

ACTOR = Actor("Practitioner/pr1", "pr1", "u1", "Lars")


def at(days: int, hour: int = 12) -> str:
    day = datetime.now(ZONE).replace(hour=hour, minute=0, second=0, microsecond=0) + timedelta(days=days)
    return day.isoformat()


def encounter(id_: str, status: str = "in-progress", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Encounter", "id": id_, "status": status, "class": {"code": "IMP"}, "subject": {"reference": "Patient/p1"},
        "period": {"start": at(-1)}, "serviceProvider": {"reference": "Organization/u1"}, "reasonCode": [concept("Sepsis")],
        "location": [{"location": {"reference": "Location/bed"}, "status": "active"}], **more,
    }  # fmt: skip


def appointment(id_: str, start: str) -> dict[str, Any]:
    return {
        "resourceType": "Appointment", "id": id_, "status": "booked", "start": start, "serviceType": [concept("Visit")],
        "participant": [{"actor": {"reference": "Patient/p1"}, "status": "accepted"}],
    }  # fmt: skip


def note(id_: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference", "id": id_, "status": "current", "type": concept(id_), "subject": {"reference": "Patient/p1"},
        "date": at(-1), "content": [{"attachment": {"title": "x"}}], **more,
    }  # fmt: skip


def mark(act: Act, target: str, id_: str = "m") -> dict[str, Any]:
    return {**provenance(act, [target], ACTOR, "2026-11-29T08:00:00Z"), "id": id_}


@pytest.fixture
def record() -> Record:
    made = Record()
    made.put({"resourceType": "Patient", "id": "p1", "name": [{"family": "Lindberg", "given": ["Rolf"]}], "birthDate": "1948-03-14",
              "telecom": [{"value": "0701740654"}]})  # fmt: skip
    made.put({"resourceType": "Organization", "id": "u1", "name": "Ward 35",
              "identifier": [{"system": "urn:oid:1.2.752.129.2.1.4.1", "value": "SE-U1"}]}, patient=None)  # fmt: skip
    made.put({"resourceType": "Location", "id": "bed", "name": "Bed 12"}, patient=None)
    made.relation("u1")
    return made


def lists(record: Record, access: AccessFilter | None = None) -> dict[str, list[Any]]:
    found = listed.worklists(record.reader, "u1", access or person())
    return {name: list(lines) for name, lines in found.lists}


def ids(record: Record, name: str, access: AccessFilter | None = None) -> list[str]:
    return [line["id"] for line in lists(record, access)[name]]


def test_who_is_here_with_place_and_name(record: Record) -> None:
    """Would break: a ward does not know which patients it has when everything else has stopped (clinical.md, 1)."""
    record.put(encounter("e1"))
    record.put(encounter("e2", "finished"))
    record.put(encounter("e3", "planned") | {"period": {"start": at(1)}})
    (line,) = lists(record)["here"]
    assert (line["name"], line["place"], line["why"], line["patient"]) == ("Rolf Lindberg", "Bed 12", "Sepsis", "p1")
    assert ids(record, "coming") == ["Encounter/e3"]
    record.put(encounter("e1", "finished"))
    assert lists(record)["here"] == []


def test_who_comes_today_and_tomorrow(record: Record) -> None:
    """Would break: "we don't know which patients we are to meet"; or a list of the whole year."""
    for number, days in enumerate((-3, 0, 1, 2, 9)):
        record.put(appointment(f"a{number}", at(days)))
    assert ids(record, "coming") == ["Appointment/a1", "Appointment/a2"]


@pytest.mark.parametrize(("start", "listed_"), [
    ("2026-11-28T23:30:00+01:00", False), ("2026-11-29T00:00:00+01:00", True), ("2026-11-29", True),
    ("2026-11-29T08:00:00+01:00", True), ("2026-11-30T23:59:00+01:00", True), ("2026-12-01T00:00:00+01:00", False),
])  # fmt: skip
def test_today_is_from_midnight_to_midnight(
    record: Record, monkeypatch: pytest.MonkeyPatch, start: str, listed_: bool
) -> None:
    """Would break: on a list on paper yesterday's patients stand among those who come today; or who was due this morning is gone."""
    monkeypatch.setattr(listed, "now_us", lambda: NOW_US)  # Sunday 2026-11-29 14:03
    record.put(appointment("a1", start))
    record.put(encounter("e1", "planned") | {"period": {"start": start}})
    assert bool(ids(record, "coming")) is listed_
    assert len(ids(record, "coming")) in (0, 2)


def test_a_signature_counts_for_its_version(record: Record) -> None:
    """Would break: a note that was changed after it was signed is on nobody's list (S17); a signed one stays there."""
    record.put(note("n1"))
    assert ids(record, "unsigned") == ["DocumentReference/n1"]
    record.put(mark(Act.SIGN, "DocumentReference/n1/_history/1"))
    assert ids(record, "unsigned") == []
    record.put(note("n1", description="changed"))
    assert ids(record, "unsigned") == ["DocumentReference/n1"]
    record.put(mark(Act.SIGN, "DocumentReference/n1/_history/1", "m2"))
    assert ids(record, "unsigned") == ["DocumentReference/n1"]


def test_a_mark_that_came_before_its_version_counts(record: Record) -> None:
    """Would break: the feed's order is not that of commits, and an entry stays on a list that was signed."""
    record.put(mark(Act.SIGN, "DocumentReference/n1/_history/1"))
    record.put(note("n1"))
    assert ids(record, "unsigned") == []


def test_what_was_loaded_is_signed_where_it_comes_from(record: Record) -> None:
    """Would break: a region's first load puts a million notes on the lists; or hides those that say that they are not signed."""
    record.put(note("old", docStatus="final"), source="vaka:load")
    record.put(note("open", docStatus="preliminary"), source="vaka:load")
    assert ids(record, "unsigned") == ["DocumentReference/open"]


def test_answers_and_orders(record: Record) -> None:
    """Would break: an answer stands on the laboratory's list, not on the list of who ordered it; an answered order is waited for."""
    order = {"resourceType": "ServiceRequest", "id": "o1", "status": "active", "intent": "order", "code": concept("Culture"),
             "authoredOn": at(-1)}  # fmt: skip
    report = {
        "resourceType": "DiagnosticReport", "id": "r1", "status": "preliminary", "code": concept("Culture"),
        "basedOn": [{"reference": "ServiceRequest/o1"}], "issued": at(0, 1),
    }  # fmt: skip
    record.put(order)
    record.open(What.UNIT, "u2")
    record.put(report, "u2/v1")
    assert (ids(record, "orders"), ids(record, "answers")) == (["ServiceRequest/o1"], ["DiagnosticReport/r1"])
    record.put({**report, "status": "final"}, "u2/v1")
    assert (ids(record, "orders"), ids(record, "answers")) == ([], ["DiagnosticReport/r1"])
    record.put(mark(Act.RECEIVED, "DiagnosticReport/r1/_history/2"))
    assert ids(record, "answers") == ["DiagnosticReport/r1"]
    record.put(mark(Act.READ, "DiagnosticReport/r1/_history/2", "m2"))
    assert ids(record, "answers") == []


def test_a_pending_acknowledgement_clears_nobody_elses_list(record: Record) -> None:
    """Would break S17: an answer acknowledged in a reserve is on nobody's list, and the journal refuses the acknowledgement."""
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r1",
        "status": "final",
        "code": concept("Culture"),
        "issued": at(0, 1),
    }
    record.put(report)
    read = mark(Act.READ, "DiagnosticReport/r1/_history/1")
    record.put({**read, "meta": {"versionId": "r-1"}}, pending=7)
    other = person()
    assert other.session is not None
    other.session = replace(other.session, practitioner="pr2")
    assert ids(record, "answers", person()) == [], "who acknowledged it is done with it"
    assert ids(record, "answers", other) == ["DiagnosticReport/r1"]
    record.put(read, deleted=True)
    assert ids(record, "answers", person()) == ["DiagnosticReport/r1"], "it was refused, and taken back"
    record.put(read)
    assert ids(record, "answers", other) == [], "the journal has it"


def test_what_is_left_to_enter_from_paper(record: Record) -> None:
    """Would break: after a stop nobody knows what still lies on paper (S13)."""
    task = {
        "resourceType": "Task", "id": "t1", "status": "requested", "intent": "order", "description": "Curve of the night",
        "owner": {"reference": "Organization/u1"}, "for": {"reference": "Patient/p1"}, "authoredOn": at(0, 1),
    }  # fmt: skip
    record.put({**task, "code": {"coding": [{"system": TASKS, "code": FROM_PAPER}]}})
    record.put({**task, "id": "t2", "code": concept("Vidimera")})
    assert (ids(record, "paper"), ids(record, "tasks")) == (["Task/t1"], ["Task/t2"])
    record.put({**task, "status": "completed", "code": {"coding": [{"system": TASKS, "code": FROM_PAPER}]}})
    assert ids(record, "paper") == []


def test_a_list_shows_what_its_reader_may_see(record: Record) -> None:
    """Would break: a list tells of patients that the reader takes no part in caring for."""
    record.put(encounter("e1"))
    record.put(note("n1"), patient="p2")
    assert ids(record, "here") == ["Encounter/e1"]
    assert ids(record, "unsigned") == []
    assert lists(record, person(unit="u3", provider="v2"))["here"] == []
    assert ids(record, "unsigned", FULL) == ["DocumentReference/n1"]


def test_the_rules_of_a_list_are_told(record: Record) -> None:
    """Would break: the access log cannot say on what ground somebody has seen who is on the ward (L1)."""
    record.put(encounter("e1"))
    access = person()
    lists(record, access)
    assert permitted_by(access.trail.rules) == "A1-identity A2"
    nobody = person(unit="u3", provider="v2")
    lists(record, nobody)
    assert permitted_by(nobody.trail.rules) == ""


def test_a_program_is_not_told_who_it_may_not_read(record: Record) -> None:
    """Would break: a program with the right to encounters alone learns the names and numbers of a ward's patients."""
    record.put(encounter("e1"))
    narrow = program_filter("monitor", "system/Encounter.rs")
    (line,) = lists(record, narrow)["here"]
    assert "Lindberg" not in str(line) and "1948" not in str(line) and line["id"] == "Encounter/e1"
    assert {one.type for one in narrow.trail.touched} == {"Encounter"}
    (line,) = lists(record, program_filter("lists", "system/Encounter.rs system/Patient.rs"))["here"]
    assert "Lindberg" in str(line)
    record.put({"resourceType": "Patient", "id": "p1", "meta": {"security": [{"code": "sekretessmarkering"}]}})
    (line,) = lists(record, program_filter("monitor", "system/Encounter.rs"))["here"]
    assert line == {"id": "Encounter/e1", "patient": "p1", "protected": True}, "S24 holds for programs too"


def test_a_protected_identity_has_neither_name_nor_place_nor_time(record: Record) -> None:
    """Would break: a list on a wall tells where somebody is whose identity is protected (S24)."""
    record.put({"resourceType": "Patient", "id": "p1", "name": [{"family": "Lindberg"}],
                "meta": {"security": [{"code": "sekretessmarkering"}]}})  # fmt: skip
    record.put(encounter("e1"))
    record.put(appointment("a1", at(1)))
    record.put(note("n1"))
    found = listed.worklists(record.reader, "u1", person())
    reader = Reader("en", now_us(), now_us())
    page, told = html_of(found, reader).decode(), str(json_of(found, reader))
    for secret in ("Lindberg", "Bed 12", "Sepsis", at(1)[:10], at(1)[:16].replace("T", " ")):
        assert secret not in page.replace(page[page.index('<p class="running">') : page.index("<header")], "")
        assert secret not in str(json_of(found, reader)["lists"])
    assert page.count("Protected identity") == 3
    assert "p1" in told


def test_one_broken_entry_leaves_the_list(record: Record) -> None:
    """Would break: one hostile encounter takes the ward's list with it (S4)."""
    record.put(encounter("e1"))
    record.put(encounter("e2"))
    record.connection.execute("UPDATE resource SET body = x'00' WHERE id = 'e2'")
    found = listed.worklists(record.reader, "u1", person())
    assert found.broken == 1
    assert [line["id"] for line in dict(found.lists)["here"]] == ["Encounter/e1"]
    assert "1 item cannot be shown." in html_of(found, Reader("en", now_us(), now_us())).decode()


def test_a_unit_is_found_by_its_hsa_id(record: Record) -> None:
    """Would break: the address of a unit in the region's own names leads nowhere."""
    assert listed.unit_of(record.reader, "SE-U1") == "u1"
    assert listed.unit_of(record.reader, "u1") == "u1"
    assert listed.unit_of(record.reader, "nowhere") is None


def test_a_reserve_entry_is_marked_and_what_is_shown_is_noted(record: Record) -> None:
    """Would break: nobody sees that an arrival has not reached the journal; the log does not tell who was seen (L1)."""
    key = record.put(encounter("e1"), pending=7)
    access = person()
    assert lists(record, access)["here"][0]["pending"] is True
    assert {one.rkey for one in access.trail.touched} >= {key}
    assert any(one.type == "Patient" for one in access.trail.touched)


def test_a_list_is_cut_where_it_is_asked_to_be_and_says_so(record: Record) -> None:
    """Would break: a ward's paper lacks patients and nobody knows, or a screen never comes."""
    for number in range(4):
        record.put(encounter(f"more{number}"))
    cut = listed.worklists(record.reader, "u1", person(), limit=2)
    assert len(dict(cut.lists)["here"]) == 2
    assert "here" in cut.more
    whole = listed.worklists(record.reader, "u1", person(), limit=1_000)
    assert len(dict(whole.lists)["here"]) >= 4
    assert "here" not in whole.more


def test_what_is_done_takes_no_place_on_a_list(record: Record) -> None:
    """Would break: a unit whose orders stay active when they are answered sees none of those that it waits for, once it has had as
    many answers as a list has lines; so of results that have a later version, and of notes whose signature came first."""

    def order(number: int) -> dict[str, Any]:
        return {"resourceType": "ServiceRequest", "id": f"o{number}", "status": "active", "intent": "order",
                "code": concept("Culture"), "authoredOn": f"2026-01-{number + 1:02}"}  # fmt: skip

    def report(number: int) -> dict[str, Any]:
        return {"resourceType": "DiagnosticReport", "id": f"r{number}", "status": "final", "code": concept("Culture"),
                "basedOn": [{"reference": f"ServiceRequest/o{number}"}], "issued": at(0, 1)}  # fmt: skip

    for number in range(9):
        record.put(order(number), source="vaka:load")
        record.put(mark(Act.SIGN, f"DocumentReference/n{number}/_history/1", f"m{number}"))
        record.put(note(f"n{number}") | {"date": f"2026-01-{number + 1:02}"})
    for number in range(8):
        record.put(report(number), "lab/v1")
    record.put(note("open"))
    found = listed.worklists(record.reader, "u1", person(), limit=2)
    told = {name: [line["id"] for line in lines] for name, lines in found.lists}
    assert told["orders"] == ["ServiceRequest/o8"]
    assert told["unsigned"] == ["DocumentReference/open"]
    assert not found.more
