"""``vaka up``: it starts, refuses, is killed, and comes back."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from tests.client import Api
from tests.recovery.running import Up, refused, told, up, vaka, wait_until

from vaka import process
from vaka.journal import cluster


def test_one_life(tmp_path: Path) -> None:
    """Broken: one of the things an operator does on the first day."""
    with up(tmp_path / "a b") as running:
        id_ = running.create("One")

        # vaka status knows each process.
        found = told(vaka("status", "--json", "--data", running.data))
        assert found["running"]
        assert (found["health"], found["ready"]) == (200, 200)
        processes = {part["name"]: part for part in found["processes"]}
        assert set(processes) == {"watch", "postgres", "journal", "wal", "backup"}
        assert processes["watch"]["pid"] == running.process.pid
        assert processes["journal"]["address"] == f"http://127.0.0.1:{running.port}"

        # A second start is refused, tells by whom, and disturbs nothing.
        assert f"in use by process {running.process.pid}" in refused(running.data)
        # So is one elsewhere, on the same port.
        assert f"port {running.port}" in refused(tmp_path / "b", port=running.port)
        assert not (tmp_path / "b" / "pg").exists()

        # A part that is killed comes back by itself.
        for name in ("journal", "postgres", "wal", "backup"):
            before = running.pid(name)
            os.kill(before, signal.SIGKILL)
            running.await_other(name, before)
            running.await_ready()
        assert running.read(id_) == 200

        # Every process may leave a core, and each of ours writes its stacks where they survive it.
        assert running.process.pid in running.pids()
        for pid in running.pids():
            limits = Path(f"/proc/{pid}/limits").read_text()
            (line,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
            assert line.split()[4] == line.split()[5], (pid, Path(f"/proc/{pid}/cmdline").read_text())
        for name in ("watch", "journal", "backup"):
            wait_until(partial(writes_stacks, running, name), f"stacks of {name}")
        running.await_ready()

        # kill -9 of everything: the next start finds what was acknowledged.
        running.kill_all()
        assert told_not_running(running.data)
    with up(running.data) as again:
        assert again.read(id_) == 200
        pids = again.pids()
        assert again.stop() == 0
        # PostgreSQL's log collector ends by itself, moments after its server.
        wait_until(lambda: not alive(pids), "nothing is left", 10)
    assert "shut down" in controldata(again.pgdata)


def writes_stacks(running: Up, name: str) -> bool:
    """Asks a part for its stacks, where it is far enough to be asked; whether they are there."""
    pid = running.pid(name)
    (caught,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt")]
    if int(caught.split()[1], 16) >> (signal.SIGUSR1 - 1) & 1:
        os.kill(pid, signal.SIGUSR1)
    written = running.data / "log" / f"{name}.fault"
    return written.exists() and "most recent call first" in written.read_text()


def alive(pids: list[int]) -> list[int]:
    """Those that run; a killed process that its parent has not asked for yet does not."""
    return [pid for pid in pids if process.start_ticks(pid) is not None]


def told_not_running(data: Path) -> bool:
    done = vaka("status", "--json", "--data", data)
    return done.returncode == 3 and not told(done)["running"]


def controldata(pgdata: Path) -> str:
    found = cluster.at(pgdata)
    done = subprocess.run(
        [found.programs.program("pg_controldata"), pgdata], capture_output=True, text=True, check=True
    )
    return done.stdout.split("Database cluster state:")[1].splitlines()[0].strip()


def test_children_end_with_a_killed_supervisor(tmp_path: Path) -> None:
    """Broken: after kill -9 of the supervisor, an API that nobody watches goes on answering."""
    with up(tmp_path) as running:
        pids = [running.pid(name) for name in ("postgres", "journal", "wal", "backup")]
        running.process.kill()
        running.process.wait(10)
        wait_until(lambda: not alive(pids), "children ended", 30)
    with up(tmp_path, port=running.port) as again:
        assert again.ready()


def test_weakened_durability_is_refused(tmp_path: Path) -> None:
    """Broken: Vaka acknowledges what a power cut takes away."""
    with up(tmp_path) as running:
        pass
    (tmp_path / "pg" / "local.conf").write_text("fsync = off\nmax_prepared_transactions = 3\n")
    said = refused(tmp_path)
    assert "fsync = off" in said
    assert "max_prepared_transactions = 3" in said
    assert not cluster.at(running.pgdata).leftovers()

    # A schema of a later release is left alone as well.
    (tmp_path / "pg" / "local.conf").write_text("")
    found = cluster.at(running.pgdata)
    with found.started(), psycopg.connect(found.dsn(), autocommit=True) as connection:
        have = connection.execute("SELECT value FROM fact WHERE name = 'schema'").fetchone()
        connection.execute("UPDATE fact SET value = '9999' WHERE name = 'schema'")
    assert "9999" in refused(tmp_path)

    # And one that a migration was passed over in.
    with found.started(), psycopg.connect(found.dsn(), autocommit=True) as connection:
        connection.execute("UPDATE fact SET value = %s WHERE name = 'schema'", have)
        connection.execute("UPDATE fact SET value = replace(value, ' 8 ', ' ') WHERE name = 'migrations'")
    assert "never had 8" in refused(tmp_path)

    # And a cluster of another PostgreSQL.
    (tmp_path / "pg" / "PG_VERSION").write_text("17\n")
    assert "PostgreSQL 17" in refused(tmp_path)


def test_a_log_that_another_process_writes_is_told(tmp_path: Path) -> None:
    """Would break: what fails before the first answer keeps its process alive, and nobody learns why nothing starts."""
    (tmp_path / "accesslog").mkdir(mode=0o700)
    with (tmp_path / "accesslog" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another process writes the access log" in refused(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk_is_refused(tmp_path: Path) -> None:
    """Broken: the first start fills the disk and leaves half a cluster."""
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", tmp_path], check=False).returncode != 0:
        pytest.skip("no right to mount")
    try:
        assert "full" in refused(tmp_path)
        assert not (tmp_path / "pg").exists()
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_killed_first_start_is_begun_again(tmp_path: Path) -> None:
    """Broken: half a cluster is taken for a whole one."""
    (tmp_path / "pg.new" / "base").mkdir(parents=True)
    (tmp_path / "pg.new" / "PG_VERSION").write_text("18\n")
    with up(tmp_path) as running:
        assert running.ready()
    assert not (tmp_path / "pg.new").exists()


def test_another_listener_is_named_before_anything_starts(tmp_path: Path) -> None:
    """Broken: a cluster is made, and the start fails a minute later on the port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "--port" in refused(tmp_path, port=taken.getsockname()[1])
    assert not (tmp_path / "pg").exists()


def test_another_postgresql(tmp_path: Path) -> None:
    """Broken: --database does not work, or shares its cluster with strangers."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own").chmod(0o711)
    found = cluster.at(tmp_path / "own" / "pg")
    found.ensure()
    with found.started():
        with up(tmp_path / "v", "--database", found.dsn()) as running:
            assert running.create("Two")
            assert [part.name for part in running.status().parts] == ["journal"]
            assert running.status().dsn is None
        with psycopg.connect(found.superuser_dsn, autocommit=True) as connection:
            connection.execute("CREATE DATABASE wiki OWNER vaka")
        with psycopg.connect(found.dsn(database="wiki"), autocommit=True) as connection:
            connection.execute("CREATE TABLE page (x int)")
        assert "wiki" in refused(tmp_path / "v", "--database", found.dsn())


def _python_for(uid: int) -> str | None:
    """A Python of this version that ``uid`` can run: a virtual environment's may lead to somebody's home."""
    for name in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        try:
            tried = subprocess.run([name, "-c", ""], user=uid, group=uid, extra_groups=[], check=False, cwd="/")
        except OSError:
            continue
        if tried.returncode == 0:
            return name
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="everything else runs as an ordinary user already")
def test_an_ordinary_user_in_a_closed_folder() -> None:
    """Broken: Vaka works for root only."""
    uid = 65534
    python = _python_for(uid)
    if python is None:
        pytest.skip("no Python that another user can run")
    here = Path(__file__).resolve()
    if not all(folder.stat().st_mode & 0o001 for folder in here.parents):
        pytest.skip(f"{here.parents[2]} is closed to other users, who cannot import Vaka from there")
    root = Path("/tmp") / f"vaka-user-{os.getpid()}"
    root.mkdir(mode=0o700)
    os.chown(root, uid, uid)
    try:
        path = os.pathsep.join(entry for entry in sys.path if entry)
        env = {"PATH": os.environ["PATH"], "HOME": str(root), "PYTHONPATH": path}
        user: dict[str, Any] = {"user": uid, "group": uid, "extra_groups": []}
        with up(root / "data", python=python, env=env, cwd=root, **user) as running:
            assert running.create("Three")
            owners = {Path(f"/proc/{pid}").stat().st_uid for pid in running.pids()}
            assert owners == {uid}
    finally:
        shutil.rmtree(root)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user for PostgreSQL")
def test_root_in_a_folder_that_is_closed_to_others(tmp_path: Path) -> None:
    """Broken: a checkout under /root cannot start, or has its parent folders opened to everybody."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with up(closed / "data") as running:
        assert Path(f"/proc/{running.pid('postgres')}").stat().st_uid != 0
    assert closed.stat().st_mode & 0o777 == 0o700


def _write_until_cut(running: Up, acknowledged: list[str]) -> None:
    while True:
        try:
            acknowledged.append(running.create(f"N{len(acknowledged)}"))
        except (httpx.HTTPError, AssertionError):
            return


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twenty_kills_lose_nothing(tmp_path: Path) -> None:
    """Broken: kill -9 of everything under load loses or doubles an acknowledged write."""
    acknowledged: list[str] = []
    for _ in range(20):
        with up(tmp_path) as running:
            writers = [threading.Thread(target=_write_until_cut, args=(running, acknowledged)) for _ in range(4)]
            for writer in writers:
                writer.start()
            enough = len(acknowledged) + 50
            while len(acknowledged) < enough:
                time.sleep(0.01)
            running.kill_all()
            for writer in writers:
                writer.join()
    with up(tmp_path) as running:
        assert len(set(acknowledged)) == len(acknowledged)
        with Api(f"http://127.0.0.1:{running.port}", running.token()) as api:
            assert [id_ for id_ in acknowledged if api.get(f"/Patient/{id_}").status_code != 200] == []


@pytest.mark.slow
def test_a_frozen_api_is_replaced(tmp_path: Path) -> None:
    """Broken: an API that hangs is never found, since its process exists."""
    with up(tmp_path) as running:
        before = running.pid("journal")
        os.kill(before, signal.SIGSTOP)
        running.await_other("journal", before)
        running.await_ready()
        assert "has not answered" in (tmp_path / "log" / "watch.jsonl").read_text()


def test_status_of_nothing(tmp_path: Path) -> None:
    """Broken: asking for the state of a Vaka that never ran is an error, or makes files."""
    done = vaka("status", "--data", tmp_path / "none")
    assert done.returncode == 3
    assert "not running" in done.stdout
    assert not (tmp_path / "none").exists()
