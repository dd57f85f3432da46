"""$times (S6, J4) and $visibility (J5) over HTTP; unit tests have the rules."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.records import Ward, marks, operate
from tests.client import Api, outcome


@pytest.fixture(scope="module")
def ward(api: Api) -> Ward:
    return Ward(api)


def told(api: Api, address: str) -> dict[str, Any]:
    answer = api.get(address)
    assert answer.status_code == 200, answer.text
    return {
        one["name"]: next(value for name, value in one.items() if name != "name") for one in answer.json()["parameter"]
    }


def test_three_times_are_told_apart(api: Api, ward: Ward) -> None:
    """Would break: when something happened is taken from when it was written down, or received."""
    result = ward.result(effectiveDateTime="2026-10-25T02:30:00+01:00", issued="2026-10-25T08:00:00+01:00")
    api.make({**result, "status": "amended"})
    current = api.get(f"/DiagnosticReport/{result['id']}").json()
    found = told(api, f"/DiagnosticReport/{result['id']}/$times")
    assert found["happened"] == "2026-10-25T02:30:00+01:00"
    assert found["happened-shown"] == "2026-10-25 02:30 (+01:00)"
    assert (found["recorded"], found["recorded-claimed"]) == ("2026-10-25T08:00:00+01:00", True)
    assert found["first-saved"] == result["meta"]["lastUpdated"]
    assert found["received"] == current["meta"]["lastUpdated"] > found["first-saved"]
    note = ward.note(date="2026-03-01")
    assert told(api, f"/Composition/{note['id']}/$times")["happened-shown"] == "2026-03-01", "a date stays a date"
    plain = api.make({"resourceType": "Condition", "code": {"text": "x"}, **ward.owned()})
    found = told(api, f"/Condition/{plain['id']}/$times")
    assert "happened" not in found
    assert (found["recorded"], found["recorded-claimed"]) == (plain["meta"]["lastUpdated"], False)


def test_what_has_no_time_is_told(api: Api, ward: Ward) -> None:
    """Would break: a time for what has none."""
    outcome(api.get(f"/Organization/{ward.unit}/$times"), 405)
    outcome(api.get("/Observation/no-such/$times"), 404)
    outcome(api.get("/Nonsense/1/$times"), 404)


def test_the_patient_sees_by_default_what_somebody_has_seen(api: Api, ward: Ward) -> None:
    """Would break: a patient reads a cancer's answer online before anybody has told of it."""
    result = ward.result()
    found = told(api, f"/DiagnosticReport/{result['id']}/$visibility")
    assert (found["visible"], found["chosen"], found["kind"]) == (False, False, "laboratory")
    assert found["not-before"] > result["meta"]["lastUpdated"][:10]
    operate(api, result, "acknowledge", step__valueCode="received")
    assert not told(api, f"/DiagnosticReport/{result['id']}/$visibility")["visible"]
    operate(api, result, "acknowledge", step__valueCode="read")
    assert told(api, f"/DiagnosticReport/{result['id']}/$visibility")["visible"]
    note = ward.note()
    assert not told(api, f"/Composition/{note['id']}/$visibility")["visible"]
    operate(api, note, "sign")
    assert told(api, f"/Composition/{note['id']}/$visibility")["visible"]


def test_what_is_set_counts_and_is_kept(api: Api, ward: Ward) -> None:
    """Would break: what its author decided is lost, changes the entry, or cannot be taken back."""
    note = ward.note()
    operate(api, note, "sign")
    address = f"/Composition/{note['id']}/$visibility"
    assert operate(api, note, "visibility", visible__valueCode="no", reason="Hot i hemmet").status_code == 201
    assert not told(api, address)["visible"]
    assert (
        operate(api, note, "visibility", visible__valueCode="not-before", date__valueDate="2999-01-01").status_code
        == 201
    )
    found = told(api, address)
    assert (found["visible"], found["not-before"], found["chosen"]) == (False, "2999-01-01", True)
    assert (
        operate(api, note, "visibility", visible__valueCode="not-before", date__valueDate="2020-01-01").status_code
        == 201
    )
    assert told(api, address)["visible"]
    assert operate(api, note, "visibility", visible__valueCode="no").status_code == 201
    assert not told(api, address)["visible"], "no, a second time"
    assert api.get(f"/Composition/{note['id']}").json()["meta"]["versionId"] == "1"
    assert len(marks(api, f"Composition/{note['id']}")) == 5
    for bad in (
        {},
        {"visible__valueCode": "maybe"},
        {"date__valueDate": "tomorrow"},
        {"visible__valueCode": "yes", "date__valueDate": "2026-01-01"},
    ):
        outcome(operate(api, note, "visibility", **bad), 400)


def test_what_is_entered_from_paper_has_three_times(api: Api, ward: Ward) -> None:
    """Would break S13: a dose of the night would be told as given, or recorded, when somebody sat down to enter it."""
    tag = {"meta": {"tag": [{"system": "urn:x-vaka:entered", "code": "from-paper"}]}}
    value = {"resourceType": "Observation", "status": "final", "code": {"text": "Puls"}, **ward.owned(), **tag}
    outcome(api.post("/Observation", json=value), 422)
    made = api.make({**value, "effectiveDateTime": "2026-03-01T02:10:00+01:00", "issued": "2026-03-01T02:10:00+01:00"})
    found = told(api, f"/Observation/{made['id']}/$times")
    assert found["happened"] == "2026-03-01T02:10:00+01:00"
    assert found["recorded"] == found["received"] == made["meta"]["lastUpdated"]
    assert found["from-paper"] is True
