"""What the access log holds of a person's work (L1): each kind of it is an event of its own, with all that the law asks for."""

from __future__ import annotations

from collections.abc import Callable

import httpx
from tests.access.wards import Ward, ward
from tests.accesses import events
from tests.api.records import operate
from tests.client import Api

from vaka.access.session import CLINICIAN, Right
from vaka.accesslog.record import Record
from vaka.fhir.keys import resource_key

__all__ = ["ward"]
WORDS = "medvetslös, misstänkt förgiftning"


def test_each_kind_of_work_is_an_event_of_its_own(ward: Ward) -> None:
    """Would break: reading, writing, signing, acknowledging, correcting, annulling, deleting, opening or an emergency leaves no
    event, one without its person, or one of another kind."""
    rights = CLINICIAN | {Right.LIFT, Right.IDENTITY}
    anna, bo = ward.at("u", "anna", rights=rights), ward.at("u", "bo", rights=rights)
    about = {"subject": {"reference": f"Patient/{ward.patient}"}}
    note = {
        "resourceType": "Composition",
        "status": "final",
        "title": "x",
        "type": {"text": "x"},
        "date": "2026-03-01",
        "author": [{"display": "x"}],
        **about,
    }
    expected: list[tuple[str, int]] = []

    def did(activity: str, answer: httpx.Response, status: int = 201) -> httpx.Response:
        assert answer.status_code == status, (activity, answer.text)
        expected.append((activity, status))
        return answer

    entry = did("create", anna.post("/Composition", json=note)).json()
    entry = did("update", anna.put(f"/Composition/{entry['id']}", json={**entry, "title": "y"}), 200).json()
    did("read", anna.get(f"/Composition/{entry['id']}"), 200)
    did("sign", operate(anna, entry, "sign"))
    did("countersign", operate(bo, entry, "countersign"))
    corrected = did("correct", operate(anna, entry, "correct", reason="fel ord", resource__resource={**entry, "title": "z"}), 200)  # fmt: skip
    entry = anna.get(f"/Composition/{entry['id']}").json()
    expected.append(("read", 200))
    assert corrected.status_code == 200
    did("visibility", operate(anna, entry, "visibility", visible__valueCode="no"))
    did("annul", operate(anna, entry, "annul", reason="fel patient"), 200)
    result = ward.api.make({"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "K"}, "encounter": {"reference": f"Encounter/{ward.tag}eu"}, **about})  # fmt: skip
    did("acknowledge", operate(anna, result, "acknowledge", step__valueCode="read"))
    made = did(
        "create",
        anna.post(
            "/Observation", json={"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **about}
        ),
    )
    did("delete", anna.delete(f"/Observation/{made.json()['id']}"), 204)
    patient = f"Patient/{ward.patient}"
    did("existence", anna.get(f"/{patient}/$access"), 200)
    opened = did("open", operate(anna, patient, "open", what__valueCode="unit", target__valueReference={"reference": f"Organization/{ward.tag}v"}))  # fmt: skip
    did("close", operate(anna, patient, "close", opening__valueId=opened.json()["parameter"][0]["valueId"]), 204)
    did(
        "emergency",
        operate(anna, patient, "open", what__valueCode="emergency", reason=WORDS, **{"no-consent": "kan inte tala"}),
    )
    did("existence-blocked", anna.get(f"/{patient}/$access?blocked=name"), 200)
    did("attest", operate(anna, patient, "attest-relation", reason="kallad som konsult"))
    did("everything", anna.get(f"/{patient}/$everything"), 200)
    did("unsigned", anna.get("/$unsigned"), 200)

    found = [event.record for event in events(ward.journal.data) if event.record.actor.person.startswith(ward.tag)]
    assert [(record.activity, record.status) for record in found] == expected
    for record in found:
        _whole(ward, record)
    emergency = next(record for record in found if record.activity == "emergency")
    assert WORDS in emergency.reason
    assert "kan inte tala" in emergency.reason


def _whole(ward: Ward, record: Record) -> None:
    actor = record.actor
    assert (actor.unit, actor.provider, actor.purpose, actor.way) == (f"{ward.tag}u", f"{ward.tag}p", "care", "demo")
    assert all((actor.name, actor.title, actor.assignment, actor.session))
    if record.activity != "unsigned":
        assert resource_key("Patient", ward.patient) in record.patients, record.activity
    assert record.time_us > 0


def test_an_event_says_all_that_the_law_asks_for(ward: Ward, client: Callable[..., Api]) -> None:
    """Would break: an AuditEvent lacks the person, title, assignment, unit, provider, purpose, patient, kind or owner (L1)."""
    anna = ward.at("u", "anna")
    assert anna.get(f"/Observation/{ward.note('u')}").status_code == 200
    found = ward.api.bundle(f"/AuditEvent?agent:identifier={ward.tag}anna&_source=urn:vaka:access-log")
    (event,) = [entry["resource"] for entry in found["entry"]]
    person, unit, provider = event["agent"]
    record = [one.record for one in events(ward.journal.data, f"{ward.tag}anna")][-1]
    assert event["id"].startswith("log-")
    assert event["source"]["observer"]["display"] == "Vaka, journal"
    assert (event["subtype"][0]["code"], event["action"], event["outcome"]) == ("read", "R", "0")
    assert event["recorded"].startswith("20")
    assert event["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT"
    assert person["who"]["identifier"]["value"] == f"{ward.tag}anna"
    assert person["role"] == [{"text": "Test"}]
    assert person["extension"] == [{"url": "urn:vaka:assignment", "valueString": record.actor.assignment}]
    assert person["altId"] == record.actor.session
    assert unit["who"]["reference"] == f"Organization/{ward.tag}u"
    assert provider["who"]["reference"] == f"Organization/{ward.tag}p"
    about, version = event["entity"]
    assert about["what"]["reference"] == f"Patient/{ward.patient}"
    (detail,) = about["detail"]
    assert detail["type"] == "information"
    assert {f"{ward.tag}u", f"{ward.tag}p"} <= {part.strip() for part in detail["valueString"].split(",")}
    assert version["what"]["reference"] == f"Observation/{ward.note('u')}/_history/1"
