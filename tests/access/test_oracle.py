"""Random regions, people and questions, over HTTP, against the oracle: not one answer may show more or less.

``PAIRS`` questions in the default run, forty times as many in ``--all``. Each question is one request or more; what is answered is
compared whole. What cannot be asked of a world or by a person is not counted.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.access.oracle import knows, searches, sees, writes
from tests.access.world import CODES, SYSTEM, Opening, Person, Program, Thing, World, load, worlds
from tests.api.programs import program as registered
from tests.client import Api, fresh, link, outcome
from tests.conftest import Instance

from vaka.access.session import Purpose, Right

PAIRS, WORLDS = 2_500, 2
PROGRAMS = 0.1
"""The share of the questions that programs ask."""
Asking = tuple[Person | Program, Api, dict[int, str]]


class Refused(Exception):
    """The question was refused, as it has to be: there is no more to it."""


class Unasked(Exception):
    """This person cannot ask this here: another question is asked instead."""


@dataclass
class Asked:
    """Somebody asking: the client, and what the oracle says that may be done with each thing: letters of ``rsud``."""

    world: World
    who: Person | Program
    api: Api
    answers: dict[int, str]
    chance: random.Random

    def visible(self, thing: Thing, letters: str = "s") -> bool:
        return any(letter in self.answers[id(thing)] for letter in letters)

    def refused(self, *types: str) -> bool:
        """Whether a search for these is refused, not answered with nothing."""
        return isinstance(self.who, Program) and not searches(self.who, types)

    def of(self, type_: str) -> list[Thing]:
        return [thing for thing in self.world.things if thing.type == type_]

    def seen(self, type_: str, *, where: Callable[[Thing], bool] = lambda _: True, letters: str = "s") -> set[str]:
        return {thing.id for thing in self.of(type_) if where(thing) and self.visible(thing, letters)}

    def get(self, address: str) -> httpx.Response:
        return self.api.get(address)

    def found(self, address: str, mode: str = "match", types: tuple[str, ...] = ()) -> set[str]:
        """Type/id of what all pages of a search hold; each once. ``types``: what is searched, if not what the address begins
        with."""
        if self.refused(*(types or (address.partition("?")[0].strip("/").partition("/")[0],))):
            assert self.get(address).status_code in (403, 404), address
            raise Refused
        got: list[str] = []
        following: str | None = address
        while following is not None:
            page = self.api.bundle(following)
            got += [
                f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
                for entry in page.get("entry", ())
                if entry.get("search", {}).get("mode", "match") == mode
                and "resource" in entry  # else a deletion, of another test
            ]
            following = link(page, "next")
        ours = [name for name in got if name.partition("/")[2].startswith(self.world.tag)]
        assert len(ours) == len(set(ours)), ours  # in a history, entries of other tests stand once for each version
        return set(got)


def _full(type_: str, ids: set[str]) -> set[str]:
    return {f"{type_}/{id_}" for id_ in ids}


def read(asked: Asked) -> None:
    thing = asked.chance.choice(asked.world.things)
    address = f"/{thing.type}/{thing.id}"
    answer = asked.get(asked.chance.choice((address, f"{address}/_history/1", f"{address}?_elements=id")))
    assert answer.status_code == (200 if asked.visible(thing, "r") else 404), (thing, answer.text)
    if not asked.visible(thing, "r"):
        _tells_nothing(answer, asked, thing)


def _tells_nothing(answer: httpx.Response, asked: Asked, thing: Thing) -> None:
    """An answer about what is hidden is the answer about what does not exist."""
    other = asked.get(str(answer.request.url).replace(thing.id, thing.id + "none"))
    assert answer.status_code == other.status_code
    assert answer.text.replace(thing.id, "ID") == other.text.replace(thing.id + "none", "ID")
    assert "etag" not in answer.headers
    assert "last-modified" not in answer.headers


def masked(asked: Asked) -> None:
    patient = asked.chance.choice(asked.world.patients)
    thing = next(t for t in asked.of("Patient") if t.id == patient)
    if not asked.visible(thing, "r") or not asked.visible(thing, "s"):
        raise Unasked
    addresses = (f"/Patient/{patient}", f"/Patient/{patient}/_history/1", f"/Patient?_id={patient}", f"/Patient/{patient}/_history",
                 f"/Patient/{patient}/$everything?_type=Patient", f"/Patient/{patient}?_summary=data")  # fmt: skip
    text = asked.get(asked.chance.choice(addresses)).text
    assert patient in text
    assert (asked.world.contact[patient] in text) == (patient not in asked.world.protected)


def by_address(asked: Asked) -> None:
    """A protected identity is not found by what is masked."""
    patient = asked.chance.choice(asked.world.patients)
    question = asked.chance.choice((
        f"/Patient?address={asked.world.contact[patient]}", f"/Patient?address-city=Stad{patient}", f"/Patient?family=Namn{patient}",
        f"/Patient?_content={asked.world.contact[patient]}", f"/Patient?name:contains=namn{patient}", f"/Patient?address-city:exact=Stad{patient}",
    ))  # fmt: skip
    expected = set() if patient in asked.world.protected else asked.seen("Patient", where=lambda t: t.id == patient)
    assert asked.found(question) == _full("Patient", expected), question


def search(asked: Asked) -> None:
    type_ = asked.chance.choice(("Observation", "Condition", "AllergyIntolerance"))
    code = asked.chance.choice(CODES)
    tag = asked.world.tag
    token = quote(f"{SYSTEM}|{tag}{code}")
    date = {"Observation": "date", "Condition": "onset-date", "AllergyIntolerance": "date"}[type_]
    sort = asked.chance.choice(
        ("", f"&_sort=-{date}", f"&_sort={date}", "&_sort=_id", "&_sort=code", "&_sort=-_lastUpdated")
    )
    expected = asked.seen(type_, where=lambda t: t.code == code)
    address = f"/{type_}?code={token}&_count={asked.chance.choice((1, 2, 50))}{sort}"
    assert asked.found(address) == _full(type_, expected), address


def counted(asked: Asked) -> None:
    patient = asked.chance.choice(asked.world.patients)
    type_ = asked.chance.choice(("Observation", "Condition", "Encounter", "Consent", "Appointment"))
    name = "patient" if type_ != "Observation" else asked.chance.choice(("patient", "subject"))
    expected = len(asked.seen(type_, where=lambda t: t.patient == patient))
    how = asked.chance.choice(("_summary=count", "_total=accurate&_count=1", "_count=0"))
    if asked.refused(type_):
        raise Refused
    page = asked.api.bundle(f"/{type_}?{name}=Patient/{patient}&{how}")
    assert page["total"] == expected, (type_, patient, how)


def compartment(asked: Asked) -> None:
    patient = asked.chance.choice(asked.world.patients)
    type_ = asked.chance.choice(("Observation", "Condition", "Encounter", "Consent"))
    expected = asked.seen(type_, where=lambda t: t.patient == patient)
    assert asked.found(f"/Patient/{patient}/{type_}?_count=3", types=(type_,)) == _full(type_, expected)


def chained(asked: Asked) -> None:
    """What a chain passes through must be visible too: else it tells of what is hidden."""
    patient = asked.chance.choice(asked.world.patients)
    status = asked.chance.choice(("in-progress", "finished"))
    encounters = asked.seen("Encounter", where=lambda t: t.code == status)
    known = asked.seen("Patient", where=lambda t: t.id == patient)
    expected = asked.seen("Observation", where=lambda t: t.patient in known and t.encounter in encounters)
    number = quote(f"{SYSTEM}|{patient}")
    address = f"/Observation?patient.identifier={number}&encounter.status={status}"
    assert asked.found(address) == _full("Observation", expected), address


def has(asked: Asked) -> None:
    code = asked.chance.choice(CODES)
    token = quote(f"{SYSTEM}|{asked.world.tag}{code}")
    type_ = asked.chance.choice(("Observation", "Condition"))
    holders = {thing.patient for thing in asked.of(type_) if thing.code == code and asked.visible(thing)}
    expected = asked.seen("Patient", where=lambda t: t.id in holders)
    assert asked.found(f"/Patient?_has:{type_}:patient:code={token}") == _full("Patient", expected)


def included(asked: Asked) -> None:
    patient = asked.chance.choice(asked.world.patients)
    matches = [t for t in asked.of("Observation") if t.patient == patient and asked.visible(t)]
    encounters = {t.encounter for t in matches} & asked.seen("Encounter", letters="rs")
    patients = asked.seen("Patient", where=lambda t: t.id == patient, letters="rs") if matches else set()
    address = f"/Observation?patient={patient}&_include=Observation:encounter&_include=Observation:patient"
    assert asked.found(address) == _full("Observation", {t.id for t in matches}), address
    got = {name for name in asked.found(address, "include") if not name.startswith("OperationOutcome")}
    assert got == _full("Encounter", {e for e in encounters if e}) | _full("Patient", patients), address


def reverse_included(asked: Asked) -> None:
    patient = asked.chance.choice(asked.world.patients)
    expected = asked.seen("Observation", where=lambda t: t.patient == patient)
    conditions = asked.seen("Condition", where=lambda t: t.patient == patient)
    if not asked.visible(next(t for t in asked.of("Patient") if t.id == patient)):
        expected, conditions = set(), set()
    address = f"/Patient?_id={patient}&_revinclude=Observation:patient&_revinclude=Condition:subject"
    assert asked.found(address, "include") == _full("Observation", expected) | _full("Condition", conditions)


def everything(asked: Asked) -> None:
    patient = asked.chance.choice(asked.world.patients)
    visible = [t for t in asked.world.things if t.patient == patient and asked.visible(t)]
    if not asked.seen("Patient", where=lambda t: t.id == patient, letters="r"):
        assert asked.get(f"/Patient/{patient}/$everything").status_code == 404
        return
    types = ("Patient", "Observation", "Condition", "AllergyIntolerance", "Encounter", "Appointment", "Consent")
    everything_ = asked.found(f"/Patient/{patient}/$everything?_count=4", types=types)
    got = {name for name in everything_ if name.partition("/")[0] in types}
    assert got == {f"{t.type}/{t.id}" for t in visible}


def words(asked: Asked) -> None:
    word = f"ord{asked.world.tag}{asked.chance.choice(('x', 'y'))}"
    type_ = asked.chance.choice(("Observation", "Condition"))
    expected = asked.seen(type_, where=lambda t: t.word == word)
    assert asked.found(f"/{type_}?_content={word}") == _full(type_, expected)


def history(asked: Asked) -> None:
    thing = asked.chance.choice(asked.world.things)
    answer = asked.get(f"/{thing.type}/{thing.id}/_history")
    assert answer.status_code == (200 if asked.visible(thing, "r") else 404)
    if answer.status_code == 404:
        _tells_nothing(answer, asked, thing)


def type_history(asked: Asked) -> None:
    type_ = asked.chance.choice(("Observation", "Consent", "Encounter"))
    ours = {thing.id for thing in asked.of(type_)}
    got = asked.found(f"/{type_}/_history?_count=200&_since={quote(asked.world.began)}", types=(type_,))
    assert {name for name in got if name.partition("/")[2] in ours} == _full(type_, asked.seen(type_))


def write_hidden(asked: Asked) -> None:
    """Writing to what is hidden is like writing to what does not exist, and changes nothing."""
    hidden = [t for t in asked.world.things if not asked.visible(t, "rsud")]
    if not hidden:
        raise Unasked
    thing = asked.chance.choice(hidden)
    how = asked.chance.randrange(4)
    answers = []
    for id_ in (thing.id, thing.id + "none"):
        body = {"resourceType": thing.type, "id": id_, **thing.resource}
        match how:
            case 0:
                answers.append(asked.api.put(f"/{thing.type}/{id_}", json=body))
            case 1:
                answers.append(asked.api.delete(f"/{thing.type}/{id_}"))
            case 2:
                patch = [{"op": "add", "path": "/language", "value": "sv"}]
                headers = {"Content-Type": "application/json-patch+json"}
                answers.append(asked.api.patch(f"/{thing.type}/{id_}", json=patch, headers=headers))
            case _:
                answers.append(asked.api.put(f"/{thing.type}/{id_}", json=body, headers={"If-Match": 'W/"1"'}))
    first, second = answers
    assert first.status_code == second.status_code
    assert first.text.replace(thing.id, "ID") == second.text.replace(thing.id + "none", "ID")
    assert "etag" not in first.headers


def in_a_bundle(asked: Asked) -> None:
    """Batches and transactions go through the same door."""
    things = asked.chance.sample(asked.world.things, 3)
    requests = [{"request": {"method": "GET", "url": f"{t.type}/{t.id}"}} for t in things]
    answer = asked.api.transact(*requests, type_="batch")
    got = [entry["response"]["status"][:3] for entry in answer.json()["entry"]]
    assert got == ["200" if asked.visible(t, "r") else "404" for t in things]


def conditional(asked: Asked) -> None:
    """A condition is matched over identities and the own provider's information, and never tells more."""
    patient = asked.chance.choice(asked.world.patients)
    body = {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": patient}], "name": [{"family": "X"}]}
    who = asked.who
    if isinstance(who, Person) and ("write" not in who.rights or who.purpose == "quality" or "read" not in who.rights):
        raise Unasked
    answer = asked.api.post(
        "/Patient", json=body, headers={"If-None-Exist": f"identifier={quote(f'{SYSTEM}|{patient}')}"}
    )
    if isinstance(who, Program) and not (writes(who) and asked.seen("Patient", where=lambda t: t.id == patient)):
        assert answer.status_code in (403, 404), answer.text
        assert patient not in answer.text
        return
    assert answer.status_code == 200, answer.text
    assert answer.json()["id"] == patient
    assert (asked.world.contact[patient] in answer.text) == (patient not in asked.world.protected)


QUESTIONS = (
    read, read, read, masked, by_address, search, search, counted, compartment, chained, has, included, reverse_included,
    everything, words, history, type_history, write_hidden, in_a_bundle, conditional,
)  # fmt: skip


def _session(journal: Instance, person: Person) -> Api:
    token = journal.session(
        person=person.name, practitioner=person.name, unit=person.unit, provider=person.provider,
        purpose=Purpose(person.purpose), rights=frozenset(Right(right) for right in person.rights),
    )  # fmt: skip
    return journal.client(token)


def _program(journal: Instance, program: Program) -> Api:
    """A client with the program's scopes: by a token of the operator's, or as a registered program of one provider."""
    scopes = [scope.text for scope in program.scopes]
    if program.provider is None:
        return journal.client(journal.token(program.name, frozenset(scopes)))
    register = next(registered.__wrapped__(journal))  # type: ignore[attr-defined]
    return journal.client(register(*scopes, provider=program.provider).ask().json()["access_token"])


def _open(api: Api, opening: Opening) -> None:
    parts: list[dict[str, Any]] = [{"name": "what", "valueCode": opening.what}]
    if opening.target is not None:
        parts.append({"name": "target", "valueReference": {"reference": f"Organization/{opening.target}"}})
    if opening.what in ("emergency", "inner-block"):
        parts.append({"name": "reason", "valueString": "unconscious, bleeding"})
    if opening.what == "emergency":
        parts.append({"name": "no-consent", "valueString": "cannot answer, no relatives"})
    answer = api.post(f"/Patient/{opening.patient}/$open", json={"resourceType": "Parameters", "parameter": parts})
    assert answer.status_code == 201, answer.text


def _ask(journal: Instance, api: Api, world: World, seed: int, questions: int) -> Counter[str]:
    """How many of each question were asked and answered as the oracle says."""

    def transact(requests: list[dict[str, Any]]) -> None:
        answer = api.transact(*requests)
        assert answer.status_code == 200, answer.text

    load(world, transact)
    asking: list[Asking] = []
    programs: list[Asking] = []
    try:
        for person in world.people:
            client = _session(journal, person)
            for opening in world.openings:
                if opening.person == person.name:
                    _open(client, opening)
            visible = {id(thing): "rsud" if sees(world, person, thing) else "" for thing in world.things}
            asking.append((person, client, visible))
        for program in world.programs:
            letters = {id(t): "".join(letter for letter in "rsud" if knows(program, t, letter)) for t in world.things}
            programs.append((program, _program(journal, program), letters))
        chance = random.Random(seed)
        agreed: Counter[str] = Counter()
        while agreed.total() < questions:
            who, client, visible = chance.choice(programs if chance.random() < PROGRAMS else asking)
            asked = Asked(world, who, client, visible, chance)
            if isinstance(who, Person) and "read" not in who.rights:
                thing = chance.choice(world.things)
                assert client.get(f"/{thing.type}/{thing.id}").status_code == 403
                agreed["without the right to read"] += 1
                continue
            question = chance.choice(QUESTIONS)
            try:
                question(asked)
                agreed[question.__name__] += 1
            except Refused:
                agreed["refused as it has to be"] += 1
            except Unasked:
                continue
            except AssertionError as error:
                error.add_note(f"{question.__name__}: {who}")
                raise
        return agreed
    finally:
        for _, client, _ in (*asking, *programs):
            client.close()


def _run(journal: Instance, api: Api, pairs: int, worlds_: int) -> None:
    @settings(
        max_examples=worlds_, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.data(), st.integers(0, 2**32))
    def ask(data: st.DataObject, seed: int) -> None:
        agreed.update(_ask(journal, api, data.draw(worlds(f"w{fresh()[:8]}")), seed, pairs // worlds_))

    agreed: Counter[str] = Counter()
    ask()
    print(f"{agreed.total()} questions answered as the oracle says: {dict(agreed.most_common())}")
    assert agreed.total() >= pairs
    assert {question.__name__ for question in QUESTIONS} <= agreed.keys()


@pytest.mark.timeout(900)
def test_people_see_what_the_rules_say(journal: Instance, api: Api) -> None:
    """Breaks if any interaction shows more, or less, than the oracle allows."""
    _run(journal, api, PAIRS, WORLDS)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_people_see_what_the_rules_say_at_length(journal: Instance, api: Api) -> None:
    """Breaks as above, in rarer cases: 100,000 questions."""
    _run(journal, api, PAIRS * 40, WORLDS * 40)


def test_nobody_without_a_right_learns_anything(journal: Instance) -> None:
    """Breaks if an assignment without reading gets more than a refusal."""
    person = Person(f"h{fresh()}", "u", "p", "care", frozenset({"write"}))
    client = _session(journal, person)
    outcome(client.get("/Patient"), 403)
    client.close()
