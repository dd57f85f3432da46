"""transaction and batch. https://hl7.org/fhir/R4/http.html#transaction."""

from __future__ import annotations

import base64
import time
from typing import Any

import orjson
import pytest
from tests.client import (
    SYSTEM,
    Api,
    Resource,
    ask,
    entries,
    fresh,
    identifier,
    observation,
    outcome,
    patient,
    post,
    put,
)


def urn() -> str:
    value = fresh()
    return f"urn:uuid:{value[:8]}-{value[8:12]}-4{value[13:16]}-8{value[17:20]}-{value[20:]}"


def done(answer: Any) -> list[Resource]:
    """The entries of a bundle that was carried out."""
    assert answer.status_code == 200, answer.text[:1500]
    return list(answer.json().get("entry", []))


def status(entry: Resource) -> int:
    return int(entry["response"]["status"].split()[0])


def flag(target: str, tag: str = "x") -> Resource:
    return {
        "resourceType": "Flag",
        "status": "active",
        "code": {"text": "x"},
        "identifier": [identifier(tag)],
        "subject": {"reference": target},
    }


def patch_entry(url: str, *operations: Resource, **request: str) -> Resource:
    content = base64.b64encode(orjson.dumps(operations)).decode()
    binary = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": content}
    return {"resource": binary, "request": {"method": "PATCH", "url": url, **request}}


@pytest.mark.parametrize("type_", ["transaction", "batch"])
def test_every_interaction_in_a_bundle(api: Api, tag: str, type_: str) -> None:
    """Would break: each method's answer, in the order of the request whatever the order of work."""
    old = api.make(patient(tag))["id"]
    gone = api.make(patient(tag))["id"]
    kept = api.make(patient(tag))["id"]
    answer = api.transact(
        ask("GET", f"Patient/{old}"),
        put(patient(tag, id=f"{tag}-n")),
        put(patient(tag, id=old, active=True)),
        post(patient(tag, gender="other")),
        patch_entry(f"Patient/{kept}", {"op": "add", "path": "/active", "value": False}),
        ask("DELETE", f"Patient/{gone}"),
        post(patient(tag), ifNoneExist=f"_id={kept}"),
        ask("GET", f"Patient?_id={kept}"),
        type_=type_,
    )
    found = done(answer)
    assert answer.json()["type"] == f"{type_}-response"
    assert [status(entry) for entry in found] == [200, 201, 200, 201, 200, 204, 200, 200]
    assert found[0]["resource"]["id"] == old
    assert found[1]["response"]["location"] == f"Patient/{tag}-n/_history/1"
    assert found[2]["response"]["etag"] == 'W/"2"'
    assert found[2]["response"]["lastModified"][:19] == api.get(f"/Patient/{old}").json()["meta"]["lastUpdated"][:19]
    new = found[3]["response"]["location"].split("/")[1]
    assert api.get(f"/Patient/{new}").json()["gender"] == "other"
    assert api.get(f"/Patient/{kept}").json()["active"] is False
    assert api.get(f"/Patient/{gone}").status_code == 410
    assert found[6]["response"]["location"].startswith(f"Patient/{kept}/_history/")
    assert found[7]["resource"]["total"] == 1


def test_reads_in_a_transaction_see_its_writes(api: Api, tag: str) -> None:
    """Would break: order of the specification (DELETE, POST, PUT and PATCH, GET), whatever the order of entries."""
    id_ = api.make(patient(tag))["id"]
    found = done(
        api.transact(
            ask("GET", f"Patient?identifier={tag}&_sort=_id"),
            ask("GET", f"Patient/{id_}"),
            ask("GET", f"Flag?identifier={tag}&_include=Flag:subject&_revinclude=Provenance:target"),
            put(patient(tag, id=id_, active=True)),
            post(patient(tag), full := urn()),
            post(flag(full, tag)),
        )
    )
    assert found[0]["resource"]["total"] == 2
    assert found[1]["resource"]["active"] is True
    assert found[1]["response"]["etag"] == 'W/"2"'
    assert found[1]["response"]["lastModified"] == found[1]["resource"]["meta"]["lastUpdated"]
    searched = found[2]["resource"]
    assert [entry["resource"]["resourceType"] for entry in entries(searched)] == ["Flag"]
    assert [entry["resource"]["resourceType"] for entry in entries(searched, "include")] == ["Patient"]


def test_versions_read_in_a_transaction(api: Api, tag: str) -> None:
    """Would break: vread beside changes; the version that deleted, one that never was, and a history fail the whole."""
    id_ = api.make(patient(tag))["id"]
    api.make(patient(tag, id=id_, active=True))
    old = f"Patient/{id_}/_history/1"
    found = done(api.transact(ask("GET", old), put(patient(tag, id=id_, active=False))))
    assert "active" not in found[0]["resource"]
    assert (found[0]["response"]["etag"], found[1]["response"]["etag"]) == ('W/"1"', 'W/"3"')
    api.delete(f"/Patient/{id_}")
    for asked, expected in (
        (f"Patient/{id_}/_history/4", 410), (f"Patient/{id_}/_history/9", 404), (f"Patient/{id_}/_history/x", 404),
        (f"Patient/{id_}/_history", 405), ("Patient/_history", 405), (f"Patient/{id_}/$everything", 405), ("_history", 405),
        (f"Patient/{id_}/Observation", 405),
    ):  # fmt: skip
        issue = outcome(api.transact(post(patient(tag)), ask("GET", asked)), expected)[0]
        assert issue["expression"] == ["Bundle.entry[1]"], asked
        assert api.ids(f"/Patient?identifier={tag}") == []


def test_nothing_of_a_failed_transaction_stays(api: Api, tag: str) -> None:
    """Would break: atomicity, for every way that a late entry can fail."""
    id_ = api.make(patient(tag))["id"]
    failing: list[tuple[Resource, int]] = [
        (post({"resourceType": "Patient", "gender": "femail"}), 422),
        (put(patient(tag, id=id_), ifMatch='W/"9"'), 412),
        (put(patient(tag, id=id_), ifNoneMatch="*"), 412),
        (ask("GET", f"Patient/never-{tag}"), 404),
        (ask("GET", "Patient?birthdate=x"), 400),
        (patch_entry(f"Patient/{id_}", {"op": "test", "path": "/active", "value": True}), 422),
        (patch_entry(f"Patient/never-{tag}", {"op": "add", "path": "/active", "value": True}), 404),
        (patch_entry(f"Patient/{id_}", {"op": "test", "path": "/active", "value": True}, ifMatch='W/"9"'), 412),
        (ask("DELETE", f"Patient/{id_}", ifMatch='W/"9"'), 412),
        (post(flag(f"Patient?identifier=never-{tag}")), 422),
        (post(flag(urn())), 400),
        (ask("POST", "Patient/$validate"), 405),
        (ask("PUT", f"Patient/{tag}"), 400),
        (ask("DELETE", "Patient"), 400),
        (ask("POST", "Foo"), 400),
        (ask("BREW", "Patient"), 400),
        ({"resource": patient(tag)}, 400),
    ]
    for last, expected in failing:
        answer = api.transact(post(patient(tag)), put(patient(tag, id=f"{tag}-x")), last)
        issue = outcome(answer, expected)[0]
        assert issue.get("expression", [""])[0].startswith("Bundle.entry[2]"), (last, issue)
        assert api.get(f"/Patient/{tag}-x").status_code == 404
    assert api.ids(f"/Patient?identifier={tag}") == [id_]
    assert api.get(f"/Patient/{id_}").json()["meta"]["versionId"] == "1"


def test_a_batch_does_each_entry_on_its_own(api: Api, tag: str) -> None:
    """Would break: one entry's failure must not touch the others, and is told in its place."""
    found = done(
        api.transact(
            post(patient(tag)),
            post({"resourceType": "Patient", "gender": "femail"}),
            ask("GET", f"Patient/never-{tag}"),
            {"resource": patient(tag)},
            ask("GET", f"Patient?identifier={tag}x"),
            ask("GET", "Patient?birthdate=x"),
            ask("GET", "metadata"),
            ask("GET", "Patient/a/b/c/d/e/f"),
            put(patient(tag, id=f"{tag}-x")),
            type_="batch",
        )
    )
    assert [status(entry) for entry in found] == [201, 422, 404, 400, 200, 400, 200, 400, 201]
    for entry in found:
        assert ("outcome" in entry["response"]) is (status(entry) >= 400)
    assert found[1]["response"]["outcome"]["issue"][0]["expression"] == ["Patient.gender"]
    assert len(api.ids(f"/Patient?identifier={tag}")) == 2


def test_references_between_entries(api: Api, tag: str) -> None:
    """Would break: urn:uuid references become the new ids everywhere, also in circles, narrative, and by full URL."""
    first, second, third = urn(), urn(), urn()
    div = f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{first}">x</a></div>'
    found = done(
        api.transact(
            post(
                patient(
                    tag,
                    link=[{"other": {"reference": second}, "type": "seealso"}],
                    text={"status": "generated", "div": div},
                ),
                first,
            ),
            post(
                patient(
                    tag,
                    link=[
                        {"other": {"reference": first}, "type": "seealso"},
                        {"other": {"reference": second}, "type": "refer"},
                    ],
                ),
                second,
            ),
            put(patient(tag, id=f"{tag}-c", link=[{"other": {"reference": third}, "type": "seealso"}]))
            | {"fullUrl": third},
            post(
                observation(
                    tag,
                    subject={"reference": first},
                    extension=[{"url": "http://x", "valueUri": second}],
                    note=[{"text": first}],
                )
            ),
        )
    )
    a, b, c, d = (entry["response"]["location"].split("/_history")[0] for entry in found)
    assert c == f"Patient/{tag}-c"
    stored = api.get(f"/{a}").json()
    assert stored["link"][0]["other"]["reference"] == b
    assert f'href="{a}"' in stored["text"]["div"]
    assert [one["other"]["reference"] for one in api.get(f"/{b}").json()["link"]] == [a, b]
    assert api.get(f"/{c}").json()["link"][0]["other"]["reference"] == c
    noted = api.get(f"/{d}").json()
    assert noted["subject"]["reference"] == a
    assert noted["extension"][0]["valueUri"] == b
    assert noted["note"][0]["text"] == first
    assert api.ids(f"/Observation?subject={a}") == [d.split("/")[1]]


def test_a_reference_to_a_conditional_create_that_exists(api: Api, tag: str) -> None:
    """Would break: If-None-Exist inside: references to the entry become the one that was there."""
    there = api.make(patient(tag))["id"]
    full = urn()
    found = done(
        api.transact(post(patient(tag), full, ifNoneExist=f"identifier={SYSTEM}|{tag}"), post(flag(full, tag)))
    )
    assert [status(entry) for entry in found] == [200, 201]
    stored = api.get("/" + found[1]["response"]["location"].split("/_history")[0]).json()
    assert stored["subject"]["reference"] == f"Patient/{there}"
    again = done(
        api.transact(post(patient(tag + "n"), full, ifNoneExist=f"identifier={SYSTEM}|{tag}n"), post(flag(full, tag)))
    )
    assert [status(entry) for entry in again] == [201, 201]


def test_conditional_references(api: Api, tag: str) -> None:
    """Would break: ``Patient?identifier=…`` becomes the one patient that matches; none or several fail the whole."""
    one = api.make(patient(tag))["id"]
    found = done(
        api.transact(post(flag(f"Patient?identifier={SYSTEM}|{tag}")), post(flag(f"Patient?identifier={SYSTEM}|{tag}")))
    )
    for entry in found:
        stored = api.get("/" + entry["response"]["location"].split("/_history")[0]).json()
        assert stored["subject"]["reference"] == f"Patient/{one}"
    api.make(patient(tag))
    assert outcome(api.transact(post(flag(f"Patient?identifier={SYSTEM}|{tag}"))), 412)
    for bad in ("Patient?", "Patient?foo=x", "Patient?birthdate=x", "Foo?x=1", "Patient?identifier="):
        answer = api.transact(post(flag(bad)))
        assert answer.status_code in (400, 422), (bad, answer.text)
        assert outcome(answer, answer.status_code)[0]["expression"][0].startswith("Bundle.entry[0]")


def subject_of(api: Api, entry: Resource) -> str:
    """What the entry's Flag refers to, as stored."""
    stored = api.get("/" + entry["response"]["location"].split("/_history")[0]).json()
    return str(stored["subject"]["reference"])


def test_conditional_references_mean_what_the_transaction_makes(api: Api, tag: str) -> None:
    """Would break: the specification resolves them last, when the transaction's own resources stand, whatever the order."""
    by_number, by_name = f"Patient?identifier={SYSTEM}|{tag}", f"Patient?family=fam{tag}&birthdate=1980"
    found = done(
        api.transact(
            post(flag(by_number)),
            post(flag(by_name)),
            post(patient(tag, name=[{"family": f"Fam{tag}"}], birthDate="1980-01-01"), urn()),
            post(patient("other" + tag, name=[{"family": f"Fam{tag}"}], birthDate="1981-01-01")),
        )
    )
    made = found[2]["response"]["location"].split("/_history")[0]
    assert [subject_of(api, entry) for entry in found[:2]] == [made, made]
    # What stands and what is made together are several; what an update replaces stands as the update says.
    outcome(api.transact(post(flag(by_number)), post(patient(tag))), 412)
    id_ = made.split("/")[1]
    kept = done(api.transact(post(flag(by_number)), put(patient(tag, id=id_, active=True))))
    assert subject_of(api, kept[0]) == made
    issue = outcome(api.transact(post(flag(by_number)), put(patient("x" + tag, id=id_))), 422)[0]
    assert issue["expression"] == ["Bundle.entry[0]"]
    outcome(api.transact(post(flag(by_number)), ask("DELETE", made)), 422)
    outcome(api.transact(post(flag(by_number)), ask("DELETE", by_number)), 422)
    moved = done(api.transact(post(flag(by_number)), put(patient("x" + tag, id=id_)), put(patient(tag, id=f"{tag}-n"))))
    assert subject_of(api, moved[0]) == f"Patient/{tag}-n"


def test_a_reference_by_condition_beside_a_conditional_create(api: Api, tag: str) -> None:
    """Would break: the entry that finds what stands is not another match; the one that creates is the match."""
    entry = post(patient(tag), ifNoneExist=f"identifier={tag}")
    first = done(api.transact(post(flag(f"Patient?identifier={tag}")), entry))
    again = done(api.transact(post(flag(f"Patient?identifier={tag}")), entry))
    assert [status(first[1]), status(again[1])] == [201, 200]
    made = first[1]["response"]["location"].split("/_history")[0]
    assert [subject_of(api, first[0]), subject_of(api, again[0])] == [made, made]


@pytest.mark.parametrize("how", ["id", "condition"])
def test_a_conditional_create_does_not_find_what_is_deleted_beside_it(api: Api, tag: str, how: str) -> None:
    """Would break: deletions come first; else references would lead to what the same transaction has deleted."""
    old, full = api.make(patient(tag))["id"], urn()
    gone = ask("DELETE", f"Patient/{old}" if how == "id" else f"Patient?identifier={tag}")
    found = done(api.transact(post(flag(full)), post(patient(tag), full, ifNoneExist=f"identifier={tag}"), gone))
    assert [status(entry) for entry in found] == [201, 201, 204]
    new = found[1]["response"]["location"].split("/")[1]
    assert new != old
    assert subject_of(api, found[0]) == f"Patient/{new}"
    assert api.ids(f"/Patient?identifier={tag}") == [new]


def test_many_conditional_references(api: Api, tag: str) -> None:
    """Would break: time that grows with the square of the references to what the transaction itself makes."""
    many = 1_500
    began = time.monotonic()
    found = done(
        api.transact(
            *[post(flag(f"Patient?identifier={tag}-{n}")) for n in range(many)],
            *[post(patient(f"{tag}-{n}")) for n in range(many)],
        )
    )
    assert time.monotonic() - began < 45
    last = found[-1]["response"]["location"].split("/_history")[0]
    assert subject_of(api, found[many - 1]) == last


def test_a_version_specific_reference_stays_one(api: Api, tag: str) -> None:
    """Would break: Patient/77 of another server would become, with its version, Patient/77 of this one: another person."""
    base = "http://elsewhere.example/fhir"
    made = {"fullUrl": f"{base}/Patient/77"} | post(patient(tag, id="77"))
    found = done(
        api.transact(
            made,
            {"fullUrl": f"{base}/Flag/1"} | post(flag("Patient/77/_history/4")),
            {"fullUrl": f"{base}/Flag/2"} | post(flag(f"{base}/Patient/77/_history/1")),
        )
    )
    new = found[0]["response"]["location"].split("/_history")[0]
    assert [subject_of(api, entry) for entry in found[1:]] == [f"{new}/_history/4", f"{new}/_history/1"]


def test_conditional_update_and_delete_inside(api: Api, tag: str) -> None:
    """Would break: conditions in the entries' addresses, and what refers to them."""
    old = api.make(patient(tag))["id"]
    gone = api.make(patient(tag + "-g"))["id"]
    a, b = urn(), urn()
    found = done(
        api.transact(
            {
                "fullUrl": a,
                "resource": patient(tag, active=True),
                "request": {"method": "PUT", "url": f"Patient?identifier={tag}"},
            },
            {
                "fullUrl": b,
                "resource": patient(tag + "-n"),
                "request": {"method": "PUT", "url": f"Patient?identifier={tag}-n"},
            },
            ask("DELETE", f"Patient?identifier={tag}-g"),
            ask("DELETE", f"Patient?identifier={tag}-never"),
            post(flag(a, tag)),
            post(flag(b, tag)),
        )
    )
    assert [status(entry) for entry in found] == [200, 201, 204, 204, 201, 201]
    assert found[0]["response"]["location"] == f"Patient/{old}/_history/2"
    assert api.get(f"/Patient/{gone}").status_code == 410
    assert len(api.ids(f"/Flag?identifier={tag}&patient={old}")) == 1
    assert len(api.ids(f"/Flag?patient.identifier={tag}-n")) == 1


def test_conditional_patch_inside(api: Api, tag: str) -> None:
    """Would break: a patch by condition, which must find one."""
    id_ = api.make(patient(tag))["id"]
    change = patch_entry(f"Patient?identifier={tag}", {"op": "add", "path": "/gender", "value": "male"})
    assert [status(entry) for entry in done(api.transact(change))] == [200]
    assert api.get(f"/Patient/{id_}").json()["gender"] == "male"
    nobody = patch_entry(f"Patient?identifier={tag}-n", {"op": "add", "path": "/gender", "value": "male"})
    outcome(api.transact(nobody), 404)


def test_one_resource_changed_twice_is_refused(api: Api, tag: str) -> None:
    """Would break: an identity that stands twice in a transaction has no defined result."""
    api.make(patient(tag, id=tag))
    twice = [
        [put(patient(tag, id=tag)), put(patient(tag, id=tag, active=True))],
        [put(patient(tag, id=tag)), ask("DELETE", f"Patient/{tag}")],
        [put(patient(tag, id=tag)), ask("DELETE", f"Patient?identifier={tag}")],
        [
            put(patient(tag, id=tag)),
            {"resource": patient(tag), "request": {"method": "PUT", "url": f"Patient?identifier={tag}"}},
        ],
        [post(patient(tag), full := urn()), post(patient(tag), full)],
    ]
    for bundle in twice:
        issue = outcome(api.transact(*bundle), 400)[0]
        assert issue["expression"][0].startswith("Bundle.entry[1]")
    assert api.get(f"/Patient/{tag}").json()["meta"]["versionId"] == "1"


def test_the_same_conditional_create_twice_in_one_transaction(api: Api, tag: str) -> None:
    """Would break: two entries with one condition must not make two resources in silence."""
    answer = api.transact(*[post(patient(tag), ifNoneExist=f"identifier={SYSTEM}|{tag}") for _ in range(2)])
    assert answer.status_code in (200, 400, 412), answer.text
    assert len(api.ids(f"/Patient?identifier={tag}")) <= 1


def test_prefer_in_a_transaction(api: Api, tag: str) -> None:
    """Would break: bodies come back where they are asked for, and only there."""
    wishes: list[tuple[str | None, bool, bool]] = [
        ("return=representation", True, False),
        ('return="representation"', True, False),
        ("return=minimal", False, False),
        ("return=OperationOutcome", False, True),
        ("handling=strict", False, False),
        (None, False, False),
    ]
    for wish, has, tells in wishes:
        headers = {"Prefer": wish} if wish else {}
        for type_ in ("transaction", "batch"):
            answer = api.transact(post(patient(tag)), put(patient(tag, id=fresh())), type_=type_, **headers)
            assert ["resource" in entry for entry in done(answer)] == [has, has], (wish, type_)
            assert ["outcome" in entry["response"] for entry in done(answer)] == [tells, tells], (wish, type_)
            assert all(one["severity"] == "information" for entry in done(answer)
                       for one in entry["response"].get("outcome", {}).get("issue", []))  # fmt: skip
    read = done(api.transact(ask("GET", "Patient?_count=1"), type_="batch", Prefer="return=OperationOutcome"))
    assert read[0]["resource"]["type"] == "searchset"


@pytest.mark.parametrize(
    "bundle",
    [
        {"resourceType": "Bundle", "type": "collection"},
        {"resourceType": "Bundle"},
        {"resourceType": "Patient"},
        {"resourceType": "Bundle", "type": "transaction", "entry": {}},
        {"resourceType": "Bundle", "type": "transaction", "entry": [1]},
        {"resourceType": "Bundle", "type": "transaction", "entry": [{}]},
        {"resourceType": "Bundle", "type": "transaction", "entry": [{"request": []}]},
        {"resourceType": "Bundle", "type": "transaction", "entry": [{"request": {"method": "GET", "url": 7}}]},
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"request": {"method": "GET", "url": "http://elsewhere.example/Patient/1"}}],
        },
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"fullUrl": 1, "request": {"method": "GET", "url": "Patient"}}],
        },
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"resource": "x", "request": {"method": "POST", "url": "Patient"}}],
        },
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"request": {"method": "GET", "url": "../../etc"}}],
        },
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"request": {"method": "GET", "url": "Patient/%FF?x=%FF"}}],
        },
    ],
)
def test_malformed_bundles(api: Api, bundle: Resource) -> None:
    """Would break: what is no bundle to carry out gets a 4xx that says where it is wrong."""
    answer = api.post("", json=bundle)
    assert 400 <= answer.status_code < 500, answer.text
    outcome(answer, answer.status_code)
    if bundle.get("type") == "transaction":
        one = api.post("", json=bundle | {"type": "batch"})
        assert one.status_code < 500
        assert all(status(entry) < 500 for entry in one.json().get("entry", []))


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        ({"resourceType": "Task", "status": "requested", "intent": "order",
          "code": {"coding": [{"system": "urn:x-vaka:task", "code": "enter-from-paper"}]}}, "Task.owner"),
        ({"resourceType": "Observation", "status": "final", "code": {"text": "x"},
          "meta": {"tag": [{"system": "urn:x-vaka:entered", "code": "from-paper"}]}}, "Observation"),
        ({"resourceType": "Binary", "contentType": "application/pdf", "data": "TVqQAA=="}, "Binary.contentType"),
    ],
)  # fmt: skip
def test_an_entry_passes_the_gate_that_the_resource_passes_alone(
    api: Api, tag: str, resource: Resource, path: str
) -> None:
    """Would break S13 and ASVS 12.2.1: an entry from paper without its time, or a program kept as a picture, would come in by bundle."""
    alone = outcome(api.post(f"/{resource['resourceType']}", json=resource), 422)
    assert path in [one["expression"][0] for one in alone]
    said = api.post(f"/{resource['resourceType']}/$validate", json=resource).json()["issue"]
    assert path in [one["expression"][0] for one in said if one["severity"] == "error"]
    told = outcome(api.transact(post(patient(tag)), post(resource)), 422)
    assert {one["expression"][0] for one in told} == {
        "Bundle.entry[1].resource" + one["expression"][0].removeprefix(resource["resourceType"]) for one in alone
    }
    assert api.ids(f"/Patient?identifier={tag}") == []


def test_an_empty_bundle_is_carried_out(api: Api) -> None:
    """Would break: no entry is no error."""
    for type_ in ("transaction", "batch"):
        assert done(api.transact(type_=type_)) == []


def test_ten_thousand_entries(api: Api, tag: str) -> None:
    """Would break: the largest bundle that is taken, in bounded time, while others are still answered; one more is refused."""
    everyone = [urn() for _ in range(100)]
    bundle = [post(patient(f"{tag}-{n}"), full) for n, full in enumerate(everyone)]
    bundle += [post(observation(f"{tag}-{n}", subject={"reference": everyone[n % 100]})) for n in range(9_900)]
    began = time.monotonic()
    found = done(api.transact(*bundle))
    took_s = time.monotonic() - began
    assert [status(entry) for entry in found] == [201] * 10_000
    assert took_s < 60, took_s
    first = found[0]["response"]["location"].split("/")[1]
    assert api.bundle(f"/Observation?subject=Patient/{first}&_summary=count")["total"] == 99
    answer = api.transact(*bundle, post(patient(tag)))
    assert outcome(answer, 413)[0]["expression"] == ["Bundle.entry"]
