"""History of a resource, a type and the system. https://hl7.org/fhir/R4/http.html#history."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from tests.client import Api, fresh, link, observation, outcome, patient


def versions(bundle: dict[str, Any]) -> list[str]:
    return [entry["response"]["etag"] for entry in bundle.get("entry", [])]


def pages(api: Api, address: str) -> list[dict[str, Any]]:
    """All entries of a history."""
    found: list[dict[str, Any]] = []
    following: str | None = address
    while following is not None:
        page = api.bundle(following)
        found += page.get("entry", [])
        following = link(page, "next")
    return found


def test_history_tells_what_was_done(api: Api, tag: str) -> None:
    """Would break: newest first, with method, address and answer of each change; a deletion without resource."""
    id_ = api.make(patient(tag))["id"]
    api.make(patient(tag, id=id_, active=True))
    api.delete(f"/Patient/{id_}")
    api.make(patient(tag, id=id_, active=False))
    bundle = api.bundle(f"/Patient/{id_}/_history")
    assert (bundle["type"], bundle["total"]) == ("history", 4)
    assert versions(bundle) == ['W/"4"', 'W/"3"', 'W/"2"', 'W/"1"']
    told = [(e["request"]["method"], e["request"]["url"], e["response"]["status"][:3]) for e in bundle["entry"]]
    mine = f"Patient/{id_}"
    assert told[1:] == [("DELETE", mine, "204"), ("PUT", mine, "200"), ("POST", "Patient", "201")]
    assert (told[0][0], told[0][2]) in (("PUT", "201"), ("POST", "201"))
    assert ["resource" in entry for entry in bundle["entry"]] == [True, False, True, True]
    assert all(entry["fullUrl"] == f"{api.root}/fhir/{mine}" for entry in bundle["entry"])
    assert [entry["resource"].get("active") for entry in bundle["entry"] if "resource" in entry] == [False, True, None]
    times = [entry["response"]["lastModified"] for entry in bundle["entry"]]
    assert times == sorted(times, reverse=True)
    assert all(
        e["response"]["lastModified"] == e["resource"]["meta"]["lastUpdated"]
        for e in bundle["entry"]
        if "resource" in e
    )
    outcome(api.get(f"/Patient/never-{tag}/_history"), 404)


def test_history_in_pages(api: Api, tag: str) -> None:
    """Would break: pages give each version once, in order, while new ones are written."""
    api.make(patient(tag, id=tag))
    for n in range(9):
        api.make(patient(tag, id=tag, multipleBirthInteger=n))
    page = api.bundle(f"/Patient/{tag}/_history?_count=3")
    found = versions(page)
    while (following := link(page, "next")) is not None:
        api.make(patient(tag, id=tag, active=True))
        page = api.bundle(following)
        assert len(page["entry"]) <= 3
        found += versions(page)
    assert found == [f'W/"{n}"' for n in range(10, 0, -1)]


def test_history_of_a_type_and_of_the_system(api: Api, tag: str) -> None:
    """Would break: all versions of a type, or of everything, and of nothing else."""
    since = api.make({"resourceType": "Basic", "code": {"text": "x"}})["meta"]["lastUpdated"]
    time.sleep(0.002)
    one = api.make(patient(tag))["id"]
    two = api.make(observation(tag))["id"]
    api.make(patient(tag, id=one))
    typed = pages(api, f"/Patient/_history?_since={since}&_count=2")
    assert {entry["fullUrl"].split("/")[-2] for entry in typed} == {"Patient"}
    assert [e["response"]["etag"] for e in typed if e["fullUrl"].endswith(one)] == ['W/"2"', 'W/"1"']
    system = pages(api, f"/_history?_since={since}&_count=2")
    assert {f"Patient/{one}", f"Observation/{two}"} <= {"/".join(e["fullUrl"].split("/")[-2:]) for e in system}


def test_since(api: Api, tag: str) -> None:
    """Would break: _since gives what was made at that instant or later, to the millisecond."""
    made = [api.make(patient(tag, id=tag, multipleBirthInteger=n))["meta"]["lastUpdated"] for n in range(4)]
    assert versions(api.bundle(f"/Patient/{tag}/_history?_since={made[2]}")) == ['W/"4"', 'W/"3"']
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    assert versions(api.bundle(f"/Patient/{tag}/_history?_since={later}")) == []
    for bad in ("yesterday", "", "2026-13-01", "2026-11-23T25:00:00Z"):
        assert outcome(api.get(f"/Patient/{tag}/_history?_since={bad}"), 400)[0]["expression"] == ["_since"]


def test_at(api: Api, tag: str) -> None:
    """Would break: _at gives the versions that were current at some moment of the time given, not only those made in it."""
    made = []
    for n in range(4):
        made.append(
            datetime.fromisoformat(api.make(patient(tag, id=tag, multipleBirthInteger=n))["meta"]["lastUpdated"])
        )
        time.sleep(0.02)

    def at(moment: datetime, address: str = f"/Patient/{tag}/_history") -> list[str]:
        text = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return versions(api.bundle(f"{address}?_at={text}"))

    between = [first + (second - first) / 2 for first, second in pairwise(made)]
    assert [at(moment) for moment in between] == [['W/"1"'], ['W/"2"'], ['W/"3"']]
    assert at(datetime.now(UTC)) == ['W/"4"']
    assert at(made[0] - timedelta(seconds=1)) == []
    assert at(made[1]) in (['W/"2"'], ['W/"2"', 'W/"1"'])
    assert versions(api.bundle(f"/Patient/{tag}/_history?_at={made[0].year}")) == [f'W/"{n}"' for n in (4, 3, 2, 1)]
    outcome(api.get(f"/Patient/{tag}/_history?_at=x"), 400)


def test_a_type_as_it_was(api: Api) -> None:
    """Would break: _at on a type, which shows what was current of every resource then, deletions as such."""
    ids = [fresh() for _ in range(3)]
    for id_ in ids:
        api.make({"resourceType": "Linkage", "id": id_, "item": [{"type": "source", "resource": {"display": "a"}}]})
    api.delete(f"/Linkage/{ids[0]}")
    time.sleep(0.01)
    moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    time.sleep(0.01)
    for id_ in ids[:2]:
        api.make({"resourceType": "Linkage", "id": id_, "item": [{"type": "source", "resource": {"display": "b"}}]})
    found = {entry["fullUrl"].split("/")[-1]: entry for entry in pages(api, f"/Linkage/_history?_at={moment}&_count=2")}
    assert found[ids[0]]["request"]["method"] == "DELETE"
    assert [found[id_]["resource"]["item"][0]["resource"]["display"] for id_ in ids[1:]] == ["a", "a"]


@pytest.mark.parametrize(
    "bad", ["_count=x", "_count=-1", "_sort=x", "foo=bar", "_page=AAAA", "_since=2020&_since=2021"]
)
def test_a_history_that_cannot_be_given_is_refused(api: Api, tag: str, bad: str) -> None:
    """Would break: what is not understood must not be passed over in silence."""
    api.make(patient(tag, id=tag))
    outcome(api.get(f"/Patient/{tag}/_history?{bad}"), 400)


def test_page_addresses_of_histories_belong_to_their_history(api: Api, tag: str) -> None:
    """Would break: a page address must not open another resource's history."""
    for id_ in (tag, tag[:-1]):
        for _ in range(3):
            api.make(patient(tag, id=id_))
    following = link(api.bundle(f"/Patient/{tag}/_history?_count=1"), "next")
    assert following is not None
    outcome(api.get(following.replace(tag, tag[:-1])), 400)
