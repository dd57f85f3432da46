"""The numbers of synthetic people: personnummer, reserve numbers, telephone numbers.

Invariants: no number made here belongs to a living person. Personnummer are the ones that the Swedish Tax Agency
publishes for tests (birth numbers 980 and 981 for people born before 1990, 238 and 239 after); where a larger region
has used them up, the check digit is wrong, which no real number has. No number is given twice by one ``TestNumbers``.
Telephone numbers are from the series that the Post and Telecom Authority keeps for fiction.
Source: docs/decisions/0004-demo-region.md.
"""

from __future__ import annotations

from datetime import date, timedelta

from vaka.fhir.luhn import check_digit

# How far a cloned person's birth date may move to find a free published number.
_MOVE_DAYS_MAX = 90
_PUBLISHED_SINCE_1990 = 1990


def is_valid(number: str) -> bool:
    """Whether the check digit of a 12-digit personnummer or reserve number is right."""
    return len(number) == 12 and number.isdigit() and check_digit(number[2:11]) == int(number[11])


def is_published_test_number(number: str) -> bool:
    """Whether a personnummer is one of those that the Tax Agency publishes for tests."""
    serials = ("238", "239") if int(number[:4]) >= _PUBLISHED_SINCE_1990 else ("980", "981")
    return is_valid(number) and number[8:11] in serials


def _published(born: date, female: bool) -> str:
    serial = (238 if female else 239) if born.year >= _PUBLISHED_SINCE_1990 else (980 if female else 981)
    text = f"{born:%Y%m%d}{serial}"
    return f"{text}{check_digit(text[2:])}"


def _impossible(born: date, female: bool, round_: int) -> str:
    """The ``round_``-th number of a day that has a wrong check digit (90 to a sex)."""
    serial, wrong = 980 + 2 * (round_ // 9 % 10) + (not female), 1 + round_ % 9
    text = f"{born:%Y%m%d}{serial}"
    return f"{text}{(check_digit(text[2:]) + wrong) % 10}"


class TestNumbers:
    """Gives each person of one region a number of their own."""

    __test__ = False  # not a test, whatever pytest thinks of the name

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._rounds: dict[tuple[date, bool], int] = {}

    def take(self, born: date, female: bool, *, may_move: bool = True) -> tuple[date, str]:
        """A birth date, at most 90 days before ``born``, and its number."""
        day = born
        for _ in range(_MOVE_DAYS_MAX if may_move else 1):
            number = _published(day, female)
            if number not in self._taken:
                self._taken.add(number)
                return day, number
            day -= timedelta(days=1)
        return self._take_impossible(born, female)

    def _take_impossible(self, born: date, female: bool) -> tuple[date, str]:
        day = born
        while (round_ := self._rounds.get((day, female), 0)) >= 90:
            day -= timedelta(days=1)
        self._rounds[day, female] = round_ + 1
        number = _impossible(day, female, round_)
        self._taken.add(number)
        return day, number


def reserve_number(serial: int) -> str:
    """The reserve number of a running number: 99, nine digits, check digit."""
    text = f"{serial:09d}"
    return f"99{text}{check_digit(text)}"


def telephone(serial: int) -> str:
    """A mobile number from the fictional series 070-174 06 05 to 06 99."""
    return f"+46701740{605 + serial % 95}"
