"""Days on a ward: vital signs, doses by the clock, notes; for stories and for wards that the generators leave empty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import region_texts
from region_drugs import DRUGS
from region_places import NURSE, PHYSIO
from region_record import Record, Visit, When, ago, at


@dataclass(frozen=True, slots=True)
class Signs:
    """One set of vital signs; ``oxygen`` in L/min, 0: air."""

    systolic: int = 128
    diastolic: int = 74
    pulse: int = 78
    breaths: int = 16
    saturation: int = 96
    temperature: float = 36.9
    level: str = "A"
    oxygen: int = 0


def observe(record: Record, visit: Visit, when: When, signs: Signs) -> None:
    """Everything that NEWS2 needs, at one time."""
    record.pressure(visit, when, signs.systolic, signs.diastolic)
    record.vital(visit, when, "Puls", signs.pulse)
    record.vital(visit, when, "Andningsfrekvens", signs.breaths)
    record.vital(visit, when, "Saturation", signs.saturation)
    record.vital(visit, when, "Kroppstemperatur", signs.temperature)
    record.consciousness(visit, when, signs.level)
    if signs.oxygen:
        record.vital(visit, when, "Syrgasflöde", signs.oxygen)


def between(first: Signs, last: Signs, part: float) -> Signs:
    """Signs on the way from first to last (0–1)."""

    def mix(a: float, b: float) -> float:
        return a + (b - a) * part

    return Signs(
        systolic=round(mix(first.systolic, last.systolic)),
        diastolic=round(mix(first.diastolic, last.diastolic)),
        pulse=round(mix(first.pulse, last.pulse)),
        breaths=round(mix(first.breaths, last.breaths)),
        saturation=round(mix(first.saturation, last.saturation)),
        temperature=round(mix(first.temperature, last.temperature), 1),
        level=first.level if part < 0.3 else last.level,
        oxygen=round(mix(first.oxygen, last.oxygen)),
    )


def course(
    record: Record,
    visit: Visit,
    start: int,
    first: Signs,
    last: Signs,
    clocks: Sequence[str] = ("06:10", "14:05", "20:15"),
) -> None:
    """Vital signs from the day ``start`` until now, from first to last."""
    days = -start
    steps = (days + 1) * len(clocks)
    for step in range(1, steps):
        day, clock = start + step // len(clocks), clocks[step % len(clocks)]
        signs = between(first, last, min(1.0, step / max(1, steps - len(clocks))))
        shaken = replace(
            signs,
            pulse=signs.pulse + record.random.randrange(-4, 5),
            systolic=signs.systolic + record.random.randrange(-6, 7),
        )
        observe(record, visit, at(day, clock), shaken)


def doses(
    record: Record,
    visit: Visit,
    drug: str,
    order: str,
    start: int,
    *,
    dose: float | None = None,
    refused: Sequence[tuple[int, int]] = (),
) -> None:
    """The doses of an order from the day ``start`` until now; ``refused``: (day, hour) not given."""
    for day in range(start, 1):
        for hour in DRUGS[drug].times:
            when = at(day, f"{hour:02d}:{record.random.randrange(25):02d}")
            if (day, hour) in refused:
                record.administer(visit, when, drug, order, dose=dose, status="not-done", why="Patienten avböjde")
            else:
                record.administer(visit, when, drug, order, dose=dose)


def prescribe(record: Record, visit: Visit, start: int, drugs: Sequence[str | tuple[str, float]]) -> dict[str, str]:
    """Inpatient orders from the day ``start`` on, with all their doses; a drug may have its own dose."""
    orders = {}
    for one in drugs:
        drug, dose = (one, None) if isinstance(one, str) else one
        orders[drug] = record.order(visit, at(start, "00:40"), drug, dose=dose, inpatient=True)
        doses(record, visit, drug, orders[drug], start, dose=dose)
    return orders


def daily_notes(
    record: Record, visit: Visit, start: int, code: str, *, unsigned: int | None = None, physio: bool = False
) -> None:
    """Ordinary notes from the day after ``start`` until now; that of the day ``unsigned`` is not signed."""
    random = record.random
    for day in range(start + 1, 1):
        record.note(visit, at(day, "06:20"), "Omvårdnadsanteckning", region_texts.nursing(random), profession=NURSE)
        text = region_texts.day(random, code, day - start + 1)
        record.note(visit, at(day, "10:15"), "Daganteckning", text, signed=day != unsigned)
        if physio:
            record.note(
                visit, at(day, "13:10"), "Fysioterapianteckning", region_texts.physio(random), profession=PHYSIO
            )


def admitted(
    record: Record, unit: str, bed: int, start: int, diagnosis: tuple[str, str], drugs: Sequence[str]
) -> Visit:
    """A plain stay that goes on: orders, doses, vital signs, notes and a first set of results."""
    random = record.random
    visit = record.encounter(
        unit,
        "IMP",
        at(start, "17:35"),
        None,
        diagnosis,
        bed=bed,
        planned_discharge=random.choice(("Hemmet", "Hemmet med hemtjänst")),
    )
    record.condition(visit, f"‹d{start}›", *diagnosis, problem=False)
    record.note(visit, at(start, "18:30"), "Inskrivning", region_texts.admission(random, *diagnosis))
    record.panel(
        visit,
        at(start, "18:05"),
        "Blodstatus och elektrolyter",
        {
            "B-Hemoglobin(Hb)": random.gauss(128, 12),
            "B-Leukocyter": random.gauss(8.5, 2.5),
            "B-Trombocyter": random.gauss(250, 50),
            "P-CRP": abs(random.gauss(25, 30)),
            "P-Natrium": random.gauss(139, 3),
            "P-Kalium": random.gauss(4.0, 0.3),
            "P-Kreatinin": random.gauss(80, 18),
        },
    )
    prescribe(record, visit, start + 1, drugs)
    worse = Signs(
        pulse=random.randrange(80, 104),
        breaths=random.randrange(16, 23),
        saturation=random.randrange(92, 97),
        temperature=round(random.uniform(36.8, 38.6), 1),
    )
    course(record, visit, start, worse, Signs(pulse=random.randrange(64, 84)))
    daily_notes(
        record, visit, start, diagnosis[0], unsigned=random.choice((None, None, 0, -1)), physio=random.random() < 0.4
    )
    return visit


def arrival(
    record: Record, minutes: int, reason: tuple[str, str], level: str, place: int, signs: Signs, *, unit: str = "akuten"
) -> Visit:
    """Somebody who came to the emergency department so many minutes ago and is still there."""
    visit = record.encounter(unit, "EMER", ago(minutes), None, reason, bed=place)
    observe(record, visit, ago(minutes - 6), signs)
    record.note(
        visit, ago(minutes - 8), "Triage", region_texts.triage(record.random, reason[1], level), profession=NURSE
    )
    return visit
