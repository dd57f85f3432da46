"""Pages keep their promise while others write: what matched and did not change appears once, what changed at most once."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from typing import Any

import pytest
from tests.client import (
    SYSTEM,
    Api,
    Resource,
    ask,
    entries,
    fresh,
    identifier,
    link,
    observation,
    outcome,
    patient,
    post,
    put,
)

ORDERS = ["", "_lastUpdated", "-_lastUpdated", "_id", "-_id", "date", "-date", "value-quantity", "-value-quantity,date", "status", "-status,-date", "code,_lastUpdated", "value-string", "-value-string,status"]  # fmt: skip


def content(tag: str, chosen: random.Random) -> Resource:
    # Versions of a result that have come as far as each other: none would take another back (S16).
    made = observation(tag, status=chosen.choice(["amended", "corrected"]))
    if chosen.random() < 0.7:
        made["effectiveDateTime"] = chosen.choice(["2024", "2024-05", "2024-05-06T07:08:09Z", "2023-01-01"])
    made |= chosen.choice(
        [{"valueQuantity": {"value": chosen.randrange(4)}}, {"valueString": chosen.choice(["a", "B", "å"])}, {}]
    )
    return made


@pytest.mark.parametrize("order", ORDERS)
def test_pages_while_others_write(api: Api, tag: str, order: str) -> None:
    """Would break: a row lost or repeated because others were created, changed or deleted between two pages."""
    chosen = random.Random(order)
    ids = [f"{tag[:20]}-{n}" for n in range(40)]
    chosen.shuffle(ids)
    assert api.transact(*[put(content(tag, chosen) | {"id": id_}) for id_ in ids]).status_code == 200
    touched: set[str] = set()
    seen: list[str] = []
    address: str | None = f"/Observation?identifier={SYSTEM}|{tag}&_count=7" + (f"&_sort={order}" if order else "")
    while address is not None:
        page = api.bundle(address)
        seen += [entry["resource"]["id"] for entry in entries(page)]
        changing = chosen.sample(ids, 4)
        touched |= set(changing)
        work = [put(content(tag, chosen) | {"id": id_}) for id_ in changing[:2]]
        work += [ask("DELETE", f"Observation/{id_}") for id_ in changing[2:]]
        assert api.transact(*work, post(content(tag, chosen))).status_code == 200
        address = link(page, "next")
    assert len(seen) == len(set(seen)), "something stands twice"
    untouched = set(ids) - touched
    assert untouched <= set(seen), "something that did not change is missing"
    assert len(untouched) > 3


def test_pages_by_default_are_newest_first_and_whole(api: Api, tag: str) -> None:
    """Would break: order of creation; a change does not move a resource; no page is longer than asked."""
    ids = [api.make(patient(tag))["id"] for _ in range(9)]
    api.make(patient(tag, id=ids[4], active=True))
    assert api.ids(f"/Patient?identifier={tag}&_count=2") == ids[::-1]
    page = api.bundle(f"/Patient?identifier={tag}&_count=4")
    assert len(entries(page)) == 4
    assert "total" not in page
    assert api.bundle(f"/Patient?identifier={tag}")["total"] == 9
    assert link(page, "self") == f"{api.root}/fhir/Patient?identifier={tag}&_count=4"


def test_total_is_told_when_asked_for(api: Api, tag: str) -> None:
    """Would break: _total, _count=0 and _summary=count; and a page without them does not count."""
    for _ in range(5):
        api.make(patient(tag))
    for asked in ("_total=accurate", "_total=estimate"):
        assert api.bundle(f"/Patient?identifier={tag}&_count=2&{asked}")["total"] == 5
    assert "total" not in api.bundle(f"/Patient?identifier={tag}&_count=2&_total=none")
    for asked in ("_summary=count", "_count=0"):
        page = api.bundle(f"/Patient?identifier={tag}&{asked}")
        assert (page["total"], page.get("entry"), link(page, "next")) == (5, None, None)
    outcome(api.get(f"/Patient?identifier={tag}&_total=some"), 400)


def test_a_page_is_bounded(api: Api, tag: str) -> None:
    """Would break: _count over the limit is the limit; what is no number is refused."""
    assert "_count=1000" in str(link(api.bundle(f"/Patient?identifier={tag}&_count=99999999"), "self"))
    for bad in ("-1", "x", "1.5", "", "1e3", "١"):
        outcome(api.get(f"/Patient?identifier={tag}&_count={bad}"), 400)


def next_of(api: Api, tag: str) -> str:
    for _ in range(3):
        api.make(patient(tag))
    address = link(api.bundle(f"/Patient?identifier={tag}&_count=1"), "next")
    assert address is not None
    return address


def test_a_page_address_tells_nothing(api: Api, tag: str) -> None:
    """Would break: names stand in searches, so a page address must not show them."""
    address = next_of(api, tag)
    sealed = address.split("_page=")[1]
    assert tag not in address
    assert tag.encode() not in base64.urlsafe_b64decode(sealed + "==")
    assert len(entries(api.bundle(address))) == 1


def test_forged_and_foreign_page_addresses_are_refused(api: Api, tag: str, client: Callable[..., Api]) -> None:
    """Would break: a page address is for the one who got it, at the address that it was given for."""
    address = next_of(api, tag)
    sealed = address.split("_page=")[1]
    assert outcome(client("stranger").get(address), 400)[0]["expression"] == ["_page"]
    for forged in (
        sealed[:-4],
        sealed[:20] + "A" + sealed[21:] if sealed[20] != "A" else sealed[::-1],
        "",
        "A",
        "AAAA" * 20,
        "å",
        "a" * 5_000,
    ):
        outcome(api.get("/Patient", params={"_page": forged}), 400)
    for elsewhere in ("/Observation", "", "/Patient/1/Observation", "/Patient/_history", "/Patient/1/$everything"):
        outcome(api.get(f"{elsewhere}?_page={sealed}"), 400)


def test_an_expired_page_address_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch, journal: Any) -> None:
    """Would break: a page address is good for its time only."""
    from vaka import config
    from vaka.access.filter import AccessFilter
    from vaka.api.pages import Pages
    from vaka.api.secrets import secret

    pages = Pages(secret(journal.data, "page.key"))
    sealed: dict[str, Any] = {
        "parameters": [],
        "scope": "Patient",
        "upper": None,
        "values": [],
        "created": None,
        "rkey": None,
    }
    fresh_ = pages.seal(sealed, access=AccessFilter("tests"))
    assert api.get(f"/Patient?_page={fresh_}").status_code == 200
    monkeypatch.setattr(config, "PAGE_ADDRESS_LIFETIME_S", -1)
    outcome(api.get(f"/Patient?_page={pages.seal(sealed, access=AccessFilter('tests'))}"), 400)


def everything_ids(api: Api, address: str) -> list[str]:
    return sorted(api.ids(address))


def test_everything_of_a_patient(api: Api, tag: str) -> None:
    """Would break: the compartment whole, in pages, narrowed by type and time, and nothing of another patient."""
    one, other = (api.make(patient(tag))["id"] for _ in range(2))
    mine = [api.make(observation(tag, subject={"reference": f"Patient/{one}"}))["id"] for _ in range(5)]
    api.make(observation(tag, subject={"reference": f"Patient/{other}"}))
    account = {"resourceType": "Account", "status": "active", "subject": [{"reference": f"Patient/{one}"}]}
    mine.append(api.make(account)["id"])
    last = api.make(
        {"resourceType": "Flag", "status": "active", "code": {"text": "x"}, "subject": {"reference": f"Patient/{one}"}}
    )
    whole = sorted([one, *mine, last["id"]])
    assert everything_ids(api, f"/Patient/{one}/$everything") == whole
    assert everything_ids(api, f"/Patient/{one}/$everything?_count=2") == whole
    assert everything_ids(api, f"/Patient/{one}/$everything?_type=Observation,Patient&_count=3") == sorted(
        [one, *mine[:5]]
    )
    assert everything_ids(api, f"/Patient/{one}/$everything?_since={last['meta']['lastUpdated']}") == [last["id"]]
    outcome(api.get(f"/Patient/never-{tag}/$everything"), 404)
    for bad in ("_since=x", "_type=Foo", "_type=", "foo=bar", "_count=x", "start=x", "end=1&end=2", "_type=Location"):
        answer = api.get(f"/Patient/{one}/$everything?{bad}")
        assert answer.status_code in ((200, 400) if bad == "_type=" else (400, 404)), bad


def told(bundle: Resource) -> dict[str, set[str]]:
    """Ids of a searchset by mode."""
    return {mode: {entry["resource"]["id"] for entry in entries(bundle, mode)} for mode in ("match", "include")}


def test_everything_of_some_days_with_what_supports_it(api: Api, tag: str) -> None:
    """Would break: start and end by the days of care, _type given twice, POST, and the staff and units that entries refer to,
    never another patient's entries."""
    one, other = (api.make(patient(tag, birthDate="1980-01-01"))["id"] for _ in range(2))
    of_one, address = {"reference": f"Patient/{one}"}, f"/Patient/{one}/$everything"
    nurse = api.make({"resourceType": "Practitioner"})["id"]
    ward = api.make({"resourceType": "Organization", "name": "x"})["id"]
    theirs = api.make(observation(tag, subject={"reference": f"Patient/{other}"}))["id"]
    by_nurse = [{"reference": f"Practitioner/{nurse}"}]
    may = api.make(observation(tag, subject=of_one, effectiveDateTime="2024-05-10", performer=by_nurse))["id"]
    period = {"start": "2023-01-01", "end": "2023-03-01"}
    stay = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"code": "IMP"},
        "subject": of_one,
        "period": period,
    }
    winter = api.make(stay | {"serviceProvider": {"reference": f"Organization/{ward}"}})["id"]
    undated = api.make(observation(tag, subject=of_one, derivedFrom=[{"reference": f"Observation/{theirs}"}]))["id"]
    everyone, always = {one, may, winter, undated}, {one, undated}
    for asked, matches, extra in (
        ("", everyone, {nurse, ward}),
        ("?start=2024-05-10&end=2024-05-10", always | {may}, {nurse}),
        ("?start=2023-02-20&end=2023-02-20", always | {winter}, {ward}),
        ("?start=2023-03-02", always | {may}, {nurse}),
        ("?end=2023", always | {winter}, {ward}),
        ("?start=2025", always, set()),
        ("?_type=Observation&_type=Encounter", {may, undated, winter}, set()),
        ("?_type=Observation,Practitioner", {may, undated}, {nurse}),
        ("?_since=2100", set(), set()),
    ):
        assert told(api.bundle(address + asked)) == {"match": matches, "include": extra}, asked
    parameters = [
        {"name": "_type", "valueCode": "Observation"},
        {"name": "start", "valueDate": "2024-05-10"},
        {"name": "_count", "valueInteger": 1},
    ]
    posted = api.post(address, json={"resourceType": "Parameters", "parameter": parameters}).json()
    following = link(posted, "next")
    assert following is not None
    assert told(posted)["match"] | told(api.bundle(following))["match"] == {may, undated}
    assert told(api.post(address).json())["match"] == everyone
    for bad in ({"name": "start"}, {"name": "foo", "valueString": "x"}, {"name": "start", "valueDate": "x"}, {}):
        outcome(api.post(address, json={"resourceType": "Parameters", "parameter": [bad]}), 400)
    outcome(api.post(address, json=patient(tag)), 400)


def test_compartments(api: Api, tag: str) -> None:
    """Would break: what is in a compartment, by its definition, in one type and in all."""
    one, other = (api.make(patient(tag))["id"] for _ in range(2))
    seen = api.make(observation(tag, subject={"reference": f"Patient/{one}"}))["id"]
    performed = api.make(observation(tag, performer=[{"reference": f"Patient/{one}"}]))["id"]
    api.make(observation(tag, focus=[{"reference": f"Patient/{one}"}]))
    assert set(api.ids(f"/Patient/{one}/Observation")) == {seen, performed}
    assert api.ids(f"/Patient/{one}/Observation?subject=Patient/{one}") == [seen]
    assert api.ids(f"/Patient/{one}/Observation?subject=Patient/{other}") == []
    assert set(api.ids(f"/Patient/{one}/*")) >= {seen, performed}
    posted = api.post(f"/Patient/{one}/Observation/_search", data={"status": "final"})
    assert {entry["resource"]["id"] for entry in entries(posted.json())} == {seen, performed}
    encounter = api.make({"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}})["id"]
    within = api.make(observation(tag, encounter={"reference": f"Encounter/{encounter}"}))["id"]
    assert api.ids(f"/Encounter/{encounter}/Observation") == [within]
    for bad in (
        "/Organization/1/Observation",
        f"/Patient/{one}/Foo",
        f"/Patient/{one}/Location",
        "/Patient/a_b/Observation",
    ):
        assert api.get(bad).status_code in (400, 404), bad


def test_a_page_does_not_show_what_was_being_committed(api: Api, tag: str, journal: Any) -> None:
    """Would break: a change that had its sequence number before the first page, and committed after it, shown a second time."""
    ids = [api.make(patient(tag, birthDate=f"2000-01-0{n}"))["id"] for n in range(1, 6)]
    # The change is in a transaction that waits for a lock that another transaction of this test holds.
    import threading

    import psycopg

    from vaka.journal import cluster

    with psycopg.connect(cluster.at(journal.data / "pg").dsn()) as blocker:
        blocker.execute("LOCK TABLE idempotency IN SHARE MODE")  # a keyed request waits here, its change already made
        moved = patient(tag, id=ids[0], birthDate="2000-01-09")
        writer = threading.Thread(
            target=api.put,
            args=(f"/Patient/{ids[0]}",),
            kwargs={"json": moved, "headers": {"Idempotency-Key": fresh()}},
        )
        writer.start()
        for _ in range(200):
            waiting = blocker.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
            if waiting and waiting[0]:
                break
        page = api.bundle(f"/Patient?identifier={SYSTEM}|{tag}&_sort=birthdate&_count=2")
        blocker.rollback()
    writer.join()
    seen = [entry["resource"]["id"] for entry in entries(page)]
    following = link(page, "next")
    assert following is not None
    seen += api.ids(following)
    assert seen == ids
    assert identifier(tag)["value"] == tag
