"""The check digit of personnummer and of the numbers made like them: Luhn, weights 2 and 1."""

from __future__ import annotations


def check_digit(digits: str) -> int:
    """The digit that goes behind ``digits``."""
    total = 0
    for place, digit in enumerate(digits):
        product = int(digit) * (2 - place % 2)
        total += product - 9 if product > 9 else product
    return -total % 10
