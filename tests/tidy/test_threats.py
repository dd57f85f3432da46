"""docs/threats.md: each part by all of STRIDE, each threat with the test that shows what stops it, or what is left."""

from __future__ import annotations

import re

from tests.tidy.naming import ROOT, missing_code, missing_links, missing_tests, named_tests

THREATS = ROOT / "docs" / "threats.md"


def parts() -> dict[str, list[tuple[str, str, str, str]]]:
    """Part -> its rows (letter, threat, what stops it, what shows it)."""
    row = re.compile(r"^\| ([STRIDE]) \| ([^|]+) \| ([^|]+) \|([^|]*)\|$", flags=re.MULTILINE)
    _, *sections = THREATS.read_text().split("\n## ")
    return {section.partition("\n")[0]: row.findall(section) for section in sections}


def test_each_part_is_looked_at_from_all_sides() -> None:
    """Broken: a part is left out of the model, or one kind of threat to it."""
    found = parts()
    assert len(found) >= 7
    assert {part: "".join(row[0] for row in rows) for part, rows in found.items()} == dict.fromkeys(found, "STRIDE")


def test_each_threat_has_what_shows_it_or_is_said_to_be_left() -> None:
    """Broken: a threat reads as stopped, and nothing shows it."""
    assert not [
        row for rows in parts().values() for row in rows if not named_tests(row[3]) and "**left**" not in row[2]
    ]


def test_every_test_and_file_that_it_names_is_there() -> None:
    """Broken: a test was renamed or taken away, and the model still leans on it."""
    assert not missing_tests(THREATS.read_text())
    assert not missing_code(THREATS.read_text())
    assert not missing_links(THREATS)
