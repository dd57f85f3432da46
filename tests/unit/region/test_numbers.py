"""The numbers of synthetic people."""

from __future__ import annotations

from datetime import date

import pytest

from vaka.fhir.luhn import check_digit
from vaka.region.numbers import TestNumbers, is_published_test_number, is_valid, reserve_number, telephone


@pytest.mark.parametrize(
    "number",
    # Numbers that HL7 Sweden's base profiles use as examples, from the Tax Agency's list.
    ["200001252386", "189602029812", "199006022397", "201701012393"],
)
def test_published_numbers_are_known_as_such(number: str) -> None:
    """A wrong check digit rule or range would let numbers of living people in."""
    assert is_valid(number)
    assert is_published_test_number(number)


@pytest.mark.parametrize("number", ["200001252387", "20000125238", "2000012523x6", "198001011231"])
def test_other_numbers_are_not(number: str) -> None:
    """A range or length check that is too wide would pass these."""
    assert not is_published_test_number(number)


def test_check_digit_is_luhn_over_nine_digits() -> None:
    """The example that is printed in the agency's brochure would differ with other weights."""
    assert check_digit("640823323") == 4


def test_first_of_a_day_is_published_and_says_the_sex() -> None:
    """A woman's number with an odd third digit would contradict the Patient."""
    numbers = TestNumbers()
    for year in (1936, 1989, 1990, 2024):
        for female in (True, False):
            born, number = numbers.take(date(year, 5, 17), female)
            assert born == date(year, 5, 17)
            assert number.startswith(f"{born:%Y%m%d}")
            assert is_published_test_number(number)
            assert int(number[10]) % 2 == (not female)


def test_a_day_used_up_moves_the_birth_date_a_little_earlier() -> None:
    """Two people with one number would be one patient to every identifier search."""
    numbers = TestNumbers()
    taken = [numbers.take(date(1970, 1, 1), True) for _ in range(90)]
    assert len({number for _, number in taken}) == 90
    assert {born for born, _ in taken} == {date.fromordinal(date(1970, 1, 1).toordinal() - back) for back in range(90)}


def test_beyond_the_published_range_no_number_can_be_real() -> None:
    """A valid number outside the list could belong to somebody."""
    numbers = TestNumbers()
    taken = [numbers.take(date(1970, 1, 1), False) for _ in range(90 + 300)]
    beyond = [number for _, number in taken[90:]]
    assert not any(is_valid(number) for number in beyond)
    assert len({number for _, number in taken}) == len(taken)


def test_a_child_whose_age_must_stay_keeps_its_birth_date() -> None:
    """A newborn moved to yesterday's date would be born before its mother's delivery."""
    numbers = TestNumbers()
    for _ in range(3):
        born, _ = numbers.take(date(2026, 1, 1), True, may_move=False)
        assert born == date(2026, 1, 1)


def test_reserve_numbers_begin_with_99_and_carry_a_check_digit() -> None:
    """Without it a mistyped reserve number would open another person's record (S18)."""
    made = {reserve_number(serial) for serial in range(1000)}
    assert len(made) == 1000
    assert all(number.startswith("99") and is_valid(number) for number in made)


def test_telephone_numbers_are_of_the_fictional_series() -> None:
    """A number outside it would ring at somebody's home."""
    assert {telephone(serial) for serial in range(500)} == {f"+46701740{last}" for last in range(605, 700)}
