"""Conditional create, update, patch and delete. https://hl7.org/fhir/R4/http.html#ccreate, #cond-update, #cond-patch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.client import SYSTEM, Api, fresh, identifier, outcome, patient

PATCH = {"Content-Type": "application/json-patch+json"}
ACTIVE = b'[{"op":"add","path":"/active","value":true}]'


def test_conditional_create(api: Api, tag: str) -> None:
    """Would break: none → 201, one → 200 with the one that exists, several → 412."""
    send = {"If-None-Exist": f"identifier={SYSTEM}|{tag}"}
    first = api.post("/Patient", json=patient(tag), headers=send)
    second = api.post("/Patient", json=patient(tag, active=True), headers=send)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.content == first.content
    assert second.headers["location"] == first.headers["location"]
    api.make(patient(tag))
    assert outcome(api.post("/Patient", json=patient(tag), headers=send), 412)
    assert len(api.ids(f"/Patient?identifier={tag}")) == 2


@pytest.mark.parametrize(
    "condition", ["", "?", "_count=3", "unknown=x", "identifier=", "birthdate=x", "name:what=x", "identifier=a\\"]
)
def test_a_condition_that_says_nothing_is_refused(api: Api, tag: str, condition: str) -> None:
    """Would break: a condition that cannot be applied must never match everything, or nothing."""
    send = {"If-None-Exist": condition}
    answer = api.post("/Patient", json=patient(tag), headers=send)
    if condition == "identifier=a\\":
        assert answer.status_code == 201
    else:
        outcome(answer, 400)
        assert api.ids(f"/Patient?identifier={tag}") == []
    if condition.strip("?"):
        for method in ("PUT", "DELETE", "PATCH"):
            answer = api.request(
                method,
                f"/Patient?{condition}",
                content=b'{"resourceType":"Patient"}' if method == "PUT" else b"[]",
                headers=PATCH if method == "PATCH" else {},
            )
            assert answer.status_code in (201, 204, 400, 404)
            assert condition == "identifier=a\\" or answer.status_code == 400


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_change_without_id_and_condition_is_refused(api: Api, method: str) -> None:
    """Would break: DELETE /Patient must not mean all patients."""
    content = b'{"resourceType":"Patient"}' if method == "PUT" else b"[]"
    outcome(api.request(method, "/Patient", content=content, headers=PATCH if method == "PATCH" else {}), 400)


def test_conditional_update(api: Api, tag: str) -> None:
    """Would break: none → created, under the id that was sent if one was; one → updated; several → 412."""
    address = f"/Patient?identifier={SYSTEM}|{tag}"
    made = api.put(address, json=patient(tag))
    assert made.status_code == 201
    id_ = made.json()["id"]
    changed = api.put(address, json=patient(tag, active=True))
    assert (changed.status_code, changed.json()["id"], changed.json()["meta"]["versionId"]) == (200, id_, "2")
    assert api.put(address, json=patient(tag, id=id_)).status_code == 200
    assert outcome(api.put(address, json=patient(tag, id="another")), 400)[0]["expression"] == ["Patient.id"]
    outcome(api.put(address, json=patient(tag), headers={"If-Match": 'W/"1"'}), 412)
    assert api.put(address, json=patient(tag), headers={"If-Match": 'W/"3"'}).status_code == 200
    api.make(patient(tag))
    outcome(api.put(address, json=patient(tag)), 412)
    named = fresh()
    own = api.put(f"/Patient?identifier={named}", json=patient(named, id=named))
    assert (own.status_code, own.json()["id"]) == (201, named)


def test_conditional_update_with_an_id_that_exists_elsewhere(api: Api, tag: str) -> None:
    """Would break: a condition that finds nothing must not overwrite another resource that has the id."""
    api.make(patient("other-" + tag, id=tag))
    answer = api.put(f"/Patient?identifier={tag}", json=patient(tag, id=tag))
    outcome(answer, 409)
    assert api.get(f"/Patient/{tag}").json()["meta"]["versionId"] == "1"


def test_conditional_patch(api: Api, tag: str) -> None:
    """Would break: none → 404, one → patched, several → 412."""
    address = f"/Patient?identifier={SYSTEM}|{tag}"
    outcome(api.patch(address, content=ACTIVE, headers=PATCH), 404)
    api.make(patient(tag))
    answer = api.patch(address, content=ACTIVE, headers=PATCH)
    assert (answer.status_code, answer.json()["active"]) == (200, True)
    outcome(api.patch(address, content=ACTIVE, headers=PATCH | {"If-Match": 'W/"1"'}), 412)
    api.make(patient(tag))
    outcome(api.patch(address, content=ACTIVE, headers=PATCH), 412)


def test_conditional_delete(api: Api, tag: str) -> None:
    """Would break: none → 204, one → deleted, several → 412 and none is deleted (capability: single)."""
    address = f"/Patient?identifier={SYSTEM}|{tag}"
    assert api.delete(address).status_code == 204
    api.make(patient(tag))
    assert api.delete(address).status_code == 204
    assert api.ids(address) == []
    both = {api.make(patient(tag))["id"] for _ in range(2)}
    outcome(api.delete(address), 412)
    assert set(api.ids(address)) == both


def test_conditions_of_every_kind(api: Api, tag: str) -> None:
    """Would break: a condition may be any search, chains and _has included."""
    id_ = api.make(patient(tag, name=[{"family": tag}]))["id"]
    noted = api.make(
        {"resourceType": "Flag", "status": "active", "code": {"text": "x"}, "subject": {"reference": f"Patient/{id_}"}}
    )
    for condition in (f"family={tag}", f"_has:Flag:patient:_id={noted['id']}", f"_id={id_}&identifier:missing=false"):
        answer = api.post("/Patient", json=patient(tag), headers={"If-None-Exist": condition})
        assert (answer.status_code, answer.json()["id"]) == (200, id_), condition
    answer = api.post("/Flag", json=noted, headers={"If-None-Exist": f"patient:Patient.identifier={tag}"})
    assert (answer.status_code, answer.json()["id"]) == (200, noted["id"])


def at_once(work: list[httpx.Request], api: Api) -> list[httpx.Response]:
    """All requests together, each on a connection of its own."""
    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(api.send, work))


@pytest.mark.parametrize("shape", ["one", "several", "different", "value", "either"])
def test_conditional_creates_at_once_make_one(api: Api, tag: str, shape: str) -> None:
    """Would break: duplicates, the fault that users of other servers report most (traps: Conditional create)."""
    names = [f"{tag}-{n}" for n in range(5)]
    body = {"resourceType": "Patient", "identifier": [identifier(name) for name in names]}
    conditions = {
        "one": [f"identifier={SYSTEM}|{names[0]}"],
        "several": ["identifier=" + ",".join(f"{SYSTEM}|{name}" for name in names)],
        "different": [f"identifier={SYSTEM}|{name}" for name in names],
        "value": [f"identifier={names[0]}", f"identifier={SYSTEM}|{names[0]}"],
        "either": [f"identifier={SYSTEM}|{names[0]}", f"identifier={SYSTEM}|{names[1]},{SYSTEM}|{names[0]}"],
    }[shape]
    work = [
        api.build_request("POST", "/Patient", json=body, headers={"If-None-Exist": conditions[n % len(conditions)]})
        for n in range(50)
    ]
    answers = at_once(work, api)
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 49 + [201], statuses
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(api.ids(f"/Patient?identifier={SYSTEM}|{names[2]}")) == 1


def test_plain_creates_are_seen_by_conditional_ones(api: Api, tag: str) -> None:
    """Would break: a plain create that is being committed must be waited for by a conditional one."""
    plain = [api.build_request("POST", "/Patient", json=patient(f"{tag}-{n}")) for n in range(12)]
    asked = [
        api.build_request(
            "POST", "/Patient", json=patient(f"{tag}-{n}"), headers={"If-None-Exist": f"identifier={SYSTEM}|{tag}-{n}"}
        )
        for n in range(12)
    ]
    at_once([one for pair in zip(plain, asked, strict=True) for one in pair], api)
    again = at_once(asked, api)
    # A conditional create that came first makes one, and the plain one another: then the condition matches two.
    for n, answer in enumerate(again):
        found = len(api.ids(f"/Patient?identifier={tag}-{n}"))
        assert (answer.status_code, found) in ((200, 1), (412, 2))


@pytest.mark.parametrize("condition", [False, True])
def test_updates_as_create_at_once_make_one_history(api: Api, tag: str, condition: bool) -> None:
    """Would break: two creators of one id both make version 1, or one of them is lost."""
    address = f"/Patient?identifier={tag}" if condition else f"/Patient/{tag}"
    work = [api.build_request("PUT", address, json=patient(tag, id=tag, multipleBirthInteger=n)) for n in range(30)]
    answers = at_once(work, api)
    assert sorted(answer.status_code for answer in answers) == [200] * 29 + [201]
    versions = {int(answer.json()["meta"]["versionId"]) for answer in answers}
    assert versions == set(range(1, 31))
    told = sorted(answers, key=lambda answer: int(answer.json()["meta"]["versionId"]))
    times = [answer.json()["meta"]["lastUpdated"] for answer in told]
    assert times == sorted(set(times)), "lastUpdated grows with every version"
    assert api.bundle(f"/Patient/{tag}/_history")["total"] == 30


def test_exactly_one_of_many_updates_on_one_version_wins(api: Api, tag: str) -> None:
    """Would break: a lost update."""
    api.make(patient(tag, id=tag))
    work = [
        api.build_request(
            "PUT", f"/Patient/{tag}", json=patient(tag, id=tag, multipleBirthInteger=n), headers={"If-Match": 'W/"1"'}
        )
        for n in range(30)
    ]
    answers = at_once(work, api)
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 29
    winner = next(answer for answer in answers if answer.status_code == 200)
    assert api.get(f"/Patient/{tag}").content == winner.content


def test_a_delete_among_updates_is_not_lost(api: Api, tag: str) -> None:
    """Would break: a delete that waited for an update must still delete, not find nothing."""
    for n in range(10):
        id_ = f"{tag[:20]}-{n}"
        api.make(patient(tag, id=id_))
        work = [api.build_request("PUT", f"/Patient/{id_}", json=patient(tag, id=id_)) for _ in range(3)]
        work.insert(1, api.build_request("DELETE", f"/Patient/{id_}"))
        deleted = at_once(work, api)[1]
        assert deleted.status_code == 204
        methods = [entry["request"]["method"] for entry in api.bundle(f"/Patient/{id_}/_history")["entry"]]
        assert methods.count("DELETE") == 1, methods
        assert len(methods) == 5
