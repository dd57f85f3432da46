"""What the commands of ward snapshots tell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.unit.copy.test_snapshot import ABOUT

from vaka.assemble.snapshots import Opening
from vaka.command import snapshot
from vaka.copy.snapshot.about import About


@pytest.mark.parametrize(
    ("more", "address"),
    [
        ((), "http://localhost:8090"),
        (("--port", "443", "--name", "ward7.ehr.example.org"), "http://ward7.ehr.example.org:443"),
    ],
)
def test_the_address_that_is_told_is_where_passkeys_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], address: str
) -> None:
    """Broken: a ward opens ``localhost``, where no passkey of its staff counts, and nobody can log in."""

    def opened(opening: Opening, told: Callable[[About], None]) -> None:
        told(ABOUT)

    monkeypatch.setattr(snapshot, "open_", opened)
    done = CliRunner().invoke(snapshot.open_command, [str(tmp_path / "ward.vaka"), *more], catch_exceptions=False)
    assert f"Open {address} (Ctrl-C stops it)" in done.output
