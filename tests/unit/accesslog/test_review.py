"""The rules of a review, without I/O: what stands out, and what is drawn."""

from __future__ import annotations

import random
import time

import pytest

from vaka import config
from vaka.accesslog.read import Event
from vaka.accesslog.record import Actor, Record
from vaka.accesslog.review import Drawn, Person, crowded, draw, signs

NOW = 1_800_000_000_000_000
ANNA = Actor("", "SE-1", "Anna Ek", "Läkare", "a", "ava31", "region", "care", "passkey", "0" * 32)


def event(number: int = 0, *, at_s: float = 0.0, actor: Actor = ANNA, **changed: object) -> Event:
    values: dict[str, object] = {"activity": "read", "patients": (number,), **changed}
    return Event("0" * 32, number + 1, 0, Record(NOW + int(at_s * 1_000_000), actor, **values), (NOW, 1))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("patient", "related", "many", "activity", "expected"),
    [
        (Person("Berg", "Bo Berg"), True, False, "read", ()),
        (Person("Berg", "Bo Berg"), True, False, "emergency", ("emergency",)),
        (Person("Berg", "Bo Berg"), True, False, "lift", ("emergency",)),
        (Person("EK", "Bo Ek"), True, False, "read", ("same-surname",)),
        (Person("Ek", "anna  ek"), True, False, "read", ("own-record", "same-surname")),
        (Person("Berg", "Bo Berg", ("Anna Ek",)), True, False, "read", ("relative",)),
        (Person("Berg", "Bo Berg", watched=True), True, False, "read", ("protected",)),
        (Person("Berg", "Bo Berg"), False, False, "read", ("no-care-relation",)),
        (Person("Berg", "Bo Berg"), True, True, "read", ("many-patients",)),
        (Person(), True, False, "read", ()),
    ],
)
def test_what_stands_out(patient: Person, related: bool, many: bool, activity: str, expected: tuple[str, ...]) -> None:
    """Would break: a kind of access that a review looks for is not drawn, or an ordinary one is."""
    assert signs(event(activity=activity), [patient], related=related, many=many) == expected


def test_many_patients_in_a_short_time() -> None:
    """Would break: who leafs through records is not seen; or a whole day's work is."""
    count = config.LOG_MANY_PATIENTS
    fast = [event(n, at_s=n) for n in range(count)]
    assert crowded(fast) == {fast[-1].id}
    assert crowded(fast[:-1]) == set()
    slow = [event(n, at_s=n * config.LOG_MANY_WITHIN_S / (count - 2)) for n in range(count)]
    assert crowded(slow) == set()
    assert crowded([event(n % 3, at_s=n) for n in range(count * 2)]) == set()
    other = Actor("", "SE-2", "Bo")
    assert crowded([event(n, at_s=n, actor=ANNA if n % 2 else other) for n in range(count)]) == set()


def test_what_is_drawn() -> None:
    """Would break: a common sign crowds out a rare one; more is drawn than there is; nothing is random."""
    common = [Drawn(event(n), ("same-surname",)) for n in range(50)]
    rare = Drawn(event(99), ("emergency",))
    plain = [Drawn(event(n), ()) for n in range(100, 150)]
    events = [*common, rare, *plain]
    found = draw(events, 10, suspicious=True, chance=random.Random(1))
    assert found[0] is rare
    assert len(found) == 10
    assert all(one.signs for one in found)
    first, second = (draw(events, 20, suspicious=False, chance=random.Random(n)) for n in (1, 2))
    assert len(first) == 20
    assert {one.event.id for one in first} != {one.event.id for one in second}
    assert len(draw(events, 1_000, suspicious=False, chance=random.Random(1))) == len(events)


def test_a_month_of_accesses_is_drawn_from_in_no_time() -> None:
    """Would break: a review of a busy month (the square of its accesses) stops the journal for a minute."""
    many = [Drawn(event(number), ("no-care-relation",)) for number in range(config.LOG_REVIEW_EVENTS)]
    began = time.process_time()
    assert len(draw(many, 10, suspicious=True, chance=random.Random(1))) == 10
    assert time.process_time() - began < 1.0
