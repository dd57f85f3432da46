"""Who a person of the rendered region is: the fields that fill a template's slots."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from vaka.region import names
from vaka.region.numbers import TestNumbers, reserve_number, telephone
from vaka.region.template import PersonTemplate

# Nobody much older than the oldest of the template; children keep their age to the day.
_YOUNG_DAYS = 3 * 365
_BIRTH_SHIFT_DAYS = 364


@dataclass(frozen=True, slots=True)
class Person:
    """Texts ready for JSON strings; ``number`` is the personnummer, ``reserve`` the reserve number."""

    given: str
    family: str
    birth: str
    number: str
    reserve: str
    street: str
    postcode: str
    city: str
    phone: str
    email: str
    kin: str
    kinphone: str

    def field(self, name: str) -> bytes:
        value: str = getattr(self, name)
        return value.encode()


def _address(random: Random) -> tuple[str, str, str]:
    town, postcode = random.choice(names.TOWNS)
    street = random.choice(names.STREETS).replace("_", " ")
    return f"{street} {random.randrange(1, 98)}", postcode, town


def person(
    template: PersonTemplate, numbers: TestNumbers, random: Random, today: date, serial: int, *, clone: bool
) -> Person:
    """The template's own person, or a clone of another name, birth date and number; ``serial`` is its own."""
    born = today + timedelta(days=template.born) if isinstance(template.born, int) else template.born
    given, family = template.given, template.family
    young = isinstance(template.born, int)
    if clone:
        given = random.choice(names.WOMEN if template.female else names.MEN)
        family = random.choice(names.FAMILIES)
        if not young and (today - born).days > _YOUNG_DAYS:
            born -= timedelta(days=random.randrange(_BIRTH_SHIFT_DAYS))
    if template.number in ("personnummer", "both"):
        born, number = numbers.take(born, template.female, may_move=clone and not young)
    else:
        number = ""
    street, postcode, city = _address(random)
    return Person(
        given=given,
        family=family,
        birth=born.isoformat(),
        number=number,
        reserve=reserve_number(serial),
        street=street,
        postcode=postcode,
        city=city,
        phone=telephone(random.randrange(95)),
        email=f"person{serial}@example.com",
        kin=random.choice(names.WOMEN + names.MEN),
        kinphone=telephone(random.randrange(95)),
    )
