"""DIR's lock, limits and links. Writes to a temporary folder only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vaka import errors
from vaka.watch.directory import Directory


def test_the_second_lock_is_refused_with_the_pid(tmp_path: Path) -> None:
    """Broken: two supervisors write the same cluster."""
    directory = Directory(tmp_path)
    directory.create()
    with directory.lock(), pytest.raises(errors.Setup, match=str(os.getpid())) as refused:
        directory.lock()
    assert refused.value.help
    directory.lock().close()


def test_a_full_disk_is_refused(tmp_path: Path) -> None:
    """Broken: the start runs into ENOSPC halfway."""
    with pytest.raises(errors.Setup, match="full"):
        Directory(tmp_path).check_disk(1 << 60)


def test_secrets_and_cores_are_closed(tmp_path: Path) -> None:
    """Broken: keys and dumps, which hold health data, can be read by others."""
    directory = Directory(tmp_path / "a")
    directory.create()
    assert [path.stat().st_mode & 0o777 for path in (directory.secret, directory.cores)] == [0o700, 0o700]


def test_the_second_place_is_linked_but_never_hides_backups(tmp_path: Path) -> None:
    """Broken: backups are lost from sight when another place is named."""
    directory = Directory(tmp_path / "a")
    directory.create()
    directory.keep_backups_in(tmp_path / "b")
    directory.keep_backups_in(tmp_path / "c")
    assert directory.backup.resolve() == tmp_path / "c"
    directory.backup.unlink()
    (directory.backup / "kept").mkdir(parents=True)
    with pytest.raises(errors.Setup, match="holds backups"):
        directory.keep_backups_in(tmp_path / "b")
    directory.keep_backups_in(None)
    assert (directory.backup / "kept").exists()
