"""The embedded PostgreSQL by itself."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import psycopg
import pytest
from tests.recovery.running import wait_until

from vaka import errors, process
from vaka.journal import binaries, cluster, durability


@pytest.fixture
def made(tmp_path: Path) -> cluster.Cluster:
    tmp_path.chmod(0o711)
    found = cluster.at(tmp_path / "pg")
    found.ensure()
    return found


def test_what_a_new_cluster_is(made: cluster.Cluster) -> None:
    """Broken: the record lies on a server that is not durable, not private, or sorts by the machine's locale."""
    with made.started() as server:
        durability.check(made.dsn())
        with psycopg.connect(made.dsn()) as connection:

            def one(query: str) -> object:
                row = connection.execute(query.encode()).fetchone()
                return row[0] if row else None

            assert one("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
            assert one("SELECT datlocprovider::text FROM pg_database WHERE datname = current_database()") == "b"
            assert one("SELECT datlocale FROM pg_database WHERE datname = current_database()") == "C.UTF-8"
            assert one("SHOW listen_addresses") == ""
            assert one("SHOW server_encoding") == "UTF8"
        assert made.socket.stat().st_mode & 0o777 == 0o700
        assert not [line for line in Path(f"/proc/{server.pid}/net/tcp").read_text().splitlines() if ":1538 " in line]
        assert server.pid in made.leftovers()
    assert made.leftovers() == []


def test_an_older_postgresql_is_refused(made: cluster.Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: Vaka starts on a server that lacks what it asks for, and fails in the middle of the first write."""
    monkeypatch.setattr(durability, "VERSION_MIN", (made.programs.major + 1) * 10_000)
    with made.started(), pytest.raises(errors.Setup, match=f"PostgreSQL {made.programs.major} is too old"):
        durability.check(made.dsn())


def test_a_stranger_on_the_machine_is_not_let_in(made: cluster.Cluster) -> None:
    """Broken: any user of the machine reads the record."""
    with made.started():
        made.socket.chmod(0o755)  # even where the folder were open
        child = os.fork() if os.geteuid() == 0 else None
        if child is None:
            pytest.skip("needs another user")
        if child == 0:
            os.setgid(4321)
            os.setuid(4321)
            try:
                psycopg.connect(made.dsn(), connect_timeout=5)
            except psycopg.OperationalError:
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_busy_backends_of_a_killed_postmaster_are_ended(made: cluster.Cluster) -> None:
    """Broken: a busy backend keeps the next start out for as long as its query runs (facts/traps.md)."""
    with made.started() as server:
        connection = psycopg.connect(made.dsn(), autocommit=True)
        busy = connection.info.backend_pid
        connection.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 10000000000)")
        wait_until(lambda: Path(f"/proc/{busy}/stat").read_text().split()[2] == "R", "busy")
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        assert busy in made.leftovers()
    began = time.monotonic()
    with made.started():
        assert time.monotonic() - began < 60, "such a query runs for an hour"
    assert process.start_ticks(busy) is None


def test_a_pid_that_another_has_since_been_given(made: cluster.Cluster) -> None:
    """Broken: after a power cut, a stranger with the old postmaster's pid keeps PostgreSQL out."""
    for lock in (made.pgdata / "postmaster.pid", made.socket / ".s.PGSQL.5432.lock"):
        lock.write_text(f"{os.getpid()}\n{cluster.HERE}\n1\n5432\n\n\n")
        os.chown(lock, made.owner.uid, made.owner.gid)
    with made.started():
        assert made.accepting()


def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    """Broken: Vaka does not start in a deep folder."""
    tmp_path.chmod(0o711)
    deep = tmp_path / ("d" * 100)
    deep.mkdir(mode=0o711)
    found = cluster.at(deep / "pg")
    found.ensure()
    with found.started(), psycopg.connect(found.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert found.dsn() == found.dsn()
    shutil.rmtree(Path(found.host).parent)


def test_own_settings_are_kept_and_used(made: cluster.Cluster) -> None:
    """Broken: what an operator set is gone after the next start."""
    (made.pgdata / "local.conf").write_text("work_mem = '5MB'\n")
    made.ensure()
    with made.started(), psycopg.connect(made.dsn()) as connection:
        assert connection.execute("SHOW work_mem").fetchone() == ("5MB",)


def test_a_folder_that_is_no_cluster(tmp_path: Path) -> None:
    """Broken: a damaged folder is silently replaced by an empty record."""
    (tmp_path / "pg").mkdir()
    with pytest.raises(errors.Setup, match="not a PostgreSQL data directory"):
        cluster.at(tmp_path / "pg").ensure()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user for PostgreSQL")
def test_programs_out_of_the_users_sight_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: root cannot start Vaka from a virtual environment under /root."""
    place = Path(tempfile.mkdtemp(dir="/tmp"))  # pytest's own folders are closed to others
    try:
        place.chmod(0o755)
        monkeypatch.setattr(binaries, "COPY_ROOT", place / "lib")
        monkeypatch.setattr(binaries, "_runs", lambda *_: False)
        tmp_path.chmod(0o711)
        found = cluster.at(tmp_path / "pg")
        assert found.programs.bin.is_relative_to(place)
        found.ensure()
        with found.started(), psycopg.connect(found.dsn()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert cluster.at(tmp_path / "pg") == found
        assert [entry.name for entry in (place / "lib").iterdir()] == [found.programs.bin.parents[2].name]
    finally:
        shutil.rmtree(place)
