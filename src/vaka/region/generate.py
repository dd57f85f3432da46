"""Any larger region, made of the packaged one: people cloned block by block with new ids, names, numbers and histories.

Each block of as many people as the template has comes with units and staff of its own (providers and hospitals are
shared), so that a unit's lists are as long in a region of 16,000 as in one of 400.
Invariants: the same (patients, seed, today, now) gives the same bytes; no id and no number comes twice; every reference
leads to a resource that came before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from hashlib import shake_128
from random import Random

from vaka.region import names
from vaka.region.days import Days, midnight
from vaka.region.numbers import TestNumbers
from vaka.region.people import Person, person
from vaka.region.template import Line, PersonTemplate, Scene, Template, load, render

_HISTORY_SHIFT_MAX_DAYS = 120


def _ids(seed: int, block: int, index: int, count: int) -> list[bytes]:
    """UUID-shaped ids (version 4 form), the same for the same person of the same region."""
    digest = shake_128(f"{seed}/{block}/{index}".encode()).hexdigest(16 * count)
    out = []
    for start in range(0, 32 * count, 32):
        h = digest[start : start + 32]
        out.append(f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}".encode())
    return out


class _Block:
    """One cloning of the template: its units, its staff and its people so far."""

    def __init__(self, template: Template, seed: int, number: int, *, clone: bool) -> None:
        self._template, self._seed, self._number = template, seed, number
        self.suffix = f"-{number + 1}".encode() if number else b""
        self.random = Random(f"{seed}/{number}")  # noqa: S311 (made-up people, not secrets)
        self.people: dict[str, tuple[int, Person]] = {}
        self._staff = [
            (self.random.choice(names.WOMEN if female else names.MEN), self.random.choice(names.FAMILIES))
            if clone and number
            else (given, family)
            for given, family, female in template.staff
        ]

    def named(self, kind: str, name: str, key: str) -> bytes:
        """The text of a named slot; a person's own slots have no key and are asked of ``own``."""
        match kind:
            case "#":
                index, _ = self.people[key]
                return _ids(self._seed, self._number, index, int(name) + 1)[-1]
            case "staff":
                given, family = self._staff[int(name)]
                return {"given": given, "family": family, "name": f"{given} {family}"}[key].encode()
            case _:
                return self.suffix if name == "block" else self.people[key][1].field(name)


def _lines(lines: tuple[Line, ...], scene: Scene) -> Iterator[tuple[str, bytes]]:
    for line in lines:
        text = render(line, scene)
        if text is not None:
            yield line.type, text


def _person_lines(template: PersonTemplate, own: Person, block: _Block, scene: Scene) -> Iterator[tuple[str, bytes]]:
    def named(kind: str, name: str, key: str) -> bytes:
        return own.field(name) if kind == "person" and not key and name != "block" else block.named(kind, name, key)

    scene.named = named
    yield from _lines(template.lines, scene)


def region(
    template: Template, patients: int, seed: int, today: date, now: datetime | None, *, clone: bool
) -> Iterator[tuple[str, bytes]]:
    """(type, JSON) of every resource of a region of so many patients; ``clone`` false keeps the template's names."""
    days, numbers = Days(), TestNumbers()
    now = midnight(today) if now is None else now
    size = len(template.people)
    for done in range(0, patients, size):
        number = done // size
        block = _Block(template, seed, number, clone=clone)
        scene = Scene(days, today.toordinal(), now, 0, [], block.named)
        if not number:
            yield from _lines(template.once, scene)
        yield from _lines(template.units, scene)
        for index, each in enumerate(template.people[: patients - done]):
            own = person(each, numbers, block.random, today, done + index + 1, clone=clone)
            block.people[each.key] = index, own
            scene.ids = _ids(seed, number, index, each.ids)
            scene.shift_days = block.random.randrange(_HISTORY_SHIFT_MAX_DAYS) if clone else 0
            yield from _person_lines(each, own, block, scene)


def generate(
    patients: int, seed: int = 1, today: date | None = None, now: datetime | None = None
) -> Iterator[tuple[str, bytes]]:
    """(type, JSON) of a region of ``patients`` cloned people; ``now`` (aware) as in ``demo.resources``."""
    return region(load(), patients, seed, today or date.today(), now, clone=True)  # noqa: DTZ011 (the local day is meant)
