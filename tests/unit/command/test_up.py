"""``vaka up``, before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from vaka import assemble, errors
from vaka.command.up import command
from vaka.journal import cluster


@pytest.mark.parametrize("given", ["nonsense", "postgresql://[", "host=/x sslmode"])
@pytest.mark.parametrize("way", ["option", "environment"])
def test_what_is_no_address_of_a_postgresql_is_told_at_once(tmp_path: Path, given: str, way: str) -> None:
    """Broken: a mistyped address ends in a library's word for it, after three tries to start."""
    asked = ["--data", str(tmp_path / "d"), *(("--database", given) if way == "option" else ())]
    environment = {"VAKA_DATABASE": given} if way == "environment" else {}
    said = CliRunner().invoke(command, asked, env=environment).exception
    assert isinstance(said, errors.Setup)
    assert "not the address of a PostgreSQL" in said.message
    assert said.help and "host=" in said.help
    assert not (tmp_path / "d").exists()


def test_only_our_own_database_is_waited_for_at_length(tmp_path: Path) -> None:
    """Broken: where the PostgreSQL that was named does not run, a start says nothing for an hour; or a long recovery is cut."""
    directory = assemble.directory(tmp_path)
    assert assemble.wait_s(directory, "host=/var/run/postgresql user=vaka dbname=vaka") == assemble.DATABASE_WAIT_S
    assert assemble.wait_s(directory, "postgresql://db.example/vaka") == assemble.DATABASE_WAIT_S
    directory.pgdata.mkdir()
    assert assemble.wait_s(directory, cluster.at(directory.pgdata).dsn()) == assemble.EMBEDDED_WAIT_S
    assert assemble.wait_s(directory, "host=/var/run/postgresql user=vaka dbname=vaka") == assemble.DATABASE_WAIT_S
