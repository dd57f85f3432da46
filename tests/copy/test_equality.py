"""Journal and copy are asked the same random questions by the same callers: their answers are equal but for Bundle.id, meta and links."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.access.test_oracle import _open, _program, _session
from tests.access.world import CODES, World, load, worlds
from tests.access.world import SYSTEM as WORLDS
from tests.api.sample import SORTS, Sample
from tests.client import SYSTEM, Api, Resource, fresh, link, put
from tests.conftest import Instance
from tests.copied import ANSWERED_BY
from tests.copy.conftest import Copied

SEED = 20261129
QUESTIONS, OF_PEOPLE = 400, 400
INCLUDES = (
    "_include=Observation:subject", "_include=*", "_include=Observation:encounter&_include:iterate=Encounter:subject",
    "_revinclude=Observation:subject", "_revinclude=*", "_include=Patient:general-practitioner", "_include=Encounter:subject",
)  # fmt: skip
SCOPES = (
    frozenset({"system/*.*"}),
    frozenset({"system/*.rs"}),
    frozenset({"system/Observation.rs?status=final", "system/Patient.rs?gender=female", "system/Encounter.r"}),
    frozenset({f"system/Patient.rs?_tag={SYSTEM}|x", "system/Observation.s", "system/Condition.rs"}),
)


def plain(bundle: Resource) -> Resource:
    """What must be equal."""
    return {name: value for name, value in bundle.items() if name not in ("id", "meta", "link")}


class Both:
    """One caller, at the journal and at its copy."""

    def __init__(self, name: str, ours: Api, theirs: Api) -> None:
        self.name, self.copy, self.journal = name, ours, theirs
        self.pages = 0

    def ask(self, address: str) -> None:
        """Asks both, page by page, until there is no more, or three pages."""
        first: str | None = address
        second: str | None = address
        for _ in range(3):
            assert first is not None
            assert second is not None
            theirs, ours = self.journal.get(second), self.copy.get(first)
            place = f"seed {SEED}, {self.name}: {address}"
            assert ours.status_code == theirs.status_code, (
                f"{place}: {ours.status_code}, not {theirs.status_code}: {ours.text[:500]}"
            )
            assert ours.headers.get(ANSWERED_BY) == "copy", place
            if ours.status_code != 200 or "link" not in ours.json():
                assert ours.json() == theirs.json(), place
                return
            assert plain(ours.json()) == plain(theirs.json()), place
            self.pages += bool(ours.json().get("entry"))
            first, second = (link(answer.json(), "next") for answer in (ours, theirs))
            assert (first is None) == (second is None), place
            if first is None:
                return


@pytest.fixture(scope="module")
def sample(api: Api) -> Sample:
    made = Sample(SEED, fresh())
    for start in range(0, len(made.resources), 100):
        answer = api.transact(*[put(one) for one in made.resources[start : start + 100]])
        assert answer.status_code == 200, answer.text[:2000]
    return made


def test_random_searches_of_programs_are_answered_alike(journal: Copied, directly: Instance, sample: Sample) -> None:
    """Breaks if a kind, prefix, modifier, chain, order, count, page, include or scope means another thing on a copy."""
    chosen = sample.random
    asking = []
    for n, scopes in enumerate(SCOPES):
        token = journal.token(f"equality-{n}", scopes)
        asking.append(Both(str(sorted(scopes)), journal.client(token), directly.client(token)))
    for _ in range(QUESTIONS):
        type_, parameters = sample.search()
        asked = urlencode([("_tag", f"{SYSTEM}|{sample.tag}"), *parameters])
        if type_ in SORTS and chosen.random() < 0.5:
            keys = chosen.sample(SORTS[type_], min(chosen.choice([1, 1, 2, 3]), len(SORTS[type_])))
            asked += "&_sort=" + ",".join(chosen.choice(["", "-"]) + key for key in keys)
        asked += chosen.choice(("", "&_count=3", "&_count=7", "&_count=100", "&_summary=count", "&_count=0"))
        asked += chosen.choice(("", "", "&_total=accurate"))
        asked += chosen.choice(("", "", "&" + chosen.choice(INCLUDES)))
        asked += chosen.choice(("", "", "", "&_summary=true", "&_elements=id,status"))
        chosen.choice(asking[:1] * 4 + asking).ask(f"/{type_}?{asked}")
    for one in asking:
        one.copy.close()
        one.journal.close()
    assert sum(one.pages for one in asking) > QUESTIONS / 6, "the generator asks too much that matches nothing"


Question = Callable[[random.Random, World], str]


def _searched(chance: random.Random, world: World) -> str:
    type_, date = chance.choice((("Observation", "date"), ("Condition", "onset-date"), ("AllergyIntolerance", "date")))
    code = quote(f"{WORLDS}|{world.tag}{chance.choice(CODES)}")
    sort = chance.choice(
        ("", f"&_sort=-{date}", f"&_sort={date}", "&_sort=_id", "&_sort=code", f"&_sort=patient,-{date}")
    )
    return f"/{type_}?code={code}&_count={chance.choice((1, 2, 50))}{sort}{chance.choice(('', '&_total=accurate'))}"


def _of_patient(chance: random.Random, world: World) -> str:
    patient = chance.choice(world.patients)
    type_ = chance.choice(("Observation", "Condition", "Encounter", "Consent", "Appointment"))
    how = chance.choice(("", "&_summary=count", "&_total=accurate&_count=1", "&_sort=-_lastUpdated", "&_include=*"))
    return f"/{type_}?patient={patient}{how}"


def _everything(chance: random.Random, world: World) -> str:
    patient = chance.choice(world.patients)
    return f"/Patient/{patient}/{chance.choice(('$everything?_count=3', '$everything', 'Observation?_count=2', '*?_count=5'))}"


def _chained(chance: random.Random, world: World) -> str:
    patient = chance.choice(world.patients)
    return chance.choice((
        f"/Observation?patient.identifier={quote(f'{WORLDS}|{patient}')}&encounter.status=finished",
        f"/Observation?patient={patient}&encounter.status=in-progress&_include=Observation:encounter",
        f"/Patient?_has:Observation:patient:code={quote(f'{WORLDS}|{world.tag}crp')}&_sort=birthdate,_id",
        f"/Patient?_id={patient}&_revinclude=Observation:patient&_revinclude=Condition:subject",
        f"/Encounter?patient={patient}&_revinclude:iterate=Observation:encounter",
        f"/Patient?address={world.contact[patient]}", f"/Patient?identifier={quote(f'{WORLDS}|{patient}')}",
        f"/Observation?_content=ord{world.tag}x", f"/Patient/{patient}", f"/Patient/{patient}?_summary=data",
    ))  # fmt: skip


def _one(chance: random.Random, world: World) -> str:
    thing = chance.choice(world.things)
    return f"/{thing.type}/{thing.id}"


def test_random_questions_of_people_are_answered_alike(journal: Copied, directly: Instance, api: Api) -> None:
    """Breaks if a person sees another order, count, page or mask on a copy than at the journal."""
    agreed: Counter[str] = Counter()

    @settings(
        max_examples=2, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )  # fmt: skip
    @given(st.data(), st.integers(0, 2**32))
    def ask(data: st.DataObject, seed: int) -> None:
        world = data.draw(worlds(f"w{fresh()[:8]}"))

        def transact(requests: list[dict[str, Any]]) -> None:
            assert api.transact(*requests).status_code == 200

        load(world, transact)
        asking = []
        for person in world.people:
            ours = _session(journal, person)
            for opening in world.openings:
                if opening.person == person.name:
                    _open(ours, opening)
            asking.append(
                Both(person.name, ours, directly.client(ours.headers["authorization"].removeprefix("Bearer ")))
            )
        for program in world.programs:
            ours = _program(journal, program)
            asking.append(
                Both(program.name, ours, directly.client(ours.headers["authorization"].removeprefix("Bearer ")))
            )
        chance = random.Random(seed)
        for _ in range(OF_PEOPLE // 2):
            question = chance.choice((_searched, _of_patient, _of_patient, _everything, _chained, _one))
            chance.choice(asking).ask(question(chance, world))
            agreed[question.__name__] += 1

    ask()
    assert agreed.total() >= OF_PEOPLE
