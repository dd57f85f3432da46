"""Samples of the log for review: accesses of people, what is known of their patients, and the rules of ``accesslog.review``."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from vaka import config
from vaka.access.filter import system_filter
from vaka.accesslog import read, review
from vaka.accesslog.read import Asked, Event
from vaka.accesslog.review import Drawn, Person
from vaka.journal import names
from vaka.journal.journal import Journal

_SYSTEM: Final = system_filter("log-review")
_WATCHED: Final = frozenset({"sekretessmarkering", "VIP", "V", "CEL", "EMP"})
"""Security labels (v3-ActCode and the Swedish base) of people whose records are looked at out of curiosity."""
_PATIENTS_LOOKED_AT: Final = 20


async def sample(
    journal: Journal, asked: Asked, count: int, *, suspicious: bool, reviewer: str | None = None,
    chance: random.Random | None = None,
) -> list[Drawn]:  # fmt: skip
    """At most ``count`` accesses of people that nobody has reviewed yet; ``asked`` says from where, and what may be seen.
    ``reviewer``: the HSA-id of who reviews, whose own are left out."""
    found: list[Event] = []
    async with journal.reading.connection() as connection:
        async for event in read.events(connection, asked):
            who = event.record.actor.person
            if who and who != reviewer and event.record.patients and not event.record.refused:
                found.append(event)
                if len(found) >= config.LOG_REVIEW_EVENTS:
                    break
        done = await review.reviewed(connection, [event.id for event in found], asked.provider)
    found = [event for event in found if event.id not in done]
    chosen = [Drawn(event, ()) for event in found]
    if suspicious:
        chosen = await _with_signs(journal, found)
    # Off the event loop: there may be tens of thousands.
    return await asyncio.to_thread(
        review.draw, chosen, count, suspicious=suspicious, chance=chance or random.SystemRandom()
    )


async def _with_signs(journal: Journal, found: list[Event]) -> list[Drawn]:
    # A list of many patients is told by its number, not by each of them.
    looked_at = {event.id: event.record.patients[:_PATIENTS_LOOKED_AT] for event in found}
    people = await _people(journal, {key for keys in looked_at.values() for key in keys})
    places = {
        event.id: {(key, event.record.actor.unit, event.record.time_us) for key in looked_at[event.id]}
        for event in found
    }
    related = await names.related(journal, {place for one in places.values() for place in one}, access=_SYSTEM)
    many = await asyncio.to_thread(review.crowded, found)

    def drawn() -> list[Drawn]:
        return [
            Drawn(
                event,
                review.signs(
                    event, [people[key] for key in looked_at[event.id] if key in people],
                    related=places[event.id] <= related, many=event.id in many,
                ),
            )
            for event in found
        ]  # fmt: skip

    return await asyncio.to_thread(drawn)


async def _people(journal: Journal, keys: set[int]) -> dict[int, Person]:
    references = await names.resources(journal, keys, access=_SYSTEM)
    protected = await names.protected(journal, keys, access=_SYSTEM)
    found = await journal.searching(_SYSTEM).read_many(list(references.values()))
    return {
        version.rkey: _person(orjson.loads(version.body), protected=version.rkey in protected)
        for version in found
        if version.body is not None
    }


def _person(patient: Mapping[str, Any], *, protected: bool) -> Person:
    given = _dicts(patient.get("name"))
    labels = {str(one.get("code")) for one in _dicts((patient.get("meta") or {}).get("security"))}
    contacts = (one.get("name") for one in _dicts(patient.get("contact")))
    return Person(
        str(given[0].get("family", "")) if given else "",
        _full(given[0]) if given else "",
        tuple(_full(one) for one in contacts if isinstance(one, dict)),
        protected or bool(labels & _WATCHED),
    )


def _full(name: Mapping[str, Any]) -> str:
    given = name.get("given") or ()
    text = " ".join(str(part) for part in (*given, name.get("family")) if part)
    return text or str(name.get("text", ""))


def _dicts(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, Iterable) else []
