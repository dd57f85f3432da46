"""Item 2 and the patient's part of item 10: who it is (S5, S7), from the Patient as the door of the record gives it: what is
masked there (A10, S24) is not here either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Final

import orjson

from vaka import config
from vaka.access.facts import protected
from vaka.copy.sheet.clock import age
from vaka.copy.sheet.contacts import name_of, numbers
from vaka.copy.sheet.elements import many, one, text, when, words

_NUMBERS: Final[Mapping[str, str]] = {
    "http://electronichealth.se/identifier/personnummer": "personnummer",
    "http://electronichealth.se/identifier/samordningsnummer": "samordningsnummer",
    "urn:oid:1.2.752.97.3.1.3": "reservnummer",
    "urn:oid:1.2.752.129.2.1.3.1": "personnummer",
    "urn:oid:1.2.752.129.2.1.3.3": "samordningsnummer",
}
_RANK: Final = ("personnummer", "samordningsnummer", "reservnummer")


@dataclass(frozen=True, slots=True)
class Number:
    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Identity:
    """``numbers``: the best known first; ``born``, ``died``: as written; ``address``, ``reach``, ``contacts`` and ``clinic`` are
    empty where they are masked. ``broken``: the Patient cannot be read."""

    id: str
    name: str
    numbers: tuple[Number, ...] = ()
    born: str = ""
    sex: str = ""
    died: str = ""
    dead: bool = False
    protected: bool = False
    masked: bool = False
    inactive: bool = False
    address: str = ""
    reach: str = ""
    contacts: tuple[str, ...] = ()
    clinic: str = ""
    language: str = ""
    goes_on_in: str = ""
    broken: bool = False

    @property
    def number(self) -> str:
        return self.numbers[0].value if self.numbers else ""

    def age(self, today: date, language: str) -> str:
        """In words; empty for the dead."""
        return "" if self.dead or not self.born else age(self.born, today, language)

    def json(self, today: date) -> dict[str, Any]:
        """Without what is empty."""
        made = {key: value for key, value in asdict(self).items() if value not in ("", (), False)}
        return made | ({"age": told} if (told := self.age(today, "en")) else {})


@lru_cache(maxsize=2_048)
def identity(id_: str, body: bytes | None) -> Identity:
    """Who the Patient in ``body`` is. Never raises: a Patient that cannot be read is an id."""
    try:
        if body is None or len(body) > config.SHEET_BODY_MAX_BYTES:
            raise ValueError("no Patient")
        return _identity(id_, orjson.loads(body))
    except Exception:  # a hostile Patient must not hide the rest of the sheet
        return Identity(id_, "?", broken=True)


def _identity(id_: str, patient: Mapping[str, Any]) -> Identity:
    tags = {each.get("code") for each in many(one(patient.get("meta")).get("tag"))}
    found = [
        Number(kind, _written(text(each.get("value"), 40)))
        for each in many(patient.get("identifier"))
        if (kind := _NUMBERS.get(str(each.get("system")))) and each.get("value") and each.get("use") != "old"
    ]
    found.sort(key=lambda each: _RANK.index(each.kind))
    replaced = [
        one(each.get("other")).get("reference")
        for each in many(patient.get("link"))
        if each.get("type") == "replaced-by"
    ]
    died = when(patient, "deceasedDateTime")
    return Identity(
        id_,
        name_of(patient),
        tuple(found),
        born=when(patient, "birthDate"),
        sex=text(patient.get("gender"), 20),
        died=died,
        dead=bool(died) or patient.get("deceasedBoolean") is True,
        protected=protected(patient),
        masked="SUBSETTED" in tags,
        inactive=patient.get("active") is False,
        address=next(
            filter(None, (_address(each) for each in many(patient.get("address")) if each.get("use") != "old")), ""
        ),
        reach=numbers(patient),
        contacts=tuple(_contact(each) for each in many(patient.get("contact")))[: config.SHEET_RECENT_MAX],
        clinic=text(one(patient.get("generalPractitioner")).get("display")),
        language=next(
            (words(each.get("language")) for each in many(patient.get("communication")) if words(each.get("language"))),
            "",
        ),
        goes_on_in=text(replaced[0], 80) if replaced else "",
    )


def _written(number: str) -> str:
    """Twelve digits as people write them: 19480314-9816."""
    return f"{number[:8]}-{number[8:]}" if len(number) == 12 and number.isdigit() else number


def _address(address: Mapping[str, Any]) -> str:
    lines = address.get("line")
    parts = [text(each, 80) for each in (lines if isinstance(lines, list) else ())]
    place = " ".join(filter(None, (text(address.get("postalCode"), 20), text(address.get("city"), 60))))
    return ", ".join(filter(None, (*parts, place))) or text(address.get("text"))


def _contact(contact: Mapping[str, Any]) -> str:
    name = name_of({"name": contact.get("name")})
    kin = words(contact.get("relationship"))
    return " ".join(filter(None, (name, f"({kin})" if kin else "", numbers(contact))))
