"""docs/access-rules.md is the table that decides, printed."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

import make_decision_table
from vaka.access import rules, settings
from vaka.access.session import Purpose


def test_the_page_is_what_the_tool_makes() -> None:
    """Broken: people read other rules than those that decide."""
    assert make_decision_table.TARGET.read_text() == make_decision_table.page(), "run tools/make_decision_table.py"


def test_every_rule_stands_there_in_its_order_in_both_languages() -> None:
    """Broken: a row is missing or misplaced, and the first that fits is another one."""
    swedish, english = make_decision_table.page().split("\n## In English\n")
    for text, sentence in ((swedish, "sv"), (english, "en")):
        for number, purpose in enumerate(Purpose, 1):
            shown = re.findall(rf"^\| {number}\.(\d+) \| `([^`]+)` \|.*$", text, flags=re.MULTILINE)
            assert shown == [(str(place), rule.id) for place, rule in enumerate(rules.RULES[purpose], 1)]
            assert all(getattr(rule, sentence) in text for rule in rules.RULES[purpose])


def test_every_table_ends_with_a_row_that_always_fits() -> None:
    """Broken: what fits no row is decided by accident."""
    for table in rules.RULES.values():
        assert table[-1].outcome is rules.Outcome.DENY
        assert not table[-1].when + table[-1].unless


def test_an_open_default_is_not_printed_as_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: a setting that a lawyer has to settle is open, and the page says that it is off."""
    opened = replace(settings.CLOSED, outer_block_opens_in_emergency=True)
    monkeypatch.setattr(make_decision_table, "CLOSED", opened)
    with pytest.raises(AssertionError, match="closed"):
        make_decision_table.page()
