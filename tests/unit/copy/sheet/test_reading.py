"""What a reader sees of fragments in a record.db: decided owner by owner, the same whether they were made before or not."""

from __future__ import annotations

import zlib
from typing import Any

import orjson
import pytest
from tests.unit.copy.sheet.building import READER, concept, section
from tests.unit.copy.sheet.record import FULL, Record, person

from vaka import config
from vaka.access.decision import What
from vaka.access.filter import AccessFilter, program_filter
from vaka.access.session import Purpose, Right
from vaka.copy.sheet import page
from vaka.copy.sheet.identity import identity
from vaka.copy.sheet.reading import Bodies, Sheets, Shown
from vaka.copy.sheet.stream import joined
from vaka.errors import Forbidden
from vaka.fhir.keys import resource_key
from vaka.store.through import now_us


def allergy(id_: str, what: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "AllergyIntolerance",
        "id": id_,
        "code": concept(what),
        "patient": {"reference": "Patient/p1"},
        **more,
    }


def no_known(id_: str) -> dict[str, Any]:
    return allergy(
        id_, "None", code=concept("No known allergy", "716186003"), recordedDate="2026-01-02", recorder=by("Eva Ek")
    )


def by(name: str) -> dict[str, Any]:
    return {"reference": "Practitioner/x", "display": name}


def drug(id_: str, what: str) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest", "id": id_, "status": "active", "intent": "order", "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": concept(what),
    }  # fmt: skip


def asked(record: Record, access: AccessFilter, sheets: Sheets | None = None) -> dict[str, Any]:
    """The sheet as JSON."""
    found = (sheets or Sheets()).body(record.reader, access, "p1", "json")
    assert found is not None
    body = found.body
    told: dict[str, Any] = orjson.loads(zlib.decompress(joined(page.json(body, identity("p1", None), READER))))
    return told


def told(record: Record, access: AccessFilter, name: str = "allergies") -> tuple[str, bool, list[str]]:
    """(state, whether more is withheld, what is listed) of a section."""
    found = section(asked(record, access), name)
    return found["state"], found["withheld"], [line["what"] for owner in found["owners"] for line in owner["lines"]]


@pytest.fixture
def record() -> Record:
    made = Record()
    made.put({"resourceType": "Patient", "id": "p1"})
    made.relation("u1")
    return made


@pytest.mark.parametrize("made_before", [True, False])
@pytest.mark.parametrize(
    ("own", "others", "opened", "expected"),
    [
        ([], [], False, ("not-recorded", False, [])),
        (["none"], [], False, ("none-known", False, ["No known allergy"])),
        (["Penicillin"], [], False, ("listed", False, ["Penicillin"])),
        (["none"], ["Penicillin"], False, ("withheld", True, ["No known allergy"])),
        ([], ["Penicillin"], False, ("withheld", True, [])),
        (["Egg"], ["Penicillin"], False, ("listed", True, ["Egg"])),
        ([], ["Penicillin"], True, ("listed", False, ["Penicillin"])),
        (["none"], ["Penicillin"], True, ("listed", False, ["No known allergy", "Penicillin"])),
        ([], ["none"], True, ("none-known", False, ["No known allergy"])),
    ],
)  # fmt: skip
def test_four_states(
    record: Record,
    own: list[str],
    others: list[str],
    opened: bool,
    made_before: bool,
    expected: tuple[str, bool, list[str]],
) -> None:
    """Would break: what is hidden is read as none (S3), with a fragment that was made before, and with one that was not."""
    for number, (what, place) in enumerate([(each, "u1/v1") for each in own] + [(each, "u3/v2") for each in others]):
        record.put(no_known(f"a{number}") if what == "none" else allergy(f"a{number}", what), place)
    if opened:
        record.open(What.EMERGENCY)
    if made_before:
        record.make()
    assert told(record, person()) == expected


def test_a_block_hides_and_an_emergency_does_not_lift_an_outer_one(record: Record) -> None:
    """Would break: the sheet shows what the record's own rules hide."""
    record.put(drug("m1", "Litium"), "u3/v2")
    record.block("/v2", outer=True)
    record.make()
    assert told(record, person(), "medication") == ("withheld", True, [])
    record.open(What.EMERGENCY)
    assert told(record, person(), "medication") == ("withheld", True, [])
    inner = Record()
    inner.put(drug("m1", "Litium"), "u2/v1")
    inner.relation("u1")
    inner.block("u2/v1", inner=True)
    inner.make()
    inner.open(What.UNIT, "u2")
    assert told(inner, person(), "medication")[2] == []
    inner.open(What.INNER_BLOCK, "u2")
    assert told(inner, person(), "medication")[2] == ["Litium"]


def test_without_a_care_relation_every_sheet_looks_alike() -> None:
    """Would break: who takes no part in the care learns whether there is anything (S21)."""
    full, empty = Record(), Record()
    for place in ("u1/v1", "u2/v1", "u3/v2"):
        full.put(allergy(f"a{place[1]}", "Penicillin"), place)
    full.make()
    one, other = asked(full, person()), asked(empty, person())
    assert one["sections"] == other["sections"]
    assert section(one, "allergies")["state"] == "withheld"
    full.open(What.EMERGENCY)
    assert told(full, person())[2] == ["Penicillin"] * 3


def test_a_choice_opens_one_unit(record: Record) -> None:
    """Would break: another unit's information shows without an active choice, or stays hidden after one."""
    record.put(drug("m1", "Waran"), "u2/v1")
    record.make()
    assert told(record, person(), "medication") == ("withheld", True, [])
    record.open(What.UNIT, "u2")
    assert told(record, person(), "medication") == ("listed", False, ["Waran"])
    assert told(record, person(unit="u3", provider="v2"), "medication") == ("withheld", False, [])


def test_information_of_an_unknown_owner_is_withheld(record: Record) -> None:
    """Would break: an allergy that nobody owns is left out, and the list says none."""
    record.put(no_known("a1"))
    record.put(allergy("a2", "Penicillin"), "/")
    record.make()
    assert told(record, person()) == ("withheld", True, ["No known allergy"])


def test_a_protected_identity_names_no_other_unit(record: Record) -> None:
    """Would break: the sheet tells where somebody has been whose identity is protected (S24)."""
    record.put({"resourceType": "Organization", "id": "u2", "name": "Hidden ward"}, patient=None)
    security = {"meta": {"security": [{"code": "sekretessmarkering"}]}}
    record.put({"resourceType": "Patient", "id": "p1", **security})
    record.put(drug("m1", "Waran"), "u2/v1")
    record.put(
        {"resourceType": "Encounter", "id": "e1", "status": "in-progress", "serviceType": concept("Hidden ward")},
        "u2/v1",
    )
    record.make()
    record.open(What.UNIT, "u2")
    whole = orjson.dumps(asked(record, person())).decode()
    assert "Waran" in whole
    assert "Hidden ward" not in whole
    assert '"u2"' not in whole
    unprotected = Record()
    unprotected.put({"resourceType": "Organization", "id": "u2", "name": "Hidden ward"}, patient=None)
    unprotected.put(drug("m1", "Waran"), "u2/v1")
    unprotected.relation()
    unprotected.open(What.UNIT, "u2")
    assert "Hidden ward" in orjson.dumps(asked(unprotected, person())).decode()


def test_other_purposes_never_say_none(record: Record) -> None:
    """Would break: an administrator's sheet says that there are no allergies."""
    record.put(no_known("a1"))
    record.put({"resourceType": "Encounter", "id": "e1", "status": "in-progress", "serviceType": concept("Ward")})
    record.make()
    access = person(purpose=Purpose.ADMINISTRATION)
    assert told(record, access) == ("withheld", False, [])
    assert told(record, access, "place")[2] == ["Ward"]
    with pytest.raises(Forbidden):
        told(record, person(rights={Right.WRITE}))


def test_programs_see_what_their_scopes_say(record: Record) -> None:
    """Would break: a program with a narrow scope reads whole fragments, or is told that there is nothing more."""
    record.put(allergy("a1", "Penicillin"))
    record.put(drug("m1", "Waran"))
    record.put(drug("m2", "Alvedon"), "u3/v2")
    record.make()
    assert told(record, FULL, "medication")[2] == ["Alvedon", "Waran"] or told(record, FULL, "medication")[2] == [
        "Waran",
        "Alvedon",
    ]
    narrow = program_filter("p", "system/MedicationRequest.r")
    assert told(record, narrow, "medication")[:2] == ("listed", False)
    assert told(record, narrow) == ("withheld", True, [])
    mine = program_filter("p", "system/*.r", provider="v1")
    assert told(record, mine, "medication") == ("listed", True, ["Waran"])


def test_a_change_shows_at_once(record: Record) -> None:
    """Would break: an old list is read after a change (S1), from the fragment or from what was joined before."""
    sheets = Sheets()
    record.put(allergy("a1", "Penicillin"))
    record.make()
    assert section(asked(record, person(), sheets), "allergies")["owners"][0]["lines"][0]["what"] == "Penicillin"
    record.put(allergy("a1", "Latex"))
    for _ in range(2):
        assert section(asked(record, person(), sheets), "allergies")["owners"][0]["lines"][0]["what"] == "Latex"
        record.make()
    record.put(allergy("a1", "Latex"), deleted=True)
    record.make()
    assert told(record, person()) == ("not-recorded", False, [])
    record.put(allergy("a1", "Latex"), patient="p2")
    assert told(record, person()) == ("not-recorded", False, [])


def test_an_entry_that_moves_to_another_patient_or_owner_leaves_the_first(record: Record) -> None:
    """Would break: a misfiled entry stands on both sheets."""
    record.put(allergy("a1", "Penicillin"))
    record.make()
    record.put(allergy("a1", "Penicillin"), patient="p2")
    record.make()
    assert told(record, person()) == ("not-recorded", False, [])
    record.put(allergy("a1", "Penicillin"), "u3/v2")
    record.make()
    assert told(record, person()) == ("withheld", True, [])


def test_what_is_shown_is_noted(record: Record) -> None:
    """Would break: the access log does not tell whose information was read (L1); or tells of what was hidden."""
    shown, hidden = record.put(allergy("a1", "Penicillin")), record.put(allergy("a2", "Egg"), "u3/v2")
    record.make()
    sheets = Sheets()
    for _ in range(2):  # made, and from what was kept
        access = person()
        sheets.body(record.reader, access, "p1", "sv")
        noted = {one.rkey for one in access.trail.touched}
        assert shown in noted
        assert hidden not in noted


def test_bodies_are_kept_for_who_sees_the_same_alone(record: Record) -> None:
    """Would break: what was joined for one reader is given to another who sees less."""
    record.put(allergy("a1", "Penicillin"))
    record.put(allergy("a2", "Egg"), "u2/v1")
    record.relation("u2")
    record.make()
    sheets = Sheets()
    first = section(asked(record, person(), sheets), "allergies")
    record.open(What.UNIT, "u2")
    second = section(asked(record, person(), sheets), "allergies")
    third = section(asked(record, person(unit="u2"), sheets), "allergies")
    names = [[line["what"] for owner in each["owners"] for line in owner["lines"]] for each in (first, second, third)]
    assert names == [["Penicillin"], ["Penicillin", "Egg"], ["Egg"]]
    assert [each["withheld"] for each in (first, second, third)] == [True, False, True]


def test_doses_are_unknown_where_medication_is_withheld(record: Record) -> None:
    """Would break: a dose given at a unit that is hidden is shown as overdue, and given again (S11)."""
    order = drug("m1", "Alvedon") | {
        "authoredOn": "2026-01-01", "category": [{"coding": [{"code": "inpatient"}]}],
        "dosageInstruction": [{"timing": {"repeat": {"timeOfDay": ["08:00:00"]}}}],
    }  # fmt: skip
    record.put(order)
    record.make()
    assert [one["state"] for one in asked(record, person())["due"]] == ["overdue", "next"]
    record.put(drug("m2", "Waran"), "u3/v2")
    record.make()
    assert [one["state"] for one in asked(record, person())["due"]] == ["unknown", "next"]
    assert asked(record, person())["dosesCertain"] is False


def test_an_entry_that_could_not_be_interpreted_is_told_to_who_may_see_it(record: Record) -> None:
    """Would break: what the follower set aside is missing, and nobody knows (S4); or the count tells of what is hidden."""
    mine, others = record.owner("u1/v1", "alert"), record.owner("u3/v2", "alert")
    kept_all_the_same = record.put(allergy("a1", "Penicillin"))
    for rkey, owner in ((1, mine), (2, others), (3, None), (kept_all_the_same, mine)):
        record.connection.execute(
            "INSERT INTO aside (rkey, type, id, version, epoch, patient, owner, reason) VALUES (?, 'Flag', 'x', 1, 1, ?, ?, 'odd')",
            (rkey, resource_key("Patient", "p1"), owner),
        )
    counted = [Sheets().body(record.reader, access, "p1", "json") for access in (person(), FULL)]
    assert [each[1] for each in counted if each is not None] == [2, 3]


def put_aside(record: Record, type_: str, id_: str, owner: int | None, version: int = 9) -> None:
    record.connection.execute(
        "INSERT INTO aside (rkey, type, id, version, epoch, patient, owner, reason) VALUES (?, ?, ?, ?, 1, ?, ?, 'odd')",
        (resource_key(type_, id_), type_, id_, version, resource_key("Patient", "p1"), owner),
    )


@pytest.mark.parametrize("access", [person(), FULL, program_filter("p", "system/*.rs", provider="v1")])
@pytest.mark.parametrize("owned", [True, False])
def test_a_section_in_which_something_is_missed_never_says_that_there_is_none(
    record: Record, access: AccessFilter, owned: bool
) -> None:
    """Would break: an allergy that could not be interpreted is "none known" beside one that is told as missing (S3, S4)."""
    record.put(no_known("n1"))
    record.make()
    sheets = Sheets()
    states = {
        name: section(asked(record, access, sheets), name)["state"] for name in ("allergies", "alerts", "medication")
    }
    assert states == {"allergies": "none-known", "alerts": "not-recorded", "medication": "not-recorded"}
    put_aside(record, "AllergyIntolerance", "a9", record.owner("u1/v1", "alert") if owned else None)
    allergies = section(asked(record, access, sheets), "allergies")
    assert (allergies["state"], allergies["cannotBeShown"]) == ("listed", 1)
    assert section(asked(record, access, sheets), "alerts")["state"] == "not-recorded"
    put_aside(record, "Novelty", "x9", record.owner("u1/v1", "other") if owned else None)
    told = asked(record, access, sheets)
    for name in ("alerts", "medication", "doses", "limits"):
        each = section(told, name)
        assert (each["state"], each["mayBelongHere"], each["cannotBeShown"]) == ("listed", 1, 0), name
    assert section(told, "problems")["state"] == "empty"
    assert "mayBelongHere" not in section(told, "problems")
    assert not told["dosesCertain"]
    found = sheets.body(record.reader, access, "p1", "en")
    assert found is not None
    assert found.aside == 2
    page_ = zlib.decompress(joined(page.html(found.body, identity("p1", None), READER, aside=found.aside))).decode()
    assert page_.count("it may belong here") == 5
    assert "Nothing is recorded. That is not the same as none." not in page_


def test_what_is_withheld_of_what_was_set_aside_is_withheld(record: Record) -> None:
    """Would break: "none known", where all there is was set aside and is not for the reader (S3)."""
    put_aside(record, "AllergyIntolerance", "a9", record.owner("u3/v2", "alert"))
    for access in (person(), program_filter("p", "system/*.rs", provider="v1")):
        found = Sheets().body(record.reader, access, "p1", "json")
        assert found is not None
        assert found.aside == 0
        assert section(asked(record, access), "allergies")["state"] == "withheld"


@pytest.mark.parametrize("access", [person(), program_filter("p", "system/*.rs", provider="v1")])
def test_an_older_version_says_that_it_is_superseded(record: Record, access: AccessFilter) -> None:
    """Would break: what was set right since is acted on as it was, with nothing on its line (S4)."""
    record.put(allergy("a1", "Penicillin"))
    record.put(allergy("a2", "Egg"))
    put_aside(record, "AllergyIntolerance", "a1", record.owner("u1/v1", "alert"))
    record.make()
    (owner,) = section(asked(record, access), "allergies")["owners"]
    assert {line["what"]: line.get("superseded") for line in owner["lines"]} == {"Penicillin": True, "Egg": None}
    found = Sheets().body(record.reader, access, "p1", "sv")
    assert found is not None
    told = zlib.decompress(joined(page.html(found.body, identity("p1", None), READER))).decode()
    assert told.count("ersatt av en version som inte kan visas här") == 1


def test_what_was_joined_is_dropped_in_time(record: Record) -> None:
    """Would break: what was redacted stays in a worker's memory for as long as the worker lives (S26)."""
    record.put(allergy("a1", "Penicillin"))
    record.make()
    found = Sheets().body(record.reader, person(), "p1", "json")
    assert found is not None
    body = found.body
    assert body.until_us <= now_us() + config.SHEET_KEPT_US
    bodies = Bodies(size_bytes=2 * body.size_bytes)
    for key in range(3):
        bodies.put(key, Shown(body, ()))
    assert [bodies.get(key, 0) is not None for key in range(3)] == [False, True, True]
    assert bodies.get(2, body.until_us) is None
