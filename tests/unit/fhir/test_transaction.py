"""A bundle is planned whole before anything is touched, and its entries are stored as they were sent."""

from __future__ import annotations

import base64
from time import process_time
from typing import Any

import orjson
import pytest

from vaka.config import BUNDLE_MAX_ENTRIES
from vaka.errors import Invalid, TooLarge
from vaka.fhir.parse import parse_json
from vaka.fhir.transaction import Assigned, Entry, assign_ids, plan, processing_order

BASE = "http://here/fhir"


def entry(method: str, url: str, resource: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    full_url = more.pop("fullUrl", None)
    made: dict[str, Any] = {"request": {"method": method, "url": url, **more}}
    return made | ({"fullUrl": full_url} if full_url else {}) | ({"resource": resource} if resource else {})


def planned(*entries: Any, type_: str = "transaction") -> list[Entry]:
    bundle = {"resourceType": "Bundle", "type": type_, "entry": list(entries)}
    return plan(bundle, orjson.dumps(bundle), base_url=BASE)


def assigned(*entries: Any, found: dict[int, str] | None = None) -> Assigned:
    ids = iter(f"new-{n}" for n in range(100))
    return assign_ids(planned(*entries), lambda _: next(ids), found=found)


PATIENT = {"resourceType": "Patient"}
P1 = {"resourceType": "Patient", "id": "1"}
PATCH = {
    "resourceType": "Binary",
    "contentType": "application/json-patch+json",
    "data": base64.b64encode(b"[]").decode(),
}


def refers(to: str) -> dict[str, Any]:
    return {"resourceType": "Observation", "subject": {"reference": to}}


def test_each_entry_keeps_its_own_bytes() -> None:
    """Would break if an entry of a bundle lost its white space, order, escapes or the form of its numbers."""
    one = b'{ "resourceType":"Observation", "x" : {"a":[{"]}":1.50}, "\\"}{"]},\n"y":"\\u00e5" }'
    two = b'{"request":{"resource":{}},"resourceType":"Patient","resource":1}'
    body = (
        b' {"entry" : [ {"request":{"method":"POST","url":"Observation"}, "resource":' + one + b'},\n{"resource": '
        b"" + two + b' ,"request":{"method":"POST","url":"Patient"}},{"request":{"method":"GET","url":"Patient/1"}} ],'
        b'"resourceType":"Bundle","type":"transaction"}'
    )
    entries = plan(parse_json(body), body, base_url=BASE)
    assert [e.body for e in entries] == [one, two, None]


def test_requests_are_read() -> None:
    """Would break if a condition of a request were overlooked."""
    entries = planned(
        entry("POST", "Patient", PATIENT, ifNoneExist="Patient?identifier=a|b"),
        entry("PUT", "/Patient/1", P1, ifMatch='W/"3"', fullUrl="http://there/Patient/1"),
        entry("PUT", "Patient?identifier=a|b", PATIENT),
        entry("DELETE", f"{BASE}/Patient/2"),
        entry("PATCH", "Patient/3", PATCH),
        entry("GET", "Patient?name=x&_count=2", ifNoneMatch='W/"1"', ifModifiedSince="2024-01-01T00:00:00Z"),
        entry("GET", "metadata"),
        entry("GET", "Patient/1/_history/2"),
        entry("POST", "Patient/1/$everything", {"resourceType": "Parameters"}),
    )
    assert [(e.type, e.id, e.query, e.operation) for e in entries] == [
        ("Patient", None, None, None),
        ("Patient", "1", None, None),
        ("Patient", None, "identifier=a|b", None),
        ("Patient", "2", None, None),
        ("Patient", "3", None, None),
        ("Patient", None, "name=x&_count=2", None),
        (None, None, None, None),
        ("Patient", None, None, None),
        ("Patient", "1", None, "$everything"),
    ]
    assert (entries[0].if_none_exist, entries[1].if_match, entries[4].patch) == ("identifier=a|b", 'W/"3"', b"[]")
    assert (entries[5].if_none_match, entries[5].if_modified_since) == ('W/"1"', "2024-01-01T00:00:00Z")
    assert entries[7].url == "Patient/1/_history/2"


def test_order_of_processing_is_the_specifications() -> None:
    """Would break if a read in a transaction saw the record before its writes."""
    methods = ["GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "POST"]
    resources = {"PUT": P1, "POST": PATIENT, "PATCH": PATCH}
    urls = {"PUT": "Patient/1", "POST": "Patient", "PATCH": "Patient/2"}
    entries = planned(*(entry(m, urls.get(m, "Patient/3"), resources.get(m)) for m in methods))
    ordered = [(e.method, e.index) for e in processing_order(entries)]
    assert ordered == [("DELETE", 3), ("POST", 2), ("POST", 6), ("PUT", 1), ("PATCH", 4), ("GET", 0), ("HEAD", 5)]


@pytest.mark.parametrize(
    ("given", "path", "code"),
    [
        (1, "", "structure"),
        ({}, ".request", "required"),
        ({"request": {"url": "Patient"}}, ".request.method", "required"),
        ({"request": {"method": "GET"}}, ".request.url", "required"),
        ({"request": {"method": "GET", "url": 1}}, ".request.url", "value"),
        (entry("BREW", "Patient"), ".request.method", "value"),
        (entry("POST", "Elephant", PATIENT), ".request.url", "not-supported"),
        (entry("GET", "Elephant/1"), ".request.url", "not-supported"),
        (entry("POST", "Patient"), ".resource", "required"),
        (entry("POST", "Patient/1", PATIENT), ".request.url", "value"),
        (entry("POST", "Observation", PATIENT), ".request.url", "invalid"),
        (entry("PUT", "Patient", PATIENT), ".request.url", "value"),
        (entry("PUT", "Patient/2", P1), ".resource.id", "invalid"),
        (entry("PUT", "Patient/2", PATIENT), ".resource.id", "invalid"),
        (entry("PUT", "Patient/" + "x" * 65, P1), ".request.url", "value"),
        (entry("PUT", "Patient/1/_history/2", P1), ".request.url", "value"),
        (entry("PUT", "http://there/fhir/Patient/1", P1), ".request.url", "value"),
        (entry("PUT", "Patient/1", P1, fullUrl="http://there/Patient/2"), ".fullUrl", "invalid"),
        (entry("DELETE", "Patient"), ".request.url", "value"),
        (entry("DELETE", "Patient/1/$x"), ".request.url", "not-supported"),
        (entry("PATCH", "Patient/1", P1), ".resource", "not-supported"),
        (entry("PATCH", "Patient/1", {**PATCH, "contentType": "text/xml"}), ".resource.contentType", "not-supported"),
        (entry("PATCH", "Patient/1", {**PATCH, "data": "é="}), ".resource.data", "value"),
        (entry("POST", "Observation", refers("urn:uuid:x")), ".resource.subject.reference", "not-found"),
        (entry("GET", "Patient", fullUrl=1), ".fullUrl", "value"),
        (entry("POST", "Patient", PATIENT, ifNoneExist=1), ".request.ifNoneExist", "value"),
    ],
)
def test_faults_are_named_with_their_place(given: Any, path: str, code: str) -> None:
    """Would break if a faulty entry were carried out, or its sender could not find it; a batch does the others."""
    with pytest.raises(Invalid) as raised:
        planned(entry("GET", "Patient/1"), given)
    assert [(i.path, i.code) for i in raised.value.issues] == [(f"Bundle.entry[1]{path}", code)]
    if code != "not-found":
        first, second = planned(entry("GET", "Patient/1"), given, type_="batch")
        assert first.error is None
        assert second.error is not None
        assert second.error.issues[0].path == f"Bundle.entry[1]{path}"


def test_all_faults_of_a_transaction_are_told() -> None:
    """Would break if a sender had to find faults one by one."""
    with pytest.raises(Invalid, match="and 1 more") as raised:
        planned({}, entry("GET", "Patient"), {})
    assert [i.path for i in raised.value.issues] == ["Bundle.entry[0].request", "Bundle.entry[2].request"]


def test_the_same_resource_twice_is_refused() -> None:
    """Would break if the outcome of a transaction hung on its order."""
    for other in (entry("DELETE", "Patient/1"), entry("PATCH", "Patient/1", PATCH), entry("PUT", "Patient/1", P1)):
        with pytest.raises(Invalid, match="also changed by entry 0"):
            planned(entry("PUT", "Patient/1", P1), other)
    with pytest.raises(Invalid, match="same fullUrl"):
        planned(*[entry("POST", "Patient", PATIENT, fullUrl="urn:uuid:1")] * 2)
    with pytest.raises(Invalid, match="both change Patient/1"):
        assigned(entry("PUT", "Patient/1", P1), entry("PUT", "Patient?name=x", PATIENT), found={1: "1"})


def test_a_bundle_of_another_kind_or_size_is_refused() -> None:
    """Would break if a stored document were taken for orders, or a bundle were without limit."""
    with pytest.raises(Invalid, match="batch or transaction"):
        planned(type_="document")
    with pytest.raises(TooLarge, match=str(BUNDLE_MAX_ENTRIES)):
        planned(*[entry("GET", "Patient/1")] * (BUNDLE_MAX_ENTRIES + 1))
    assert plan({"resourceType": "Bundle", "type": "batch"}, b"{}", base_url=BASE) == []


def test_references_between_entries_are_resolved() -> None:
    """Would break if what belongs together came apart; the references here are circular."""
    made = assigned(
        entry("POST", "Patient", {**PATIENT, "link": [{"other": {"reference": "urn:uuid:o"}}]}, fullUrl="urn:uuid:p"),
        entry("POST", "Observation", {**refers("urn:uuid:p"), "id": "ignored"}, fullUrl="urn:uuid:o"),
        entry("PUT", "Group/g", {"resourceType": "Group", "id": "g"}, fullUrl="http://there/fhir/Group/g"),
        entry("POST", "Observation", refers("http://there/fhir/Group/g")),
        entry("POST", "Observation", refers("Patient/p")),
    )
    bodies = [orjson.loads(made.body(e)) for e in made.entries]
    assert [e.id for e in made.entries] == ["new-0", "new-1", "g", "new-2", "new-3"]
    assert bodies[0]["link"][0]["other"]["reference"] == "Observation/new-1"
    assert [b["subject"]["reference"] for b in (bodies[1], bodies[3], bodies[4])] == [
        "Patient/new-0",
        "Group/g",
        "Patient/p",
    ]


def test_relative_references_mean_entries_of_the_same_server() -> None:
    """Would break if ``Patient/1`` of another server's bundle were taken for the Patient/1 that is here."""
    made = assigned(
        entry("POST", "Patient", P1, fullUrl="http://there/fhir/Patient/1"),
        entry("POST", "Observation", refers("Patient/1"), fullUrl="http://there/fhir/Observation/1"),
        entry("POST", "Observation", refers("Patient/1"), fullUrl="http://elsewhere/Observation/1"),
    )
    told = [orjson.loads(made.body(e))["subject"]["reference"] for e in made.entries[1:]]
    assert told == ["Patient/new-0", "Patient/1"]


def test_what_a_condition_found_is_referred_to() -> None:
    """Would break if a conditional create that finds a patient left its references to a new id."""
    made = assigned(
        entry("POST", "Patient", PATIENT, ifNoneExist="identifier=1", fullUrl="urn:uuid:p"),
        entry("PUT", "Patient?identifier=2", PATIENT, fullUrl="urn:uuid:q"),
        entry("PUT", "Patient?identifier=3", {**PATIENT, "id": "own"}),
        entry("DELETE", "Patient?identifier=4"),
        entry("POST", "Observation", {**refers("urn:uuid:p"), "x": {"reference": "Device?identifier=1"}}),
        found={0: "old"},
    )
    assert [e.id for e in made.entries] == ["old", "new-0", "own", None, "new-1"]
    body = orjson.loads(made.body(made.entries[4], {"Device?identifier=1": "Device/d"}))
    assert (body["subject"]["reference"], body["x"]["reference"]) == ("Patient/old", "Device/d")


def test_entries_of_a_batch_must_not_depend_on_each_other() -> None:
    """Would break if a batch stored a reference that nobody can follow."""
    entries = planned(
        entry("POST", "Patient", PATIENT, fullUrl="urn:uuid:p"),
        entry("POST", "Observation", refers("urn:uuid:p")),
        type_="batch",
    )
    assert [e.error is None for e in entries] == [True, False]


def test_ten_thousand_entries_are_planned_in_linear_time() -> None:
    """Would break if work per entry grew with the bundle: 10,000 take 0.5 s, quadratic work minutes."""
    resources = [
        entry("POST", "Observation", refers(f"urn:uuid:{n * 7 % 10_000}"), fullUrl=f"urn:uuid:{n}")
        for n in range(BUNDLE_MAX_ENTRIES)
    ]
    started = process_time()
    entries = planned(*resources)
    ids = iter(range(BUNDLE_MAX_ENTRIES))
    made = assign_ids(entries, lambda _: f"n{next(ids)}")
    bodies = [made.body(e, {"Patient?x=y": "Patient/1"}) for e in made.entries]
    assert process_time() - started < 10
    assert orjson.loads(bodies[3])["subject"]["reference"] == "Observation/n21"
