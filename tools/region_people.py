"""Who lives in the region: told stories first, then people from both generators, mixed."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from random import Random
from typing import Any, Final

import region_now
import region_stays
import region_stories
import region_synthea
from region_places import PRIMARY
from region_record import DAY_ZERO, Record, at_time
from vaka.region import names

_YOUNG_DAYS: Final = 3 * 365
_LIFELONG_MAX: Final = 330
_STAYS_MAX: Final = 96
_DECEASED_MAX: Final = 10
# How many resources a lifelong record may have, and how often.
_BUDGETS: Final = ((90, 10), (170, 28), (240, 30), (340, 22), (700, 7), (1400, 3))
# The largest histories are kept nearly whole.
_LONG_MAX: Final = 12
_LONG_BUDGET: Final = 9000


def _born(birth: date) -> date | int:
    """Small children keep their age in days; others keep their birth date."""
    age = (DAY_ZERO - birth).days
    return -age if age < _YOUNG_DAYS else birth


def person(
    key: str, female: bool, birth: date, random: Random, *, number: str = "personnummer", protected: bool = False
) -> Record:
    """A record of a person with a Swedish name."""
    # Names go with age: the first half of each list is the commoner among the older.
    pool = names.WOMEN if female else names.MEN
    half = len(pool) // 2
    older = (DAY_ZERO - birth).days > 50 * 365
    given = random.choice(pool[:half] if older and random.random() < 0.85 else pool)
    return Record(
        key=key,
        female=female,
        born=_born(birth),
        given=given,
        family=random.choice(names.FAMILIES),
        random=random,
        number=number,
        protected=protected,
        primary=random.choice(PRIMARY),
    )


def _bundles(directories: list[Path]) -> list[Path]:
    return sorted(
        (file for directory in directories for file in (directory / "fhir").glob("*.json")), key=lambda file: file.name
    )


def _lifelong(files: list[Path], random: Random) -> list[Record]:
    """Records from lifelong histories; some are of protected identity or have a reserve number."""
    made: list[Record] = []
    deceased = 0
    now = region_now.Now()
    sizes, weights = zip(*_BUDGETS, strict=True)
    longest = set(sorted(files, key=lambda file: file.stat().st_size)[-_LONG_MAX:])
    for file in files:
        if len(made) >= _LIFELONG_MAX:
            break
        bundle: dict[str, Any] = json.loads(file.read_bytes())
        source = next(entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Patient")
        dead = source.get("deceasedDateTime")
        if dead:
            if deceased >= _DECEASED_MAX or date.fromisoformat(dead[:10]).year < 2021:
                continue
            deceased += 1
        place = len(made)
        record = person(
            f"l{place}",
            source["gender"] == "female",
            date.fromisoformat(source["birthDate"]),
            random,
            protected=place % 40 == 7,
            number="both" if place % 36 == 5 else "reserve" if place % 90 == 21 else "personnummer",
        )
        record.patient(deceased=at_time(datetime.fromisoformat(dead).replace(tzinfo=None)) if dead else None)
        visit = region_synthea.write(
            bundle, record, _LONG_BUDGET if file in longest else random.choices(sizes, weights)[0]
        )
        if visit is None:
            continue
        if not dead:
            now.lifelong(record, visit, place)
        made.append(record)
    return made


def everybody(synthea: list[Path], clinosim: Path, random: Random) -> list[Record]:
    """All people, in the order of the file: stories first, so that even a small region has them."""
    told = region_stories.everyone(random)
    others = _lifelong(_bundles(synthea), random) + region_stays.everyone(clinosim, person, _STAYS_MAX, random)
    random.shuffle(others)
    return told + others
