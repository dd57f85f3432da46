"""A program's scopes over HTTP: what lies outside them answers like what does not exist, whichever way it is asked for.

The program here may read and search laboratory results and patients' identities, and write laboratory results; the same record
holds vital signs, conditions and other things that it must never learn of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import pytest
from tests.api.programs import LABORATORY, VITAL, Program, program, result
from tests.client import SYSTEM, Api, ask, entries, fresh, outcome, patient, post, put

__all__ = ["program"]
PATCH = {"Content-Type": "application/json-patch+json"}


@dataclass
class World:
    """What stands: a patient with an open result, a hidden one, a hidden condition. ``lab``: the program's client."""

    api: Api
    lab: Api
    tag: str
    patient: str
    open: str
    hidden: str
    condition: str


@pytest.fixture(scope="module")
def lab(journal: Any) -> Iterator[Api]:
    maker = program.__wrapped__(journal)  # type: ignore[attr-defined]
    register = next(maker)
    one: Program = register("system/Observation.cruds?category=laboratory", "system/Patient.rs")
    yield one.api()
    next(maker, None)


@pytest.fixture
def world(api: Api, lab: Api) -> World:
    tag = fresh()
    subject = api.make(patient(tag, name=[{"family": f"N{tag}"}]))["id"]
    of = {"subject": {"reference": f"Patient/{subject}"}}
    open_ = api.make(result(tag, LABORATORY, **of))["id"]
    hidden = api.make(result(tag, VITAL, valueString=f"secret {tag}", **of))["id"]
    condition = api.make({"resourceType": "Condition", "code": {"text": f"secret {tag}"}, **of})["id"]
    return World(api, lab, tag, subject, open_, hidden, condition)


def alike(one: httpx.Response, other: httpx.Response, *names: str) -> None:
    """The two answers differ in nothing but the names that were asked for."""
    assert one.status_code == other.status_code, (one.text, other.text)
    first, second = one.text, other.text
    for name in names:
        first, second = first.replace(name, "X"), second.replace(name, "X")
    assert first == second
    assert one.headers.get("etag") == other.headers.get("etag")


def test_reading(world: World) -> None:
    """Broken: read, vread or history tells of what lies outside, or hides what lies inside."""
    assert world.lab.get(f"/Observation/{world.open}").status_code == 200
    assert world.lab.get(f"/Observation/{world.open}/_history/1").status_code == 200
    assert len(world.lab.bundle(f"/Observation/{world.open}/_history")["entry"]) == 1
    nobody = fresh()
    for address in ("", "/_history/1", "/_history", "/$validate"):
        for type_, hidden in (("Observation", world.hidden), ("Condition", world.condition)):
            answer = world.lab.get(f"/{type_}/{hidden}{address}")
            assert answer.status_code == 404, address
            alike(answer, world.lab.get(f"/{type_}/{nobody}{address}"), hidden, nobody)
    assert world.lab.head(f"/Observation/{world.hidden}").status_code == 404


def test_conditional_reads_tell_nothing(world: World) -> None:
    """Broken: If-None-Match or If-Modified-Since answers before the scopes do."""
    for headers in (
        {"If-None-Match": 'W/"1"'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"},
    ):
        assert world.lab.get(f"/Observation/{world.hidden}", headers=headers).status_code == 404


def test_searching(world: World) -> None:
    """Broken: a search, its count, its order or its pages show what lies outside."""
    assert world.lab.ids(f"/Observation?identifier={world.tag}") == [world.open]
    for address in (
        f"/Observation?identifier={world.tag}&_total=accurate", f"/Observation?identifier={world.tag}&_summary=count",
        f"/Observation?identifier={world.tag}&_count=0", f"/Patient/{world.patient}/Observation?_total=accurate",
    ):  # fmt: skip
        assert world.lab.bundle(address)["total"] == 1, address
    for address in (
        f"/Observation?_id={world.hidden}", f"/Observation?_content=secret&identifier={world.tag}",
        f"/Observation?category=vital-signs&identifier={world.tag}", f"/Observation?category:not=laboratory&identifier={world.tag}",
        f"/Observation?value-string=secret&identifier={world.tag}", f"/Observation?_id={world.hidden},{world.condition}",
    ):  # fmt: skip
        found = world.lab.bundle(f"{address}&_total=accurate")
        assert (found["total"], entries(found)) == (0, []), address
    for sort in ("_lastUpdated", "code", "value-string", "-category"):
        assert world.lab.ids(f"/Observation?identifier={world.tag}&_sort={sort}") == [world.open]
    form = world.lab.post("/Observation/_search", data={"identifier": world.tag})
    assert [e["resource"]["id"] for e in entries(form.json())] == [world.open]


def test_searching_in_everything(world: World) -> None:
    """Broken: a search in the system or a compartment, $everything or a history of all shows other types."""
    wanted = {("Observation", world.open), ("Patient", world.patient)}
    for address in (f"/Patient/{world.patient}/$everything", f"/Patient/{world.patient}/*?_count=100"):
        found = {(e["resource"]["resourceType"], e["resource"]["id"]) for e in world.lab.bundle(address)["entry"]}
        assert found <= wanted, address
        assert ("Observation", world.open) in found
    all_ = world.lab.bundle(f"/?_type=Observation,Condition,Patient&_id={world.open},{world.hidden},{world.condition}")
    assert [e["resource"]["id"] for e in entries(all_)] == [world.open]
    page, seen = "/_history?_count=100", set()
    for _ in range(3):
        bundle = world.lab.bundle(page)
        seen |= {e["resource"]["id"] for e in bundle["entry"] if "resource" in e}
        assert {e["fullUrl"].split("/fhir/")[1].split("/")[0] for e in bundle["entry"]} <= {"Observation", "Patient"}
        page = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), "")
        if not page:
            break
    assert world.open in seen
    assert world.hidden not in seen


def test_types_without_a_scope(world: World) -> None:
    """Broken: a type outside the scopes looks empty, as if there were none (S3), or tells whether there are any."""
    for address in ("/Condition", "/Condition?code=x", "/Condition/_history", f"/Patient/{world.patient}/Condition"):
        answer = world.lab.get(address)
        assert outcome(answer, 404)[0]["code"] == "not-found"
    assert outcome(
        world.lab.post("/Condition", json={"resourceType": "Condition", "subject": {"reference": "Patient/1"}}), 404
    )
    alike(
        world.lab.get("/Condition?code=x"),
        world.lab.get("/AllergyIntolerance?code=x"),
        "Condition",
        "AllergyIntolerance",
    )
    assert outcome(world.lab.post("/Patient", json=patient(fresh())), 403)
    assert outcome(world.lab.get("/MedicationRequest?_revinclude=Observation:based-on"), 404)


def test_chains_and_has(world: World) -> None:
    """Broken: a question about something else answers yes or no for what lies outside."""
    assert world.lab.ids(f"/Observation?subject:Patient.identifier={world.tag}") == [world.open]
    assert world.lab.ids(f"/Patient?_has:Observation:patient:identifier={world.tag}") == [world.patient]
    assert world.lab.ids(f"/Patient?_has:Observation:patient:_id={world.hidden}") == []
    assert world.lab.ids(f"/Patient?_has:Observation:patient:value-string=secret&identifier={world.tag}") == []
    assert world.lab.ids(f"/Patient?_has:Condition:patient:_id={world.condition}") == []
    assert world.lab.ids(f"/Patient?_has:Condition:subject:code:text=secret&identifier={world.tag}") == []
    assert world.api.ids(f"/Patient?_has:Condition:patient:_id={world.condition}") == [
        world.patient
    ]  # the questions are real


def test_includes(world: World, api: Api) -> None:
    """Broken: _include or _revinclude brings in what lies outside."""
    encounter = api.make({"resourceType": "Encounter", "status": "finished", "class": {"code": "IMP"}})["id"]
    own = api.make(result(fresh(), LABORATORY, encounter={"reference": f"Encounter/{encounter}"}, derivedFrom=[
        {"reference": f"Observation/{world.hidden}"}], subject={"reference": f"Patient/{world.patient}"}))["id"]  # fmt: skip
    for include in ("Observation:encounter", "Observation:derived-from", "*", "Observation:*", "Observation:subject"):
        found = entries(world.lab.bundle(f"/Observation?_id={own}&_include={include}"), "include")
        assert {e["resource"]["resourceType"] for e in found} <= {"Patient"}, include
    for include in (
        "Observation:subject",
        "Condition:subject",
        "Observation:*",
        "Condition:*",
        "Condition:patient&_include:iterate=*",
    ):
        found = entries(world.lab.bundle(f"/Patient?_id={world.patient}&_revinclude={include}"), "include")
        ids = {e["resource"]["id"] for e in found}
        assert not ids & {world.hidden, world.condition, encounter}, include
    assert world.open in {
        e["resource"]["id"]
        for e in entries(world.lab.bundle(f"/Patient?_id={world.patient}&_revinclude=Observation:subject"), "include")
    }


def test_what_left_the_scope_is_hidden_with_its_past(world: World) -> None:
    """Broken: an old version, from before a resource came into the scopes or after it left them, is still given out."""
    api, lab = world.api, world.lab
    moved = api.make(result(world.tag, VITAL, valueString="before"))["id"]
    assert lab.get(f"/Observation/{moved}").status_code == 404
    api.make(result(world.tag, LABORATORY, id=moved, valueString="inside"))
    assert lab.get(f"/Observation/{moved}").json()["valueString"] == "inside"
    assert lab.get(f"/Observation/{moved}/_history/1").status_code == 404
    history = lab.bundle(f"/Observation/{moved}/_history")
    assert [e["resource"]["valueString"] for e in history["entry"]] == ["inside"]
    shown = [e["resource"] for e in lab.bundle("/Observation/_history?_count=50")["entry"] if "resource" in e]
    assert [r["valueString"] for r in shown if r["id"] == moved] == ["inside"]
    api.make(result(world.tag, VITAL, id=moved, valueString="after"))
    for address in ("", "/_history", "/_history/1", "/_history/2", "/_history/3"):
        assert lab.get(f"/Observation/{moved}{address}").status_code == 404, address


def test_creating(world: World, tag: str) -> None:
    """Broken: a program writes what it may not read, or under an id that it chooses."""
    assert world.lab.post("/Observation", json=result(tag)).status_code == 201
    outcome(world.lab.post("/Observation", json=result(tag, VITAL)), 403)
    outcome(world.lab.post("/Observation", json=result(tag, VITAL), headers={"Prefer": "handling=strict"}), 403)
    alike(
        world.lab.put(f"/Observation/{tag}", json=result(tag, id=tag)),
        world.lab.put(f"/Observation/{world.hidden}", json=result(tag, id=world.hidden)), tag, world.hidden,
    )  # fmt: skip
    assert world.api.get(f"/Observation/{world.hidden}").json()["meta"]["versionId"] == "1"
    assert world.api.get(f"/Observation/{tag}").status_code == 404
    outcome(world.lab.post("/Binary", content=b"x", headers={"Content-Type": "text/plain"}), 404)


def test_changing(world: World, tag: str) -> None:
    """Broken: a change takes a resource out of the scopes, or reaches one outside."""
    lab, nobody = world.lab, fresh()
    of = f"/Observation/{world.open}"
    assert lab.put(of, json=result(world.tag, id=world.open, valueString="new")).status_code == 200
    outcome(lab.put(of, json=result(world.tag, VITAL, id=world.open)), 403)
    leave = orjson.dumps([{"op": "replace", "path": "/category/0/coding/0/code", "value": "vital-signs"}])
    outcome(lab.patch(of, content=leave, headers=PATCH), 403)
    assert world.api.get(of).json()["meta"]["versionId"] == "2"
    enter = orjson.dumps([{"op": "replace", "path": "/category/0/coding/0/code", "value": "laboratory"}])
    wrong = orjson.dumps([{"op": "test", "path": "/valueString", "value": "guess"}])
    for content in (enter, wrong):
        answer = lab.patch(f"/Observation/{world.hidden}", content=content, headers=PATCH)
        assert answer.status_code == 404
        alike(answer, lab.patch(f"/Observation/{nobody}", content=content, headers=PATCH), world.hidden, nobody)
    for headers in ({}, {"If-Match": 'W/"1"'}, {"If-Match": "*"}, {"If-None-Match": "*"}):
        one = lab.put(f"/Observation/{world.hidden}", json=result(tag, id=world.hidden), headers=headers)
        other = lab.put(f"/Observation/{nobody}", json=result(tag, id=nobody), headers=headers)
        alike(one, other, world.hidden, nobody)
        assert one.status_code in (405, 412)
    outcome(lab.put(f"/Patient/{world.patient}", json=patient(world.tag, id=world.patient)), 403)
    assert world.api.get(f"/Observation/{world.hidden}").json()["meta"]["versionId"] == "1"


def test_deleting(world: World) -> None:
    """Broken: a deletion reaches what lies outside, or tells that it is there."""
    lab, nobody = world.lab, fresh()
    for headers in ({}, {"If-Match": 'W/"1"'}):
        alike(
            lab.delete(f"/Observation/{world.hidden}", headers=headers), lab.delete(f"/Observation/{nobody}", headers=headers),
            world.hidden, nobody,
        )  # fmt: skip
    assert world.api.get(f"/Observation/{world.hidden}").status_code == 200
    outcome(lab.delete(f"/Patient/{world.patient}"), 403)
    assert lab.delete(f"/Observation/{world.open}").status_code == 204
    assert world.api.get(f"/Observation/{world.open}").status_code == 410


def test_conditions_match_within_the_scopes(world: World, tag: str) -> None:
    """Broken: a conditional interaction finds, or refuses because of, what lies outside."""
    lab, api = world.lab, world.api
    api.make(result(tag, VITAL))
    nothing = result(tag)
    made = lab.post("/Observation", json=nothing, headers={"If-None-Exist": f"identifier={SYSTEM}|{tag}"})
    assert made.status_code == 201
    again = lab.post("/Observation", json=nothing, headers={"If-None-Exist": f"identifier={SYSTEM}|{tag}"})
    assert (again.status_code, again.json()["id"]) == (200, made.json()["id"])
    api.make(result(tag, VITAL))  # three by now: one of them the program's
    changed = lab.put(f"/Observation?identifier={SYSTEM}|{tag}", json=result(tag, valueString="x"))
    assert (changed.status_code, changed.json()["id"]) == (200, made.json()["id"])
    assert lab.delete(f"/Observation?identifier={SYSTEM}|{tag}").status_code == 204
    assert lab.delete(f"/Observation?identifier={SYSTEM}|{tag}").status_code == 204
    assert len(api.ids(f"/Observation?identifier={tag}")) == 2
    patch = orjson.dumps([{"op": "remove", "path": "/category"}])
    outcome(lab.patch(f"/Observation?identifier={SYSTEM}|{tag}", content=patch, headers=PATCH), 404)
    outcome(
        lab.post("/Observation", json=nothing, headers={"If-None-Exist": "subject:Patient.identifier=1&_has:x:y:z=1"}),
        400,
    )
    outcome(lab.delete(f"/Condition?subject=Patient/{world.patient}"), 404)


def test_transactions_and_batches(world: World, tag: str) -> None:
    """Broken: a bundle does together what the scopes refuse one by one."""
    lab, nobody = world.lab, fresh()
    fine = lab.transact(
        post(result(tag)), ask("GET", f"Observation?identifier={world.tag}"), ask("GET", f"Observation/{world.open}")
    )
    assert fine.status_code == 200, fine.text
    assert [e["resource"]["id"] for e in entries(fine.json()["entry"][1]["resource"])] == [world.open]
    for bad, status in (
        (post(result(tag, VITAL)), 403), (put(result(tag, id=world.hidden)), 405), (put(result(tag, id=nobody)), 405),
        (ask("GET", f"Observation/{world.hidden}"), 404), (ask("GET", f"Condition?subject=Patient/{world.patient}"), 404),
        (post(patient(tag)), 403), (post({"resourceType": "Condition", "subject": {"reference": f"Patient/{world.patient}"}}), 404),
        (ask("DELETE", f"Patient/{world.patient}"), 403),
    ):  # fmt: skip
        other = fresh()
        outcome(lab.transact(post(result(other)), bad), status)
        assert world.api.ids(f"/Observation?identifier={other}") == [], "nothing of a refused transaction stands"
        batch = lab.transact(post(result(other)), bad, type_="batch").json()["entry"]
        assert batch[0]["response"]["status"].startswith("201")
        assert batch[1]["response"]["status"].startswith(str(status)), batch[1]
    reference = result(
        tag, derivedFrom=[{"reference": f"Observation?identifier={SYSTEM}|{world.tag}&category=vital-signs"}]
    )
    outcome(lab.transact(post(reference)), 422)
    strict = {"Prefer": "handling=strict"}
    for target in (world.hidden, nobody):
        issues = outcome(
            lab.post(
                "/Observation", json=result(tag, derivedFrom=[{"reference": f"Observation/{target}"}]), headers=strict
            ),
            422,
        )
        assert issues[0]["diagnostics"].replace(target, "X") == "Observation/X does not exist"


def test_many_creates_at_once_fail_alone(world: World, tag: str) -> None:
    """Broken: in a group commit, one write outside the scopes takes others with it, or slips in among them."""
    from concurrent.futures import ThreadPoolExecutor

    def create(n: int) -> int:
        return world.lab.post("/Observation", json=result(tag, VITAL if n % 3 == 0 else LABORATORY)).status_code

    with ThreadPoolExecutor(12) as pool:
        told = list(pool.map(create, range(36)))
    assert told == [403 if n % 3 == 0 else 201 for n in range(36)]
    assert len(world.api.ids(f"/Observation?identifier={tag}")) == 24


def test_keys_and_pages_of_another_program(world: World, program: Callable[..., Program], tag: str) -> None:
    """Broken: what was given to one program is shown to another."""
    other = program("system/Observation.rs?category=vital-signs").api()
    sent = {"Idempotency-Key": tag}
    made = world.lab.post("/Observation", json=result(tag), headers=sent)
    assert made.status_code == 201
    assert world.lab.post("/Observation", json=result(tag), headers=sent).json() == made.json()
    outcome(other.post("/Observation", json=result(tag), headers=sent), 403)
    world.lab.post("/Observation", json=result(tag))
    page = world.lab.bundle(f"/Observation?identifier={tag}&_count=1")
    following = next(link["url"] for link in page["link"] if link["relation"] == "next")
    assert world.lab.get(following).status_code == 200
    outcome(other.get(following), 400)


def test_the_feed_needs_its_own_scope(world: World, program: Callable[..., Program], journal: Any) -> None:
    """Broken: scopes on the record open the feed, which holds all of it, or the feed's scope opens the record."""
    address = journal.url + "/feed"
    assert world.lab.get(address).status_code == 403
    everything = program("system/*.cruds").api()
    assert everything.get(address).status_code == 403
    feeding = program("feed").api()
    assert feeding.head(address).status_code == 200
    outcome(feeding.get("/Patient"), 403)
    outcome(feeding.post("/Patient", json=patient(fresh())), 403)


def test_letters(program: Callable[..., Program], api: Api, tag: str) -> None:
    """Broken: a letter of a scope opens more than it stands for."""
    id_ = api.make(result(tag))["id"]
    reads = program("system/Observation.r").api()
    assert reads.get(f"/Observation/{id_}").status_code == 200
    outcome(reads.get(f"/Observation?identifier={tag}"), 403)
    outcome(reads.get("/Observation/_history"), 403)
    finds = program("system/Observation.s").api()
    outcome(finds.get(f"/Observation/{id_}"), 404)
    assert finds.ids(f"/Observation?identifier={tag}") == [id_]
    writes = program("system/Observation.cu").api()
    assert writes.post("/Observation", json=result(tag)).status_code == 201
    assert writes.put(f"/Observation/{id_}", json=result(tag, id=id_)).status_code == 200
    outcome(writes.get(f"/Observation/{id_}"), 404)
    outcome(writes.delete(f"/Observation/{id_}"), 403)
    outcome(writes.patch(f"/Observation/{id_}", content=b"[]", headers=PATCH), 404)
    outcome(writes.post("/Observation", json=result(tag), headers={"If-None-Exist": f"identifier={tag}"}), 403)


def test_all_rights_in_other_words(program: Callable[..., Program], tag: str) -> None:
    """Broken: system/*.* is less than it was, or all letters on everything are not the same."""
    for scopes in (("system/*.*",), ("system/*.rs", "system/*.cud")):
        every = program(*scopes).api()
        assert (
            every.put(f"/Basic/{tag}", json={"resourceType": "Basic", "id": tag, "code": {"text": "x"}}).status_code
            < 300
        )


def test_a_program_of_one_provider(program: Callable[..., Program], api: Api, tag: str) -> None:
    """Broken: one care provider's program reads or changes what another provider owns."""
    ours, theirs = (api.make({"resourceType": "Organization", "name": f"{name} {tag}"})["id"] for name in ("A", "B"))

    def entry(provider: str, **members: Any) -> dict[str, Any]:
        made = {
            "resourceType": "Encounter",
            "status": "finished",
            "class": {"code": "AMB"},
            "identifier": [{"value": tag}],
        }
        return {**made, "serviceProvider": {"reference": f"Organization/{provider}"}, **members}

    own, foreign = (api.make(entry(provider))["id"] for provider in (ours, theirs))
    one = program("system/*.*", provider=ours).api()
    assert one.get(f"/Encounter/{own}").status_code == 200
    for address in ("", "/_history", "/_history/1"):
        outcome(one.get(f"/Encounter/{foreign}{address}"), 404)
    assert one.ids(f"/Encounter?identifier={tag}") == [own]
    assert one.get(f"/Organization/{theirs}").status_code == 200  # the directory is everybody's
    outcome(one.put(f"/Encounter/{foreign}", json=entry(ours, id=foreign)), 405)
    outcome(one.post("/Encounter", json=entry(theirs)), 403)
    outcome(one.put(f"/Encounter/{own}", json=entry(theirs, id=own)), 403)
    outcome(
        one.put(f"/Organization/{theirs}", json={"resourceType": "Organization", "id": theirs, "name": "mine"}), 403
    )
    made = one.post("/Observation", json=result(tag))
    assert made.status_code == 201
    assert one.ids(f"/Observation?identifier={tag}") == [made.json()["id"]]
    foreign_program = program("system/*.*", provider=theirs).api()
    assert foreign_program.ids(f"/Observation?identifier={tag}") == []


def test_a_protected_identity_is_masked_and_not_written_back(
    program: Callable[..., Program], api: Api, tag: str
) -> None:
    """Broken: a program with scopes sees where somebody protected lives, finds by it, or writes a masked body over the whole."""
    secret = [{"city": f"Kista {tag}"}]
    label = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}
    id_ = api.make(patient(tag, address=secret, meta=label))["id"]
    one = program("system/Patient.cruds").api()
    shown = one.get(f"/Patient/{id_}")
    assert shown.status_code == 200
    assert "address" not in shown.json()
    assert one.ids(f"/Patient?identifier={tag}") == [id_]
    assert one.ids(f"/Patient?identifier={tag}&address-city=Kista") == []
    outcome(one.put(f"/Patient/{id_}", json=patient(tag, id=id_)), 403)
    outcome(one.patch(f"/Patient/{id_}", content=b'[{"op":"remove","path":"/identifier"}]', headers=PATCH), 403)
    outcome(one.delete(f"/Patient/{id_}"), 403)
    by_place = program("system/Patient.rs?address-city=Kista").api()
    outcome(by_place.get(f"/Patient/{id_}"), 404)
    assert api.get(f"/Patient/{id_}").json()["address"] == secret


def test_what_may_be_read_and_not_changed(program: Callable[..., Program], api: Api, tag: str) -> None:
    """Broken: a program draws what it may only read into what it may change, or deletes it."""
    id_ = api.make(result(tag, VITAL))["id"]
    one = program("system/Observation.rs", "system/Observation.ud?category=laboratory").api()
    assert one.get(f"/Observation/{id_}").status_code == 200
    outcome(one.put(f"/Observation/{id_}", json=result(tag, LABORATORY, id=id_)), 403)
    draw = b'[{"op":"replace","path":"/category/0/coding/0/code","value":"laboratory"}]'
    outcome(one.patch(f"/Observation/{id_}", content=draw, headers=PATCH), 403)
    outcome(one.delete(f"/Observation/{id_}"), 403)
    assert api.get(f"/Observation/{id_}").json()["meta"]["versionId"] == "1"
