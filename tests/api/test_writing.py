"""create, update, update-as-create, patch and delete over HTTP. https://hl7.org/fhir/R4/http.html#create, #update, #patch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest
from tests.client import Api, outcome, patient

from vaka.fhir.definitions import RESOURCE_TYPES

PATCH = {"Content-Type": "application/json-patch+json"}


def patched(api: Api, address: str, *operations: dict[str, Any], **headers: str) -> httpx.Response:
    sent = PATCH | {name.replace("_", "-"): value for name, value in headers.items()}
    return api.patch(address, content=orjson.dumps(operations), headers=sent)


def test_create_answers_201_with_where_it_is(api: Api, tag: str) -> None:
    """Would break: the id is the server's, and Location, ETag and Last-Modified tell of version 1."""
    answer = api.post(
        "/Patient", json=patient(tag, id="mine", meta={"versionId": "77", "lastUpdated": "2001-01-01T00:00:00Z"})
    )
    assert answer.status_code == 201
    made = answer.json()
    assert made["id"] != "mine"
    assert made["meta"]["versionId"] == "1"
    assert made["meta"]["lastUpdated"] > "2020"
    assert answer.headers["location"] == f"{api.root}/fhir/Patient/{made['id']}/_history/1"
    assert answer.headers["etag"] == 'W/"1"'
    assert api.get(answer.headers["location"]).content == answer.content


def test_update_makes_versions_one_by_one(api: Api, tag: str) -> None:
    """Would break: versionId counts up, lastUpdated only grows, even within one millisecond."""
    id_ = api.make(patient(tag))["id"]
    seen = []
    for n in range(2, 12):
        answer = api.put(f"/Patient/{id_}", json=patient(tag, id=id_, multipleBirthInteger=n))
        assert answer.status_code == 200
        assert answer.json()["meta"]["versionId"] == str(n)
        assert answer.headers["location"].endswith(f"/Patient/{id_}/_history/{n}")
        seen.append(answer.json()["meta"]["lastUpdated"])
    assert seen == sorted(set(seen))


def test_update_as_create(api: Api, tag: str) -> None:
    """Would break: a client may choose the id of what does not exist, and of what was deleted."""
    answer = api.put(f"/Patient/{tag}", json=patient(tag, id=tag))
    assert (answer.status_code, answer.json()["meta"]["versionId"]) == (201, "1")
    assert answer.headers["location"].endswith(f"/Patient/{tag}/_history/1")
    assert api.delete(f"/Patient/{tag}").status_code == 204
    again = api.put(f"/Patient/{tag}", json=patient(tag, id=tag))
    assert (again.status_code, again.json()["meta"]["versionId"]) == (201, "3")


@pytest.mark.parametrize("id_", ["a", "A-.9", "x" * 64, "-", ".a"])
def test_every_id_of_the_specification_is_taken(api: Api, id_: str) -> None:
    """Would break: ids of 1 to 64 letters, digits, hyphens and dots."""
    assert api.put(f"/Basic/{id_}", json={"resourceType": "Basic", "id": id_, "code": {"text": "x"}}).status_code < 300


@pytest.mark.parametrize("id_", ["x" * 65, "a_b", "å", "a b", "*"])
def test_other_ids_are_refused(api: Api, id_: str) -> None:
    """Would break: an id that breaks the pattern must not come into the record."""
    issue = outcome(api.put(f"/Basic/{id_}", json={"resourceType": "Basic", "id": id_, "code": {"text": "x"}}), 422)[0]
    assert issue["expression"] == ["Basic.id"]
    assert api.get(f"/Basic/{id_}").status_code == 404


def test_the_id_of_address_and_body_must_agree(api: Api, tag: str) -> None:
    """Would break: an update could silently go to another resource than its body says."""
    issue = outcome(api.put(f"/Patient/{tag}", json=patient(tag, id="other")), 400)[0]
    assert issue["expression"] == ["Patient.id"]
    assert outcome(api.put(f"/Patient/{tag}", json=patient(tag)), 400)[0]["expression"] == ["Patient.id"]
    outcome(api.put(f"/Observation/{tag}", json=patient(tag, id=tag)), 400)
    outcome(api.post("/Observation", json=patient(tag)), 400)


def test_delete_is_a_version_and_can_be_repeated(api: Api, tag: str) -> None:
    """Would break: deletion is idempotent, keeps the history, and hides from search."""
    id_ = api.make(patient(tag))["id"]
    first = api.delete(f"/Patient/{id_}")
    assert (first.status_code, first.headers["etag"]) == (204, 'W/"2"')
    assert api.delete(f"/Patient/{id_}").status_code == 204
    assert api.delete(f"/Patient/never-{tag}").status_code == 204
    assert api.get(f"/Patient/{id_}/_history/1").status_code == 200
    assert api.ids(f"/Patient?identifier={tag}") == []
    assert len(api.bundle(f"/Patient/{id_}/_history")["entry"]) == 2


def test_patch_changes_and_tests(api: Api, tag: str) -> None:
    """Would break: JSON Patch with all its operations, as one new version."""
    id_ = api.make(patient(tag, active=False, name=[{"family": "A", "given": ["B"]}]))["id"]
    answer = patched(
        api,
        f"/Patient/{id_}",
        {"op": "test", "path": "/active", "value": False},
        {"op": "replace", "path": "/active", "value": True},
        {"op": "add", "path": "/name/0/given/-", "value": "C"},
        {"op": "copy", "from": "/name/0/given/0", "path": "/name/0/given/0"},
        {"op": "move", "from": "/name/0/family", "path": "/name/0/text"},
        {"op": "add", "path": "/gender", "value": "other"},
        {"op": "remove", "path": "/gender"},
    )
    assert answer.status_code == 200
    stored = answer.json()
    assert (stored["active"], stored["meta"]["versionId"]) == (True, "2")
    assert stored["name"] == [{"given": ["B", "B", "C"], "text": "A"}]
    assert "gender" not in stored
    assert api.get(f"/Patient/{id_}").content == answer.content


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ({"op": "test", "path": "/active", "value": True}, 422),
        ({"op": "remove", "path": "/gender"}, 422),
        ({"op": "replace", "path": "/active", "value": "x"}, 422),
        ({"op": "add", "path": "/unknown", "value": "x"}, 422),
        ({"op": "replace", "path": "/resourceType", "value": "Observation"}, 422),
        ({"op": "replace", "path": "/id", "value": "other"}, 422),
        ({"op": "jump", "path": "/active"}, 400),
        ({"path": "/active"}, 400),
    ],
)
def test_a_patch_that_does_not_fit_changes_nothing(api: Api, tag: str, operation: dict[str, Any], status: int) -> None:
    """Would break: a patch is all or nothing, and its result is valid and still the same resource."""
    id_ = api.make(patient(tag, active=False))["id"]
    answer = patched(
        api,
        f"/Patient/{id_}",
        {"op": "add", "path": "/gender", "value": "male"},
        {"op": "remove", "path": "/gender"},
        operation,
    )
    outcome(answer, status)
    assert api.get(f"/Patient/{id_}").json()["meta"]["versionId"] == "1"


def test_patch_of_what_is_not_there(api: Api, tag: str) -> None:
    """Would break: a patch never creates."""
    outcome(patched(api, f"/Patient/{tag}", {"op": "add", "path": "/active", "value": True}), 404)
    id_ = api.make(patient(tag))["id"]
    api.delete(f"/Patient/{id_}")
    outcome(patched(api, f"/Patient/{id_}", {"op": "add", "path": "/active", "value": True}), 410)


@pytest.mark.parametrize(
    "media", ["application/xml", "application/merge-patch+json", "text/plain", "application/fhir+xml"]
)
def test_a_patch_of_another_kind_is_refused(api: Api, tag: str, media: str) -> None:
    """Would break: a body that is no JSON Patch must not be applied as one."""
    id_ = api.make(patient(tag))["id"]
    outcome(api.patch(f"/Patient/{id_}", content=b"{}", headers={"Content-Type": media}), 415)


def put(api: Api, id_: str, held: str) -> httpx.Response:
    return api.put(f"/Patient/{id_}", json={"resourceType": "Patient", "id": id_}, headers={"If-Match": held})


def patch(api: Api, id_: str, held: str) -> httpx.Response:
    return patched(api, f"/Patient/{id_}", {"op": "test", "path": "/active", "value": True}, If_Match=held)


def delete(api: Api, id_: str, held: str) -> httpx.Response:
    return api.delete(f"/Patient/{id_}", headers={"If-Match": held})


@pytest.mark.parametrize("change", [put, patch, delete])
def test_if_match_guards_every_change(api: Api, tag: str, change: Callable[[Api, str, str], httpx.Response]) -> None:
    """Would break: a change made on an old version must be refused before anything else is said about it."""
    id_ = api.make(patient(tag, active=True))["id"]
    api.make(patient(tag, id=id_, active=False))
    for held in ('W/"1"', 'W/"3"', 'W/"2-e9"', 'W/"x"', '"1"'):
        outcome(change(api, id_, held), 412)
    assert api.get(f"/Patient/{id_}").headers["etag"] == 'W/"2"'
    api.make(patient(tag, id=id_, active=True))
    assert change(api, id_, 'W/"3"').status_code < 300
    for held in ('W/"1"', "*"):
        assert outcome(change(api, f"never-{tag}", held), 404 if change is patch else 412)
    outcome(change(api, id_, "W/1 or 2"), 400)


@pytest.mark.parametrize("change", [put, patch, delete])
def test_if_match_any(api: Api, tag: str, change: Callable[[Api, str, str], httpx.Response]) -> None:
    """Would break: ``If-Match: *`` (RFC 9110 13.1.1) lets a change through where any version is current."""
    id_ = api.make(patient(tag, active=True))["id"]
    assert change(api, id_, "*").status_code < 300


def test_if_none_match_any_only_creates(api: Api, tag: str) -> None:
    """Would break: ``If-None-Match: *`` on an update means: only if nothing is there."""
    send = {"If-None-Match": "*"}
    assert api.put(f"/Patient/{tag}", json=patient(tag, id=tag), headers=send).status_code == 201
    outcome(api.put(f"/Patient/{tag}", json=patient(tag, id=tag), headers=send), 412)
    api.delete(f"/Patient/{tag}")
    assert api.put(f"/Patient/{tag}", json=patient(tag, id=tag), headers=send).status_code == 201
    outcome(api.put(f"/Patient/{tag}", json=patient(tag, id=tag), headers={"If-None-Match": 'W/"1"'}), 400)


@pytest.mark.parametrize("wish", ["minimal", "representation", "OperationOutcome", '"minimal"'])
def test_prefer_return(api: Api, tag: str, wish: str) -> None:
    """Would break: what comes back is what was asked for, on create, update and patch alike."""
    headers = {"Prefer": f"return={wish}"}
    made = api.post("/Patient", json=patient(tag), headers=headers)
    id_ = made.headers["location"].split("/")[-3]
    changed = api.put(f"/Patient/{id_}", json=patient(tag, id=id_), headers=headers)
    third = patched(api, f"/Patient/{id_}", {"op": "add", "path": "/active", "value": True}, Prefer=headers["Prefer"])
    for answer, status, version in ((made, 201, 1), (changed, 200, 2), (third, 200, 3)):
        assert answer.status_code == status
        assert answer.headers["etag"] == f'W/"{version}"'
        assert answer.headers["location"].endswith(f"/Patient/{id_}/_history/{version}")
        match wish.strip('"'):
            case "minimal":
                assert answer.content == b""
            case "representation":
                assert answer.json()["resourceType"] == "Patient"
            case _:
                assert outcome(answer, status)[0]["severity"] == "information"


@pytest.mark.parametrize("how", ["create", "update", "patch", "transaction"])
def test_strict_handling_of_a_write_checks_references(api: Api, tag: str, how: str) -> None:
    """Would break: under ``handling=strict`` nothing may refer to what is not there (and otherwise may)."""
    strict = {"Prefer": "handling=strict"}
    there = api.make(patient(tag))["id"]
    gone = api.make(patient(tag))["id"]
    api.delete(f"/Patient/{gone}")
    flag = api.make(
        {
            "resourceType": "Flag",
            "status": "active",
            "code": {"text": "x"},
            "subject": {"reference": f"Patient/{there}"},
        }
    )["id"]

    def write(target: str, headers: dict[str, str]) -> httpx.Response:
        resource = {"resourceType": "Flag", "status": "active", "code": {"text": "x"}, "subject": {"reference": target}}
        match how:
            case "create":
                return api.post("/Flag", json=resource, headers=headers)
            case "update":
                return api.put(f"/Flag/{flag}", json=resource | {"id": flag}, headers=headers)
            case "patch":
                return patched(
                    api, f"/Flag/{flag}", {"op": "replace", "path": "/subject/reference", "value": target}, **headers
                )
            case _:
                entry = {"resource": resource, "request": {"method": "POST", "url": "Flag"}}
                return api.transact(entry, **headers)

    assert write(f"Patient/{there}", strict).status_code in (200, 201)
    for missing in (f"Patient/never-{tag}", f"Patient/{gone}"):
        assert write(missing, {}).status_code in (200, 201)
        issue = outcome(write(missing, strict), 422)[0]
        assert issue["code"] == "not-found"
        assert issue["expression"][0].endswith("subject")


def test_every_resource_type_can_be_asked_for(api: Api) -> None:
    """Would break: all of R4's types have their address, and nothing else has."""
    assert len(RESOURCE_TYPES) == 146
    for type_ in RESOURCE_TYPES:
        assert api.get(f"/{type_}?_count=1").status_code == 200
    for type_ in ("Foo", "patient", "Resource", "DomainResource", "Element", "HumanName", "Patient "):
        outcome(api.get(f"/{type_}"), 404)
        outcome(api.post(f"/{type_}", json={"resourceType": type_}), 404)
        outcome(api.get(f"/{type_}/1"), 404)
        outcome(api.delete(f"/{type_}/1"), 404)
