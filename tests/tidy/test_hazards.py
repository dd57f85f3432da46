"""docs/hazards.md: every rule of clinical safety once, and everything that it leans on is there."""

from __future__ import annotations

import re

from tests.tidy.naming import ROOT, missing_code, missing_links, missing_tests, named_code, named_tests

HAZARDS = ROOT / "docs" / "hazards.md"
# Ids are permanent.
IDS = [*range(1, 8), *range(10, 20), *range(20, 27), *range(30, 39)]
STATES = ("kept", "partly", "not yet")


def rows() -> list[tuple[str, str, str, str, str]]:
    """(id, hazard, rule, what is kept and where, what shows it)."""
    return re.findall(
        r"^\| (S\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|([^|]*)\|$", HAZARDS.read_text(), flags=re.MULTILINE
    )


def test_every_rule_stands_there_once_and_in_order() -> None:
    """Broken: a hazard has dropped out of the table."""
    assert [row[0] for row in rows()] == [f"S{number}" for number in IDS]


def test_every_row_says_how_far_it_is_kept() -> None:
    """Broken: a rule reads as kept, and no code or test stands behind it; or as not yet, and nobody says when."""
    wrong = []
    for id_, _, _, kept, shown in rows():
        state = re.match(r"\*\*([a-z ]+)\*\*", kept)
        if state is None or state[1] not in STATES:
            wrong.append(f"{id_}: says not how far")
        elif state[1] != "not yet" and not (named_code(kept) and named_tests(shown)):
            wrong.append(f"{id_}: {state[1]}, without code or without a test")
        elif state[1] == "not yet" and not re.search(r"\((?:issue \d+|later)\)", kept):
            wrong.append(f"{id_}: not yet, and not when")
    assert not wrong


def test_everything_that_it_names_is_there() -> None:
    """Broken: code or a test was moved, and the table still leans on it."""
    assert not missing_tests(HAZARDS.read_text())
    assert not missing_code(HAZARDS.read_text())
    assert not missing_links(HAZARDS)
