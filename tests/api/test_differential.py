"""Random searches over HTTP against a plain reading of the same criteria in Python: any difference is a bug.

The oracle is ``fhir.query.matches`` over ``fhir.extract``; what it leaves to the store (chains, ``_has``) is evaluated
here on the references as they stand in the resources.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.api.sample import SORTS, Sample
from tests.client import SYSTEM, Api, Resource, entries, fresh, put

from vaka.errors import Invalid, NotFound
from vaka.fhir.criteria import All, Chain, Criterion, Has, Not, Query, SortKey, Unprotected
from vaka.fhir.criteria import Any as AnyOf
from vaka.fhir.extract import extract, references
from vaka.fhir.index import IndexRows
from vaka.fhir.keys import resource_key
from vaka.fhir.query import matches, parse_query, sort_text

SEED = 20261123
SEARCHES = 1_000


@dataclass(frozen=True, slots=True)
class Known:
    """A loaded resource with what it is found by."""

    resource: Resource
    rows: IndexRows
    updated_us: int
    refers: frozenset[tuple[str, str, str]]

    @property
    def type(self) -> str:
        return str(self.resource["resourceType"])

    @property
    def id(self) -> str:
        return str(self.resource["id"])


@dataclass(frozen=True, slots=True)
class World:
    sample: Sample
    all: tuple[Known, ...]

    def of(self, types: tuple[str, ...]) -> list[Known]:
        return [one for one in self.all if one.type in types]

    def holds(self, one: Known, node: Criterion) -> bool:
        """Whether ``one`` satisfies ``node``, which may ask about the others."""
        match node:
            case All(parts):
                return all(self.holds(one, part) for part in parts)
            case AnyOf(parts):
                return any(self.holds(one, part) for part in parts)
            case Not(part):
                return not self.holds(one, part)
            case Unprotected(part):
                return self.holds(one, part)
            case Chain(parameters, types, inner):
                return any(
                    self.holds(target, inner)
                    for target in self.of(types)
                    if any((name, target.type, target.id) in one.refers for name in parameters)
                )
            case Has(type_, parameters, inner):
                return any(
                    self.holds(source, inner)
                    for source in self.of((type_,))
                    if any((name, one.type, one.id) in source.refers for name in parameters)
                )
        found = matches(one.rows, resource_key(one.type, one.id), one.updated_us, node)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def world(api: Api) -> World:
    sample = Sample(SEED, fresh())
    for start in range(0, len(sample.resources), 100):
        answer = api.transact(*[put(one) for one in sample.resources[start : start + 100]])
        assert answer.status_code == 200, answer.text[:2000]
    known = []
    for one in sample.resources:
        stored = api.get(f"/{one['resourceType']}/{one['id']}").json()
        updated = datetime.fromisoformat(stored["meta"]["lastUpdated"])
        updated_us = int(updated.timestamp() * 1_000 + 0.5) * 1_000
        known.append(Known(stored, extract(stored), updated_us, frozenset(references(stored))))
    return World(sample, tuple(known))


def expected(world: World, type_: str, given: list[tuple[str, str]], base_url: str) -> tuple[Query, set[str]] | None:
    """The query and the ids it should find; None where it must be refused."""
    try:
        query = parse_query([type_], given, base_url=base_url, strict=True, now_us=time.time_ns() // 1_000)
    except (Invalid, NotFound):
        return None
    return query, {one.id for one in world.of((type_,)) if world.holds(one, query.where)}


def test_random_searches_find_what_their_criteria_mean(api: Api, world: World) -> None:
    """Would break: any kind, prefix, modifier, chain or _has that is compiled to something else than it means."""
    asked = refused = hits = 0
    different: list[str] = []
    for _ in range(SEARCHES):
        type_, given = world.sample.search()
        given = [("_tag", f"{SYSTEM}|{world.sample.tag}"), *given]
        address = f"/{type_}?{urlencode(given)}&_count=1000"
        want = expected(world, type_, given, f"{api.root}/fhir")
        answer = api.get(address, headers={"Prefer": "handling=strict"})
        asked += 1
        if want is None:
            refused += 1
            assert answer.status_code == 400, f"{address}: {answer.status_code} {answer.text[:300]}"
            continue
        if answer.status_code != 200:
            different.append(f"{type_}?{given[1:]}: {answer.status_code} {answer.text[:300]}")
            continue
        found = [entry["resource"]["id"] for entry in entries(answer.json())]
        hits += bool(found)
        if set(found) != want[1] or len(found) != len(set(found)):
            extra, missing = sorted(set(found) - want[1])[:3], sorted(want[1] - set(found))[:3]
            different.append(f"{type_}?{given[1:]}: too many {extra}, missing {missing} of {len(want[1])}")
    assert not different, f"seed {SEED}: {len(different)} of {asked}:\n" + "\n".join(different[:12])
    assert refused < asked / 4, "the generator asks too much that is refused"
    assert hits > asked / 4, "the generator asks too much that matches nothing"


def rank(one: Known, key: SortKey) -> Any:
    """What ``one`` is sorted by; None: it is missing."""
    match key.source:
        case "updated":
            return one.updated_us
        case "id":
            return one.id
        case "text":
            return sort_text(one.resource, key)
        case "date":
            values: list[Any] = [row.low_us for row in one.rows.dates if row.param in key.params]
        case "quantity":
            values = [row.low for row in one.rows.quantities if row.param in key.params and row.unit == 0]
        case "string":
            values = [row.value for row in one.rows.strings if row.param in key.params]
    return (max(values) if key.descending else min(values)) if values else None


def in_order(ranks: list[tuple[Any, ...]], keys: tuple[SortKey, ...]) -> bool:
    def before(left: tuple[Any, ...], right: tuple[Any, ...]) -> bool:
        for a, b, key in zip(left, right, keys, strict=True):
            if a == b:
                continue
            if a is None or b is None:
                return b is None
            return bool(a > b) if key.descending else bool(a < b)
        return True

    return all(before(left, right) for left, right in pairwise(ranks))


def test_random_sorts_in_pages(api: Api, world: World) -> None:
    """Would break: order by each source, several keys, missing last, descending; pages that lose or repeat at their edges."""
    chosen = world.sample.random
    by_id = {one.id: one for one in world.all}
    for _ in range(60):
        type_ = chosen.choice(list(SORTS))
        keys = chosen.sample(SORTS[type_], min(chosen.choice([1, 1, 2, 3]), len(SORTS[type_])))
        text = ",".join(chosen.choice(["", "-"]) + key for key in keys)
        tagged = [("_tag", f"{SYSTEM}|{world.sample.tag}")]
        query = parse_query([type_], [*tagged, ("_sort", text)], base_url="http://x/fhir", strict=True)
        found = api.ids(f"/{type_}?{urlencode(tagged)}&_sort={text}&_count={chosen.choice([3, 7, 1000])}")
        assert sorted(found) == sorted(one.id for one in world.of((type_,))), (type_, text)
        ranks = [tuple(rank(by_id[id_], key) for key in query.sort) for id_ in found]
        assert in_order(ranks, query.sort), (type_, text, ranks)


def test_counts_are_the_number_of_matches(api: Api, world: World) -> None:
    """Would break: _total=accurate and _summary=count agree with what a search gives."""
    for _ in range(40):
        type_, given = world.sample.search()
        given = [("_tag", f"{SYSTEM}|{world.sample.tag}"), *given]
        want = expected(world, type_, given, f"{api.root}/fhir")
        if want is None:
            continue
        asked = urlencode(given)
        assert api.bundle(f"/{type_}?{asked}&_total=accurate&_count=2")["total"] == len(want[1])
        counted = api.bundle(f"/{type_}?{asked}&_summary=count")
        assert (counted["total"], counted.get("entry")) == (len(want[1]), None)
