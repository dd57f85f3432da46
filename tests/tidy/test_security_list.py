"""docs/operating/security.md: all of ASVS 4.0.3 level 2, each line answered, each test named there."""

from __future__ import annotations

import re

from tests.tidy.naming import ROOT, missing_code, missing_links, missing_tests, named_tests

LIST = ROOT / "docs" / "operating" / "security.md"
# Numbers of level 2 (and so of level 1): section -> its requirements. Deleted ones and those of level 3 are left out.
LEVEL_2 = {
    "1.1": "1-7", "1.2": "1-4", "1.4": "1 4 5", "1.5": "1-4", "1.6": "1-4", "1.7": "1-2", "1.8": "1-2", "1.9": "1-2",
    "1.10": "1", "1.11": "1-2", "1.12": "2", "1.14": "1-6",
    "2.1": "1-12", "2.2": "1-3", "2.3": "1-3", "2.4": "1-5", "2.5": "1-7", "2.6": "1-3", "2.7": "1-6", "2.8": "1-7",
    "2.9": "1-3", "2.10": "1-4",
    "3.1": "1", "3.2": "1-4", "3.3": "1-4", "3.4": "1-5", "3.5": "1-3", "3.7": "1",
    "4.1": "1 2 3 5", "4.2": "1-2", "4.3": "1-3",
    "5.1": "1-5", "5.2": "1-8", "5.3": "1-10", "5.4": "1-3", "5.5": "1-4",
    "6.1": "1-3", "6.2": "1-6", "6.3": "1-2", "6.4": "1-2",
    "7.1": "1-4", "7.2": "1-2", "7.3": "1 3 4", "7.4": "1-3",
    "8.1": "1-4", "8.2": "1-3", "8.3": "1-8",
    "9.1": "1-3", "9.2": "1-4",
    "10.2": "1-2", "10.3": "1-3",
    "11.1": "1-8",
    "12.1": "1-3", "12.2": "1", "12.3": "1-6", "12.4": "1-2", "12.5": "1-2", "12.6": "1",
    "13.1": "1 3 4 5", "13.2": "1 2 3 5 6", "13.3": "1-2", "13.4": "1-2",
    "14.1": "1-4", "14.2": "1-6", "14.3": "2-3", "14.4": "1-7", "14.5": "1-4",
}  # fmt: skip
ANSWERS = ("kept", "by design", "partly", "missing", "site", "no")


def expected() -> list[str]:
    numbers = []
    for section, told in LEVEL_2.items():
        for part in told.split():
            first, _, last = part.partition("-")
            numbers += [f"{section}.{number}" for number in range(int(first), int(last or first) + 1)]
    return numbers


def rows() -> list[tuple[str, str, str]]:
    """(number, what it asks, answer) of every requirement."""
    return re.findall(r"^\| (\d+\.\d+\.\d+) \| ([^|]+) \| ([^|]+) \|$", LIST.read_text(), flags=re.MULTILINE)


def test_every_requirement_of_level_2_stands_there_once_and_in_order() -> None:
    """Broken: a requirement is left out, and nobody sees that nothing answers it."""
    assert [number for number, _, _ in rows()] == expected()


def test_every_line_is_answered() -> None:
    """Broken: a line says nothing, says that it is kept without a test that shows it, or that it is not without the reason."""
    wrong = []
    for number, _, answer in rows():
        begins = re.match(r"\*\*([a-z ]+)\*\*", answer)
        if begins is None or begins[1] not in ANSWERS:
            wrong.append(f"{number}: not answered")
        elif begins[1] == "kept" and not named_tests(answer):
            wrong.append(f"{number}: kept, and no test shows it")
        elif begins[1] in ("partly", "missing") and not re.search(r"\*\*why\*\*: .{20}", answer):
            wrong.append(f"{number}: {begins[1]}, and not why")
        elif len(answer) < len(begins[0]) + 5:
            wrong.append(f"{number}: no reason")
    assert not wrong


def test_every_test_and_file_that_it_names_is_there() -> None:
    """Broken: a test was renamed or taken away, and the list still leans on it."""
    assert not missing_tests(LIST.read_text())
    assert not missing_code(LIST.read_text())
    assert not missing_links(LIST)
