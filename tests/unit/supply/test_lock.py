"""Reading the lock files."""

from __future__ import annotations

from pathlib import Path

import pytest

from vaka import errors
from vaka.supply import lock


def test_every_entry_of_both_locks_is_read_with_its_hashes() -> None:
    """Broken: something is installed that neither the bill of materials nor the audit knows of."""
    root = lock.root()
    running, whole = (lock.read(root / name) for name in ("requirements.lock", "requirements-test.lock"))
    written = [line for line in (root / "requirements-test.lock").read_text().splitlines() if line[:1].isalnum()]
    assert len(whole) == len(written)
    assert {(one.name, one.version) for one in running} <= {(one.name, one.version) for one in whole}
    assert all(one.hashes for one in whole)
    assert sum(len(one.hashes) for one in whole) == (root / "requirements-test.lock").read_text().count("--hash=")


def test_markers_stay_with_their_entry(tmp_path: Path) -> None:
    """Broken: a version for another Python counts as the one for this."""
    (tmp_path / "one.lock").write_text(
        "A_b.c==1 ; python_full_version < '3.12' \\\n"
        f"    --hash=sha256:{'0' * 64} \\\n    --hash=sha256:{'1' * 64}\n"
        f"a-b-c==2 ; python_full_version >= '3.12' \\\n    --hash=sha256:{'2' * 64}\n"
    )
    first, second = lock.read(tmp_path / "one.lock")
    assert (first.name, first.version, first.marker) == ("a-b-c", "1", "python_full_version < '3.12'")
    assert first.hashes == ("0" * 64, "1" * 64)
    assert (second.name, second.version) == ("a-b-c", "2")


@pytest.mark.parametrize("line", ["a>=1", "-r other.lock", "a==1 --hash=md5:00", "a @ file:///tmp/a.whl", "--extra x"])
def test_another_form_is_refused(tmp_path: Path, line: str) -> None:
    """Broken: a line that pip would install from is passed over in silence."""
    (tmp_path / "one.lock").write_text(line + "\n")
    with pytest.raises(errors.Setup):
        lock.read(tmp_path / "one.lock")
