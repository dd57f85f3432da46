"""The addresses of sheets and lists at the journal, which has but sheets, for copies that lag: closed, refused, and logged."""

from __future__ import annotations

import httpx
import pytest
from tests.accesses import events
from tests.conftest import Instance

ADDRESSES = ("/sheet/nobody", "/sheet/nobody/notes?q=x", "/unit/nobody")


@pytest.mark.parametrize("address", ADDRESSES)
def test_nobody_reads_a_sheet_without_a_token(journal: Instance, address: str) -> None:
    """Would break: an address beside /fhir that asks nobody who they are."""
    assert httpx.get(journal.url + address).status_code == 401


@pytest.mark.parametrize("address", ADDRESSES[1:])
def test_the_journal_has_none_and_says_where(journal: Instance, address: str) -> None:
    """Would break: the journal answers with an empty sheet, or fails."""
    answer = httpx.get(journal.url + address, headers={"Authorization": f"Bearer {journal.token('sheets')}"})
    assert answer.status_code == 404
    assert "copy" in answer.text


def test_who_asked_is_logged(journal: Instance, tag: str) -> None:
    """Would break: somebody tries ids of sheets, and no log knows (L1)."""
    httpx.get(journal.url + f"/sheet/{tag}", headers={"Authorization": f"Bearer {journal.token(tag)}"})
    found = [event.record for event in events(journal.data, tag)]
    assert [(one.activity, one.status) for one in found] == [("sheet", 404)]
