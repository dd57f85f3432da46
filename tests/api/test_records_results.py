"""Acknowledging of results (J2, S17) and the lists of what waits for somebody (J3), over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.api.records import Ward, acts, listed, marks, operate
from tests.client import Api, entries, fresh, link, outcome

LABORATORY = [
    {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}
]


@pytest.fixture
def ward(api: Api) -> Ward:
    return Ward(api)


def acknowledge(api: Api, result: Any, step: str, version: str | None = None) -> Any:
    return operate(api, result, "acknowledge", version, step__valueCode=step)


def test_three_steps_are_kept_apart(api: Api, ward: Ward) -> None:
    """Would break: that a result was received is taken for that somebody has read it, or has done something."""
    result = ward.result()
    lists = {step: f"/$unacknowledged?unit={ward.unit}&step={step}" for step in ("received", "read", "acted-on")}
    waiting = {
        "received": [True, False, False, False],
        "read": [True, True, False, False],
        "acted-on": [True] * 3 + [False],
    }
    for n, step in enumerate((None, "received", "read", "acted-on")):
        if step is not None:
            made = acknowledge(api, result, step)
            assert made.status_code == 201, made.text
            assert acknowledge(api, result, step).status_code == 200
        for lacking, address in lists.items():
            assert (result["id"] in listed(api, address)) is waiting[lacking][n], (step, lacking)
    assert acts(api, f"DiagnosticReport/{result['id']}") == ["result-received", "result-read", "result-acted-on"]
    default = ward.result()
    acknowledge(api, default, "received")
    assert listed(api, f"/$unacknowledged?unit={ward.unit}") == [default["id"]], "the default: nobody has read it"


def test_a_step_that_is_none_is_refused(api: Api, ward: Ward) -> None:
    """Would break: an acknowledgement that does not say what was done."""
    result = ward.result()
    outcome(acknowledge(api, result, "seen"), 400)
    outcome(operate(api, result, "acknowledge"), 400)
    outcome(api.post(f"/DiagnosticReport/{result['id']}/$acknowledge"), 400)
    assert "$sign" in outcome(acknowledge(api, ward.note(), "read"), 405)[0]["diagnostics"]


def test_laboratory_observations_are_results_and_others_are_not(api: Api, ward: Ward) -> None:
    """Would break: a temperature waits to be acknowledged, or a potassium does not."""
    code = {"text": "Kalium"}
    plain = api.make({"resourceType": "Observation", "status": "final", "code": code, **ward.owned()})
    lab = api.make({**plain, "id": fresh(), "category": LABORATORY})
    registered = ward.result(status="registered")
    assert listed(api, f"/$unacknowledged?unit={ward.unit}") == [lab["id"]]
    outcome(acknowledge(api, plain, "read"), 405)
    assert acknowledge(api, lab, "read").status_code == 201
    api.make({**registered, "status": "final"})
    assert listed(api, f"/$unacknowledged?unit={ward.unit}") == [registered["id"]]
    api.make({**registered, "status": "entered-in-error"})
    assert listed(api, f"/$unacknowledged?unit={ward.unit}") == []


def test_a_corrected_result_is_open_again(api: Api, ward: Ward) -> None:
    """Would break: a value that the laboratory has changed is taken as read (S17)."""
    result = ward.result()
    acknowledge(api, result, "acted-on")
    assert listed(api, f"/$unacknowledged?unit={ward.unit}") == []
    corrected = api.make({**result, "status": "corrected"})
    assert listed(api, f"/$unacknowledged?unit={ward.unit}") == [result["id"]]
    # One of version 1 that arrives after version 2 is a fact about version 1, and leaves version 2 open.
    late = acknowledge(api, result, "read", "1")
    assert late.status_code == 201
    assert late.json()["target"] == [{"reference": f"DiagnosticReport/{result['id']}/_history/1"}]
    assert listed(api, f"/$unacknowledged?unit={ward.unit}") == [result["id"]]
    assert acknowledge(api, corrected, "read").status_code == 201
    assert listed(api, f"/$unacknowledged?unit={ward.unit}") == []
    outcome(acknowledge(api, result, "read", "3"), 404)
    outcome(acknowledge(api, result, "read", "1-e7"), 404)


def test_two_persons_are_two_facts(api: Api, client: Callable[..., Api], ward: Ward) -> None:
    """Would break: one person's acknowledgement stands for another's, or both at once make one (S17)."""
    result = ward.result()
    callers = [client(f"doctor-{n}") for n in range(4)]
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda one: acknowledge(one, result, "read").status_code, callers * 2))
    assert sorted(codes) == [200] * 4 + [201] * 4
    found = marks(api, f"DiagnosticReport/{result['id']}")
    assert {one["agent"][0]["who"]["identifier"]["value"] for one in found} == {f"doctor-{n}" for n in range(4)}


def test_a_result_stands_on_the_list_of_who_ordered_it(api: Api, ward: Ward) -> None:
    """Would break: a result waits at the laboratory's own unit, where nobody knows the patient."""
    doctor, other = f"d-{fresh()}", Ward(api)
    api.make({"resourceType": "Practitioner", "id": doctor})
    order = api.make(
        {
            "resourceType": "ServiceRequest", "status": "active", "intent": "order", "code": {"text": "Kreatinin"},
            "requester": {"reference": f"Practitioner/{doctor}"}, **ward.owned(),
        }
    )  # fmt: skip
    result = other.result(patient=other.patient, basedOn=[{"reference": f"ServiceRequest/{order['id']}"}])
    assert listed(api, f"/$unacknowledged?unit={ward.unit}") == [result["id"]]
    assert listed(api, f"/$unacknowledged?person={doctor}") == [result["id"]]
    assert listed(api, f"/$unacknowledged?person=Practitioner/{doctor}&unit={ward.unit}") == [result["id"]]
    assert listed(api, f"/$unacknowledged?unit={other.unit}") == []
    assert listed(api, f"/$unsigned?person={doctor}") == [order["id"]], "the order itself is to be signed"


def test_entries_are_unsigned_from_the_first_save(api: Api, ward: Ward) -> None:
    """Would break: a note that nobody has signed is not seen as such, or not at all (J1, J3)."""
    doctor = f"d-{fresh()}"
    notes = [ward.note(author=[{"reference": f"Practitioner/{doctor}"}]) for _ in range(3)]
    draft = ward.note(status="preliminary")
    address = f"/$unsigned?unit={ward.unit}"
    assert listed(api, address) == [*[note["id"] for note in notes], draft["id"]], "longest waiting first"
    assert listed(api, f"/$unsigned?person={doctor}") == [note["id"] for note in notes]
    page = api.bundle(address)
    assert page["type"] == "searchset"
    tags = [one["resource"]["meta"]["tag"] for one in entries(page)]
    assert tags == [[{"system": "urn:x-vaka:owes", "code": "signature"}]] * 4
    assert "tag" not in api.get(f"/Composition/{draft['id']}").json()["meta"], "the stored entry is as it was sent"
    operate(api, notes[1], "sign")
    api.delete(f"/Composition/{draft['id']}")
    api.make({**notes[2], "status": "entered-in-error"})
    assert listed(api, address) == [notes[0]["id"]]
    operate(api, notes[1], "correct", reason="r", resource__resource={**notes[1], "title": "Rättad"})
    assert listed(api, address) == [notes[0]["id"], notes[1]["id"]], "a correction is unsigned"


def test_lists_come_in_pages(api: Api, client: Callable[..., Api], ward: Ward) -> None:
    """Would break: an entry between two pages is lost, or a page address works for somebody else."""
    made = [ward.note()["id"] for _ in range(7)]
    address = f"/$unsigned?unit={ward.unit}&_count=3"
    first = api.bundle(address)
    following = link(first, "next") or ""
    assert [one["resource"]["id"] for one in entries(first)] == made[:3]
    operate(api, f"Composition/{made[4]}", "sign", version="1")
    assert [one["resource"]["id"] for one in entries(api.bundle(following))] == [made[3], made[5], made[6]]
    outcome(client("stranger").get(following), 400)
    outcome(api.get(following.replace("$unsigned", "$unacknowledged")), 400)
    assert listed(api, address) == [made[n] for n in (0, 1, 2, 3, 5, 6)]


def test_bad_questions_are_told(api: Api, ward: Ward) -> None:
    """Would break: a list of everything, or of nothing, for a question that was mistyped."""
    for query in (
        "",
        "?unit=",
        "?unit=a%2Fb",
        "?person=Organization/x",
        "?nonsense=1&unit=x",
        "?unit=x&_count=x",
        "?unit=x&step=read",
    ):
        outcome(api.get(f"/$unsigned{query}"), 400)
    outcome(api.get("/$unacknowledged?unit=x&step=none"), 400)
    outcome(api.get("/$unsigned?unit=x&_page=forged"), 400)
    assert listed(api, "/$unsigned?unit=nobody") == []
    outcome(api.post("/$unsigned?unit=x"), 404)
