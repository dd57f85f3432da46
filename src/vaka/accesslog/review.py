"""Reviewing the log (L3): what makes an access worth a look, which are drawn, and what the reviewer found. The rules are pure.

A sign is no proof: colleagues share surnames with patients, and relations are not always recorded. Invariant: a finding is
added, never changed; who found it, when, and how the event was drawn stand with it.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from vaka import config
from vaka.accesslog.read import Event
from vaka.accesslog.tables import Connection, statements
from vaka.errors import Invalid

VERDICTS: Final = ("justified", "unclear", "unjustified")
EMERGENCIES: Final = frozenset({"emergency", "incapacity", "lift"})


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of a patient: names as written, and whether the identity is protected or specially watched (VIP)."""

    family: str = ""
    full: str = ""
    relatives: tuple[str, ...] = ()
    watched: bool = False


@dataclass(frozen=True, slots=True)
class Drawn:
    """An event to look at. ``signs``: why, in the order of the rules; empty: at random."""

    event: Event
    signs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Review:
    """What a reviewer found of ``event`` (its id). ``drawn``: ``random``, ``asked``, or the signs that it was drawn by."""

    id: int
    at: datetime
    event: str
    drawn: str
    reviewer: str
    verdict: str
    comment: str


def signs(event: Event, patients: Sequence[Person], *, related: bool, many: bool) -> tuple[str, ...]:
    """What makes this access worth a look. ``related``: the unit took part in the care of all of ``patients`` at the time;
    ``many``: the person saw unusually many patients then."""
    record, found = event.record, []
    name = _folded(record.actor.name)
    if record.activity in EMERGENCIES:
        found.append("emergency")
    if any(one.full and _folded(one.full) == name for one in patients):
        found.append("own-record")
    if any(_folded(relative) == name for one in patients for relative in one.relatives):
        found.append("relative")
    if name and any(one.family and _folded(one.family) == name.split()[-1] for one in patients):
        found.append("same-surname")
    if any(one.watched for one in patients):
        found.append("protected")
    if patients and not related:
        found.append("no-care-relation")
    if many:
        found.append("many-patients")
    return tuple(found)


def crowded(events: Sequence[Event]) -> set[str]:
    """Ids of the events in which a person saw the ``config.LOG_MANY_PATIENTS``-th patient, or a later one, within
    ``config.LOG_MANY_WITHIN_S``."""
    by_person: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        by_person[event.record.actor.key].append(event)
    found: set[str] = set()
    for own in by_person.values():
        own.sort(key=lambda event: event.record.time_us)
        start, counts = 0, defaultdict[int, int](int)
        for event in own:
            for patient in event.record.patients:
                counts[patient] += 1
            while event.record.time_us - own[start].record.time_us > config.LOG_MANY_WITHIN_S * 1_000_000:
                for patient in own[start].record.patients:
                    counts[patient] -= 1
                    if not counts[patient]:
                        del counts[patient]
                start += 1
            if len(counts) >= config.LOG_MANY_PATIENTS:
                found.add(event.id)
    return found


def draw(events: Sequence[Drawn], count: int, *, suspicious: bool, chance: random.Random) -> list[Drawn]:
    """``count`` of ``events`` at random; ``suspicious``: those with most signs, rarer signs first, at random among equals."""
    if not suspicious:
        return [Drawn(one.event, ()) for one in chance.sample(list(events), min(count, len(events)))]
    marked = [one for one in events if one.signs]
    often = Counter(sign for one in marked for sign in one.signs)
    weight = {one.event.id: (sum(1 / often[sign] for sign in one.signs), chance.random()) for one in marked}
    return sorted(marked, key=lambda one: weight[one.event.id], reverse=True)[:count]


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


async def record_review(
    connection: Connection, event: str, *, drawn: str, reviewer: str, verdict: str, comment: str, provider: str | None
) -> int:
    """Adds what was found for ``provider`` (Organization id; None: the region); returns its number. Invalid for a verdict that
    is none, or a finding without words."""
    if verdict not in VERDICTS:
        raise Invalid("a verdict is one of justified, unclear, unjustified", path="verdict")
    comment = " ".join(comment.split())[: config.LOG_TEXT_MAX_CHARS * 4]
    if verdict != "justified" and not comment:
        raise Invalid("say in words what was found", path="comment")
    values = {
        "event": event, "drawn": drawn[:200], "reviewer": reviewer, "verdict": verdict, "comment": comment,
        "provider": provider,
    }  # fmt: skip
    row = await (await connection.execute(statements()["put_review"], values)).fetchone()
    assert row is not None
    return int(row[0])


async def reviews(
    connection: Connection, provider: str | None = None, limit: int = config.LOG_PAGE_MAX
) -> list[Review]:
    """The newest findings: those made for ``provider``; None: all."""
    values = {"provider": provider, "limit": limit}
    rows = await (await connection.execute(statements()["reviews"], values)).fetchall()
    return [Review(*row) for row in rows]


async def reviewed(connection: Connection, events: Sequence[str], provider: str | None) -> set[str]:
    """Those of ``events`` that somebody has reviewed for ``provider``, or for the region. None: for whomever."""
    values = {"events": list(events), "provider": provider}
    rows = await connection.execute(statements()["reviewed"], values)
    return {row[0] for row in await rows.fetchall()}
