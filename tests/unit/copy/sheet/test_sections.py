"""What each section reads of real resources."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from tests.unit.copy.sheet.building import as_html, as_json, concept, lines, made, owned, section

from vaka.copy.sheet.entry import Entry
from vaka.copy.sheet.fragment import Fragment, fragment, kept_facts, kept_pieces, pieces_of
from vaka.copy.sheet.stream import unpacked


def allergy(what: str, code: str = "", **more: Any) -> dict[str, Any]:
    return {"resourceType": "AllergyIntolerance", "code": concept(what, code), **more}


def status(code: str) -> dict[str, Any]:
    return {"coding": [{"code": code}]}


def observation(what: str, value: float | str, at: str, category: str = "laboratory", **more: Any) -> dict[str, Any]:
    held = {"valueQuantity": {"value": value, "unit": "mmol/L"}} if isinstance(value, float) else {"valueString": value}
    return {
        "resourceType": "Observation", "status": "final", "code": concept(what, what, "urn:x"),
        "category": [{"coding": [{"code": category}]}], "effectiveDateTime": at, **held, **more,
    }  # fmt: skip


def order(what: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest", "status": "active", "intent": "order", "medicationCodeableConcept": concept(what), **more,
    }  # fmt: skip


def test_allergies_are_ordered_by_danger_and_say_what_is_over() -> None:
    """Would break: a dangerous allergy below a mild one; one that is over among those that count; a refuted one at all."""
    found = lines(
        made(
            allergy("Pollen", criticality="low"),
            allergy("Penicillin", criticality="high"),
            allergy("Egg", clinicalStatus=status("resolved"), criticality="high"),
            allergy("Never", verificationStatus=status("refuted")),
            allergy("Wrong", verificationStatus=status("entered-in-error")),
            allergy("None", "716186003"),
        ),
        "allergies",
    )
    assert [line["what"] for line in found] == ["Penicillin", "Pollen", "Egg", "None"]
    assert found[2]["over"] == "resolved"
    assert found[3]["none"] == "all"


def test_none_known_of_drugs_is_not_none_known() -> None:
    """Would break: "no known drug allergy" read as no known allergy (S3)."""
    found = made(allergy("No known drug allergy", "409137002"))
    (piece,) = (piece for piece in found.pieces["en"] if piece.section == "allergies")
    assert (piece.listed, piece.none) == (0, 0)


def test_an_alert_that_limits_stands_in_both_places() -> None:
    """Would break: a limit of treatment is missed by who looks under alerts, or under limits."""
    found = made(
        {"resourceType": "Flag", "status": "active", "code": concept("Behandlingsbegränsning: 0 HLR", "304253006")},
        {"resourceType": "Flag", "status": "active", "code": concept("MRSA")},
        {"resourceType": "Flag", "status": "inactive", "code": concept("Gone")},
    )
    assert {line["what"] for line in lines(found, "alerts")} == {"Behandlingsbegränsning: 0 HLR", "MRSA"}
    assert [line["what"] for line in lines(found, "limits")] == ["Behandlingsbegränsning: 0 HLR"]


def test_drafts_stand_nowhere_and_what_is_held_says_so() -> None:
    """Would break: a draft order is given (S12); a held one is given."""
    found = made(
        order("Draft", status="draft"), order("Plan", intent="plan"), order("Held", **{"status": "on-hold"}),
        order("Not", doNotPerform=True), order("Waran", medicationCodeableConcept=concept("Waran", "B01AA03", "http://www.whocc.no/atc")),
    )  # fmt: skip
    told = {line["what"]: line for line in lines(found, "medication")}
    assert set(told) == {"Held", "Waran"}
    assert told["Held"]["held"] is True
    assert told["Waran"]["watched"] == "anticoagulant"


def test_last_given_is_the_newest_dose_that_was_given() -> None:
    """Would break: a dose that was not given counts as given; an old one as the last."""

    def dose(at: str, **more: Any) -> dict[str, Any]:
        return {
            "resourceType": "MedicationAdministration", "status": "completed", "medicationCodeableConcept": concept("Alvedon"),
            "request": {"reference": "MedicationRequest/i0"}, "effectiveDateTime": at,
            "dosage": {"dose": {"value": 1000.0, "unit": "mg"}}, **more,
        }  # fmt: skip

    found = made(
        order("Alvedon"), dose("2026-11-29T08:00:00+01:00"), dose("2026-11-28T08:00:00+01:00"),
        dose("2026-11-29T12:00:00+01:00", status="not-done", statusReason=[concept("declined")]),
        dose("2026-11-20T12:00:00+01:00"),
    )  # fmt: skip
    (line,) = lines(found, "medication")
    assert line["last"] == "2026-11-29T08:00:00+01:00"
    told = lines(found, "doses")
    assert [one["at"][8:13] for one in told] == ["29T12", "29T08"]  # 24 h before the newest
    assert told[0]["not_given"] is True
    assert told[0]["why"] == "declined"
    assert told[1]["dose"] == "1000 mg"  # never 1000.0: read as 10000


def test_a_result_shows_the_one_before_as_they_were_written() -> None:
    """Would break: 72.50 shown as 72.5; a preliminary without saying so; a cancelled one at all."""
    found = fragment(
        [
            Entry("Observation", "a", b'{"resourceType":"Observation","id":"a","status":"preliminary","code":{"text":"K"},'
                  b'"effectiveDateTime":"2026-11-29T08:00:00Z","valueQuantity":{"value":4.10,"unit":"mmol/L"}}'),
            Entry("Observation", "b", b'{"resourceType":"Observation","id":"b","status":"final","code":{"text":"K"},'
                  b'"effectiveDateTime":"2026-11-28T08:00:00Z","valueQuantity":{"value":72.50,"unit":"mmol/L"}}'),
            Entry("Observation", "c", b'{"resourceType":"Observation","id":"c","status":"cancelled","code":{"text":"Na"}}'),
        ]
    )  # fmt: skip
    (line,) = lines(found, "results")
    assert (line["value"], line["before"], line["status"]) == ("4.10 mmol/L", "72.50 mmol/L", "preliminary")


def test_a_blood_group_is_marked() -> None:
    """Would break: blood is given after a printed page (S7)."""
    group = observation("ABO", "A", "2026-11-01")
    group["code"] = concept("Blodgrupp", "882-1", "http://loinc.org")
    found = made(group)
    assert lines(found, "results")[0]["blood_group"] is True
    (piece,) = (piece for piece in found.pieces["en"] if piece.section == "results")
    assert "not a basis for transfusion" in unpacked(piece.part).decode()


def test_a_blood_group_has_its_place_however_much_came_after_it() -> None:
    """Would break: of who has had forty other analyses since, the blood group is not on the sheet; or nobody knows that some are not."""
    group = observation("ABO", "A", "2020-01-01") | {"code": concept("Blodgrupp", "882-1", "http://loinc.org")}
    found = made(group, *(observation(f"analysis {n}", float(n), "2026-11-01") for n in range(45)))
    told = lines(found, "results")
    assert told[0]["blood_group"] is True
    assert len(told) == 41
    assert section(as_json(owned(found, "laboratory", "json")), "results")["more"] == 5


def test_a_measurement_and_a_score() -> None:
    """Would break: blood pressure without its parts; a score that is worked out here, or not first."""
    pressure = observation("BP", "", "2026-11-29", "vital-signs")
    del pressure["valueString"]
    pressure["component"] = [
        {"code": concept("S"), "valueQuantity": {"value": 120, "unit": "mm[Hg]"}},
        {"code": concept("D"), "valueQuantity": {"value": 80, "unit": "mm[Hg]"}},
    ]
    news = observation("NEWS2", "7", "2026-11-28", "survey")
    told = lines(made(pressure, news), "vitals")
    assert [(line["what"], line["value"]) for line in told] == [("NEWS2", "7"), ("BP", "120/80 mmHg")]
    assert lines(made(pressure), "vitals")[0].get("score") is None


def test_an_answered_order_is_no_answer_to_come() -> None:
    """Would break: an answer is waited for that has come; one that is only preliminary, or that the reader is not shown, counts as
    come. Reports are another kind of information than orders: they stand in fragments of their own."""

    def asked(id_: str) -> dict[str, Any]:
        return {
            "resourceType": "ServiceRequest",
            "id": id_,
            "status": "active",
            "intent": "order",
            "code": concept(id_),
        }

    def report(id_: str, status: str) -> dict[str, Any]:
        return {
            "resourceType": "DiagnosticReport", "status": status, "code": concept("R"), "conclusion": "c",
            "basedOn": [{"reference": f"ServiceRequest/{id_}"}],
        }  # fmt: skip

    orders = made(asked("a"), asked("b"), asked("c"))
    reports = [made(report("a", "final"), report("b", "preliminary")), made(report("c", "amended"))]

    def open_(*seen: Fragment) -> list[str]:
        told = as_json(owned(orders, "referral", "json"), *(owned(each, "laboratory", "json") for each in seen))
        page = as_html(owned(orders, "referral"), *(owned(each, "laboratory") for each in seen))
        found = [line["what"] for whose in section(told, "orders")["owners"] for line in whose["lines"]]
        part = page.split('<section id="orders"')[1].split("</section>")[0]
        assert [what for what in "abc" if f"<strong>{what}</strong>" in part] == found
        return found

    assert open_() == ["a", "b", "c"]
    assert open_(reports[0]) == ["b", "c"]
    assert open_(*reports) == ["b"]


def test_a_dose_that_another_unit_gave_is_told() -> None:
    """Would break: the emergency unit's order, given on the ward, looks as if it had never been given."""
    order_ = order("Alvedon") | {"id": "o1"}
    dose = {
        "resourceType": "MedicationAdministration", "status": "completed", "medicationCodeableConcept": concept("Alvedon"),
        "request": {"reference": "MedicationRequest/o1"}, "effectiveDateTime": "2026-11-29T08:00:00+01:00",
    }  # fmt: skip
    before = dose | {"effectiveDateTime": "2026-11-28T08:00:00+01:00"}
    ordered, given = made(order_, before), made(dose)

    def told(*seen: Fragment) -> list[Any]:
        found = as_json(*(owned(each, "medication", "json") for each in seen))
        page = as_html(*(owned(each, "medication") for each in seen))
        elsewhere: list[Any] = section(found, "medication").get("givenElsewhere", [])
        assert ("Last given by another unit" in page) is bool(elsewhere)
        return elsewhere

    assert told(ordered) == told(given) == told(made(order_, dose), made(before)) == []
    assert told(ordered, given) == [
        {"order": "MedicationRequest/o1", "what": "Alvedon", "at": "2026-11-29T08:00:00+01:00"}
    ]
    page = as_html(owned(ordered, "medication"), owned(given, "medication"))
    assert "<li>Sunday 2026-11-29 08:00 <strong>Alvedon</strong></li>" in page


def test_a_dose_that_names_no_order_is_last_given_of_its_drug() -> None:
    """Would break (S11): a dose that was entered without its order is on no line of the drug, and is given again."""
    drug = concept("Alvedon", "N02BE01", "http://www.whocc.no/atc")
    ordered = order("Alvedon", medicationCodeableConcept=drug, authoredOn="2026-11-28T10:00:00+01:00") | {"id": "o1"}

    def dose(at: str, request: str = "", **more: Any) -> dict[str, Any]:
        named = {"request": {"reference": request}} if request else {}
        return {
            "resourceType": "MedicationAdministration", "status": "completed", "medicationCodeableConcept": drug,
            "effectiveDateTime": at, **named, **more,
        }  # fmt: skip

    def last(*doses: dict[str, Any]) -> tuple[str, bool]:
        found = made(ordered, *doses)
        (line,) = lines(found, "medication")
        page = as_html(owned(found, "medication"))
        assert ("the dose names no order" in page) is ("last_names_no_order" in line)
        return line.get("last", "")[8:13], "last_names_no_order" in line

    named = dose("2026-11-29T08:00:00+01:00", "MedicationRequest/o1")
    assert last(dose("2026-11-29T09:00:00+01:00")) == ("29T09", True)
    assert last(named, dose("2026-11-29T09:00:00+01:00")) == ("29T09", True)
    assert last(named, dose("2026-11-29T07:00:00+01:00")) == ("29T08", False)
    assert last(dose("2026-11-27T08:00:00+01:00")) == ("", False), "before it was ordered"
    assert last(dose("2026-11-29T09:00:00+01:00", "MedicationRequest/o2")) == ("", False), "it names another"
    assert last(dose("2026-11-29T09:00:00+01:00", status="not-done")) == ("", False)
    assert last(dose("2026-11-29T09:00:00+01:00", medicationCodeableConcept=concept("Alvedon"))) == ("", False)
    ward = made(dose("2026-11-29T09:00:00+01:00"))
    told = section(
        as_json(owned(made(ordered, named), "medication", "json"), owned(ward, "medication", "json")), "medication"
    )
    assert told["givenElsewhere"] == [
        {"order": "MedicationRequest/o1", "what": "Alvedon", "at": "2026-11-29T09:00:00+01:00"}
    ]


def test_the_next_of_many_visits_are_shown() -> None:
    """Would break: of who comes to dialysis for half a year the next visits are missing, and the last ones are shown."""
    visits = [
        {"resourceType": "Appointment", "status": "booked", "description": f"v{n}",
         "start": (datetime(2026, 11, 20, 10, tzinfo=UTC) + timedelta(days=n)).isoformat()}
        for n in range(100)
    ]  # fmt: skip
    found = made(*visits)
    told = section(as_json(owned(found, "contact", "json")), "coming")
    (whose,) = told["owners"]
    assert [line["why"] for line in whose["lines"]] == [f"v{n}" for n in range(9, 69)]
    assert told["more"] == 31
    assert "31 more are left out here, for want of room." in as_html(owned(found, "contact"))


@pytest.mark.parametrize(("name", "resource"), [
    ("doses", {"resourceType": "MedicationAdministration", "status": "completed", "medicationCodeableConcept": concept("Noradrenalin"),
               "effectiveDateTime": "2026-11-29T08:00:00+01:00"}),
    ("plan", {"resourceType": "Goal", "lifecycleStatus": "active", "description": concept("Up")}),
    ("problems", {"resourceType": "Condition", "code": concept("Pain")}),
])  # fmt: skip
def test_what_a_section_has_no_room_for_is_counted(name: str, resource: dict[str, Any]) -> None:
    """Would break: of a day in intensive care the first doses are missing, and the list looks complete."""
    for count, more in ((60, 0), (63, 3)):
        found = made(*([resource] * count))
        assert len(lines(found, name)) == 60
        assert section(as_json(owned(found, form="json")), name)["more"] == more


def test_notes_that_are_left_out_are_told() -> None:
    """Would break: on a sheet that is read as the whole of 72 hours some of it is missing, and nobody knows."""
    notes = [
        {"resourceType": "DocumentReference", "status": "current", "date": f"2026-11-28T{n // 60:02}:{n % 60:02}:00+01:00",
         "description": f"n{n}"}
        for n in range(50)
    ]  # fmt: skip
    found = made(*notes[:20])
    assert len(lines(found, "notes")) == 20
    assert section(as_json(owned(found, "note", "json")), "notes")["more"] == 0
    assert "left out" not in as_html(owned(found, "note"))
    found = made(*notes)
    assert section(as_json(owned(found, "note", "json")), "notes")["more"] == 10
    assert "10 more are left out here, for want of room." in as_html(owned(found, "note"))
    assert lines(found, "notes")[0]["text"] == "n49"


def test_notes_of_72_hours_before_the_newest_and_the_last_discharge() -> None:
    """Would break: a note of the last days is missing; the discharge summary is lost among them; unsigned looks signed."""

    def note(at: str, what: str = "Daganteckning", code: str = "", **more: Any) -> dict[str, Any]:
        data = base64.b64encode("Första raden.\n\n\nAndra & <b>raden</b>".encode()).decode()
        return {
            "resourceType": "DocumentReference", "status": "current", "date": at, "type": concept(what, code, "http://loinc.org"),
            "content": [{"attachment": {"contentType": "text/plain", "data": data}}], **more,
        }  # fmt: skip

    found = lines(
        made(
            note("2026-11-29T10:00:00+01:00", docStatus="preliminary"), note("2026-11-26T12:00:00+01:00"),
            note("2026-11-26T08:00:00+01:00"), note("2026-01-01", "Epikris", "18842-5"), note("2025-01-01", "Epikris", "18842-5"),
            note("2026-11-29T11:00:00+01:00", status="superseded"),
        ),
        "notes",
    )  # fmt: skip
    assert [line["at"][:10] for line in found] == ["2026-11-29", "2026-11-26", "2026-01-01"]
    assert found[0]["unsigned"] is True
    assert found[0]["text"] == "Första raden.\nAndra & <b>raden</b>"


def test_coming_visits_end_with_their_day() -> None:
    """Would break: yesterday's visit stands as coming; today's is gone an hour after it began."""
    found = made({"resourceType": "Appointment", "status": "booked", "start": "2026-11-29T10:00:00+01:00"})
    (piece,) = (piece for piece in found.pieces["en"] if piece.section == "coming")
    assert piece.until_us is not None
    assert 20 * 3_600_000_000 < piece.until_us - 1_795_942_800_000_000 <= 25 * 3_600_000_000


def test_the_same_entries_make_the_same_bytes() -> None:
    """Would break: two copies show one record differently."""
    resources = [allergy("A"), allergy("B"), order("C"), observation("K", 4.1, "2026-11-29")]
    entries = [
        Entry(each["resourceType"], f"i{n}", orjson.dumps(each | {"id": f"i{n}"}), n, n)
        for n, each in enumerate(resources)
    ]  # fmt: skip
    one, other = fragment(entries), fragment(entries[::-1])
    assert kept_facts(one) == kept_facts(other)
    for form in ("sv", "en", "json"):
        assert kept_pieces(one.pieces[form]) == kept_pieces(other.pieces[form])
        assert tuple(pieces_of(kept_pieces(one.pieces[form]))) == one.pieces[form]


@pytest.mark.parametrize(("status", "pending", "told"), [
    ("active", True, True), ("draft", True, False), ("active", False, False)
])  # fmt: skip
def test_an_order_of_a_stop_says_where_it_is_valid(status: str, pending: bool, told: bool) -> None:
    """Would break S12: at another site an order that was signed in reserve would be carried out as if it had been sent there."""
    body = orjson.dumps({"resourceType": "MedicationRequest", "id": "m", "status": status, "intent": "order",
                         "medicationCodeableConcept": {"text": "Alvedon"}})  # fmt: skip
    found = fragment([Entry("MedicationRequest", "m", body, pending=pending)])
    assert any("site_only" in line for line in lines(found, "medication")) is told
    page = b"".join(unpacked(piece.part) for piece in found.pieces["en"])
    assert (b"valid only where it was written" in page) is told


@pytest.mark.parametrize("pending", [True, False])
def test_a_reserve_entry_is_marked(pending: bool) -> None:
    """Would break: nobody sees that an entry has not reached the journal."""
    body = b'{"resourceType":"AllergyIntolerance","id":"a","code":{"text":"Penicillin"}}'
    found = fragment([Entry("AllergyIntolerance", "a", body, pending=pending)])
    assert ("pending" in lines(found, "allergies")[0]) is pending
    (piece,) = (piece for piece in found.pieces["en"] if piece.section == "allergies")
    assert (b"reserve entry" in unpacked(piece.part)) is pending


def test_a_directive_of_the_patient_is_a_limit_and_a_block_is_none() -> None:
    """Would break: blocks, which tell where somebody has been, stand on the sheet."""
    found = made(
        {"resourceType": "Consent", "status": "active", "scope": status("adr"), "category": [concept("Ej blod")],
         "provision": {"type": "deny"}},
        {"resourceType": "Consent", "status": "active", "scope": status("patient-privacy"), "category": [concept("Spärr")],
         "provision": {"type": "deny"}},
    )  # fmt: skip
    (line,) = lines(found, "limits")
    assert (line["what"], line["refused"]) == ("Ej blod", True)
