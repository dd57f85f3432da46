"""Reserve entries survive: two copies' reserves and a real journal, against a ledger outside, with ``kill -9`` of either side."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.reserve import vaka_reserve


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_no_entry_is_lost_or_doubled_by_kills_of_either_side(tmp_path: Path, kills: int) -> None:
    """Would break: what a copy acknowledged during a stop would be missing in the record, or be there twice, or out of order."""
    found = vaka_reserve(kills, tmp_path)
    print(found)
    assert not found.lost, f"seed {found.seed}"
    assert not found.doubled, f"seed {found.seed}"
    assert not found.changed, f"seed {found.seed}: the last change is not what stands"
    assert not found.left, f"seed {found.seed}: {found.left[:5]}"
    assert found.entries > 10 * kills, "too little load to show anything"
