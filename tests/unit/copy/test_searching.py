"""Random searches of a followed record, against a plain reading of their criteria: each way to a search's answer is taken."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from tests.api.sample import SORTS, Sample
from tests.api.test_differential import Known, World, in_order, rank
from tests.unit.copy.records import Followed, updated_us

from vaka import config
from vaka.access.filter import system_filter
from vaka.copy import settle, weigh
from vaka.copy.search import Searching
from vaka.errors import VakaError
from vaka.fhir.criteria import Query
from vaka.fhir.extract import extract, references
from vaka.fhir.query import parse_query
from vaka.store import settling
from vaka.store.aliases import Aliases
from vaka.store.page import Position

SEED, SEARCHES = 20261130, 120
MERGED = Aliases({"nobody": "no-one"})


@pytest.fixture(scope="module")
def sample() -> Sample:
    return Sample(SEED, "tag")


@pytest.fixture(scope="module")
def world(sample: Sample) -> World:
    known = (
        Known(one, extract(one), updated_us(place), frozenset(references(one)))
        for place, one in enumerate(sample.resources, 1)
    )
    return World(sample, tuple(known))


@pytest.fixture(scope="module")
def followed(sample: Sample) -> Followed:
    made = Followed()
    made.put(sample.resources)
    return made


def pages(searching: Searching, query: Query, count: int) -> tuple[list[str], int | None]:
    """Ids on all pages in their order, and the first page's total."""
    found: list[str] = []
    at, total = Position(None), None
    while True:
        page = searching.page(query, count, at)
        found += [version.id for version in page.matches]
        total = page.total if at.created is None else total
        if page.next is None:
            return found, total
        at = page.next


@pytest.mark.parametrize("way", ["as it is", "never collected", "asked of candidates", "never of candidates", "walked"])
def test_random_searches_find_what_their_criteria_mean(
    sample: Sample, world: World, followed: Followed, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Breaks if a condition, or one of the ways to answer it, means another thing than the specification says."""
    if way in ("never collected", "walked"):
        monkeypatch.setattr(settling.settle, "__defaults__", (0,))
        monkeypatch.setattr(settling, "VERY_FEW", 0)
        monkeypatch.setattr(settling, "LONG_LIST", 1)
    if way in ("never collected", "asked of candidates"):
        monkeypatch.setattr(settle, "_SELECTIVE", -1)
    if way in ("never of candidates", "walked"):
        monkeypatch.setattr(settle, "_CANDIDATES_MAX", -1)
    if way == "walked":
        monkeypatch.setattr(config, "COPY_BROAD_MATCHES", -1)
        monkeypatch.setattr(weigh, "UNKNOWN", 0)
    reader, hits = followed.reader, 0
    for n in range(SEARCHES):
        type_, given = sample.search()
        try:
            query = parse_query([type_], given, base_url="http://x/fhir", strict=True, now_us=time.time_ns() // 1_000)
        except VakaError:
            continue
        expected = {one.id for one in world.of((type_,)) if world.holds(one, query.where)}
        searching = Searching(reader, system_filter("tests"), MERGED if n % 3 == 0 else Aliases())
        found, total = pages(searching, replace(query, total="accurate"), (1_000, 7, 3)[n % 3])
        assert (sorted(found), total) == (sorted(expected), len(expected)), f"seed {SEED}: {type_}?{given}"
        hits += bool(found)
    assert hits > SEARCHES / 6, "the generator asks too much that matches nothing"


def test_random_sorts_in_pages(sample: Sample, world: World, followed: Followed) -> None:
    """Breaks if an order, what is missing in it, or the edge of a page is another than the journal's."""
    chosen, reader = sample.random, followed.reader
    by_id = {one.id: one for one in world.all}
    for _ in range(60):
        type_ = chosen.choice(list(SORTS))
        keys = chosen.sample(SORTS[type_], min(chosen.choice([1, 1, 2, 3]), len(SORTS[type_])))
        text = ",".join(chosen.choice(["", "-"]) + key for key in keys)
        query = parse_query([type_], [("_sort", text)], base_url="http://x/fhir", strict=True)
        searching = Searching(reader, system_filter("tests"), Aliases())
        found, _ = pages(searching, query, chosen.choice([3, 7, 1_000]))
        assert sorted(found) == sorted(one.id for one in world.of((type_,))), (type_, text)
        assert in_order([tuple(rank(by_id[id_], key) for key in query.sort) for id_ in found], query.sort), (type_, text)
