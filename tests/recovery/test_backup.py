"""Backups are made by themselves, damage is found, and a restore changes nothing until it is verified."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from bench.running import command
from tests.recovery.running import told, up, vaka, wait_until

from vaka import assemble
from vaka.journal import cluster
from vaka.recover import place as places
from vaka.recover import restore


@dataclass(frozen=True)
class Saved:
    """A stopped Vaka with a backup: ``first`` was written before ``between``, ``second`` after it."""

    data: Path
    first: str
    second: str
    between: datetime


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    data = tmp_path_factory.mktemp("saved") / "data"
    with up(data) as running:
        wait_until(lambda: _bases(data), "the first base backup")
        first = running.create("First")
        time.sleep(0.1)
        between = datetime.now(UTC)
        time.sleep(0.1)
        second = running.create("Second")
    return Saved(data, first, second, between)


@contextlib.contextmanager
def copy(saved: Saved, to: Path) -> Iterator[Path]:
    """A copy that a test may damage, owners and all."""
    subprocess.run(["cp", "-a", saved.data, to / "data"], check=True)
    yield to / "data"


def _bases(data: Path) -> list[places.Base]:
    found = list((data / "backup").glob("*/base/[0-9]*/vaka.json"))
    return places.Place(data / "backup", found[0].parents[2].name).bases() if found else []


def _restored(data: Path, *options: str) -> Any:
    done = vaka("restore", "--json", "--data", data, *options)
    assert done.returncode == 0, done.stderr
    return told(done)


def test_the_first_start_makes_a_sound_backup(saved: Saved) -> None:
    """Broken: there is no backup on the day it is needed, or it ends before the clean stop."""
    done = vaka("backup", "verify", "--json", "--data", saved.data)
    assert done.returncode == 0, done.stdout
    assert [finding["problem"] for finding in told(done)] == [None, None]
    listed = told(vaka("backup", "list", "--json", "--data", saved.data))
    assert len(listed["bases"]) == 1
    assert listed["wal"][0]["missing"] == 0


@pytest.mark.parametrize("what", ["base", "lost file", "wal", "wal that is received", "its last record", "lost wal"])
def test_damage_is_found(saved: Saved, tmp_path: Path, what: str) -> None:
    """Broken: a damaged backup is called sound until it is needed."""
    with copy(saved, tmp_path) as data:
        (base,) = (data / "backup").glob("*/base/*")
        wal = sorted(file for file in (data / "backup").glob("*/wal/*/*") if places.segment_of(file.name))
        match what:
            case "base":
                _flip(max((base / "base").glob("*/*"), key=lambda file: file.stat().st_size), 5_000)
            case "lost file":
                min((base / "base").glob("*/*")).unlink()
            case "wal":
                assert not wal[0].name.endswith(".partial")
                _flip(wal[0], _records(data, wal[0])[0])
            case "wal that is received":  # what was written after the base backup is here alone
                assert wal[-1].name.endswith(".partial")
                records = _records(data, wal[-1])
                _flip(wal[-1], records[len(records) // 2])
            case "its last record":
                _flip(wal[-1], _records(data, wal[-1])[-1])
            case "lost wal":
                shutil.copy(wal[0], wal[0].with_name("000000010000000000000063"))
        done = vaka("backup", "verify", "--json", "--data", data)
        assert done.returncode == 1
        problems = [finding["what"].split()[0] for finding in told(done) if finding["problem"]]
        assert problems == ["base" if what in ("base", "lost file") else "wal"]


def _records(data: Path, file: Path) -> list[int]:
    """Where in a WAL file the checksums of its records are. How far a file is filled depends on when the base backup was
    made, before, within or after the migrations: what is damaged must surely be a record."""
    whole = data / file.name.removesuffix(".partial")
    shutil.copy(file, whole)
    program = cluster.at(data / "pg").programs.program("pg_waldump")
    said = subprocess.run([program, whole], capture_output=True, text=True, check=False).stdout
    found = [places.lsn(at) % places.SEGMENT_BYTES for at in re.findall(r"lsn: ([0-9A-F]+/[0-9A-F]+)", said)]
    assert found, f"no record in {file.name}"
    return [at + 20 for at in found if at % 8192 <= 8192 - 24]


def test_what_is_being_received_is_sound(saved: Saved, tmp_path: Path) -> None:
    """Broken: a verification of a Vaka that is at work cries wolf."""
    with copy(saved, tmp_path) as data, up(data) as running:
        ended = threading.Event()

        def write() -> None:
            while not ended.is_set():
                running.create("x" * 20_000)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(6):
                done = vaka("backup", "verify", "--json", "--data", data)
                assert done.returncode == 0, done.stdout
        finally:
            ended.set()
            writer.join()


def _flip(file: Path, at: int) -> None:
    with file.open("r+b") as out:
        out.seek(at)
        byte = out.read(1)
        out.seek(at)
        out.write(bytes([byte[0] ^ 0xFF]))


def test_restore_to_a_time(saved: Saved, tmp_path: Path) -> None:
    """Broken: the record does not come back as it was, or the cursors of the lost tail stay valid."""
    with copy(saved, tmp_path) as data:
        report = _restored(data, "--to", saved.between.isoformat())
        assert report["swapped"]
        assert report["versions"] == 1
        assert report["epoch"] == 2
        assert Path(report["before"]).is_dir()
        assert not (data / "restore").exists()
        with up(data) as running:
            assert running.read(saved.first) == 200
            assert running.read(saved.second) == 404


@pytest.mark.slow
def test_a_restored_record_can_itself_be_restored(saved: Saved, tmp_path: Path) -> None:
    """Broken: after a restore there is no backup of what is written then, or what was replaced comes back with it."""
    with copy(saved, tmp_path) as data:
        _restored(data, "--to", saved.between.isoformat())
        with up(data) as running:
            third = running.create("Third")
            # What is written from now on is backed up apart from what was replaced.
            wait_until(lambda: len(_bases(data)) == 2, "a base backup after the restore")
        # The restored record can itself be restored, and nothing of the replaced one comes with it.
        assert _restored(data, "--to", "latest")["versions"] == 2
        with up(data) as running:
            assert [running.read(id_) for id_ in (saved.first, saved.second, third)] == [200, 404, 200]


def test_restore_of_all_beside_a_running_vaka(saved: Saved, tmp_path: Path) -> None:
    """Broken: a restore stops, or changes, the record that people work in."""
    with copy(saved, tmp_path) as data:
        with up(data) as running:
            running.create("Third")
            report = _restored(data, "--to", "latest")
            assert not report["swapped"]
            assert running.ready()
            assert running.read(saved.second) == 200
        assert _restored(data, "--finish")["swapped"]
        with up(data) as running:
            assert running.read(saved.second) == 200


def test_a_restore_after_the_disk_was_lost(saved: Saved, tmp_path: Path) -> None:
    """Broken: the backup helps only where the record is still there."""
    with copy(saved, tmp_path) as data:
        (data / "backup").rename(tmp_path / "elsewhere")
        shutil.rmtree(data)
        report = _restored(data, "--to", "latest", "--backup-dir", str(tmp_path / "elsewhere"))
        assert report["versions"] == 2
        with up(data, "--backup-dir", tmp_path / "elsewhere") as running:
            assert running.read(saved.second) == 200


def test_a_killed_restore_changes_nothing_and_goes_on(saved: Saved, tmp_path: Path) -> None:
    """Broken: a restore that is cut leaves the live record half replaced, or has to be cleaned up by hand."""
    seed = 20261123
    chance = random.Random(seed)
    with copy(saved, tmp_path) as data:
        before = _fingerprint(data / "pg")
        for _ in range(5):
            process = subprocess.Popen(
                command("restore", "--to", "latest", "--no-swap", "--data", data), stdout=subprocess.DEVNULL
            )
            time.sleep(chance.uniform(0.2, 1.6))
            process.kill()
            process.wait()
            assert _fingerprint(data / "pg") == before, f"seed {seed}"
        with up(data) as running:
            assert running.read(saved.second) == 200
        assert _restored(data, "--finish" if (data / "restore").exists() else "--to=latest")["swapped"]
        assert cluster.at(data / "pg").leftovers() == []
        with up(data) as running:
            assert running.read(saved.second) == 200


def test_a_damaged_backup_is_never_swapped_in(saved: Saved, tmp_path: Path) -> None:
    """Broken: a restore replaces a record that works by one that does not."""
    with copy(saved, tmp_path) as data:
        (base,) = (data / "backup").glob("*/base/*")
        # pg_description: starting the server does not read it, and nothing writes it, so that no page image in the
        # WAL heals it (pg_statistic was healed by an autovacuum after the base backup).
        for file in (base / "base").glob("*/2609"):
            _flip(file, 4_000)
            _flip(file, 12_000)
        before = _fingerprint(data / "pg")
        done = vaka("restore", "--to", "latest", "--data", data)
        assert done.returncode != 0
        assert "Traceback" not in done.stderr
        assert _fingerprint(data / "pg") == before
        assert vaka("restore", "--cancel", "--data", data).returncode == 0
        with up(data) as running:
            assert running.read(saved.second) == 200


def test_a_restore_says_that_damage_cut_it_short(saved: Saved, tmp_path: Path) -> None:
    """Broken: "latest" is an hour ago, and nobody is told: PostgreSQL takes damaged WAL for its end."""
    with copy(saved, tmp_path) as data:
        assert _restored(data, "--to", "latest", "--no-swap")["cut"] is None
        assert vaka("restore", "--cancel", "--data", data).returncode == 0
        (received,) = (data / "backup").glob("*/wal/*/*.partial")
        records = _records(data, received)
        _flip(received, records[len(records) // 2])
        assert "checksum in record" in _restored(data, "--to", "latest", "--no-swap")["cut"]


@pytest.mark.parametrize(
    "renamed", [pytest.param(0, marks=pytest.mark.slow), 1, pytest.param(2, marks=pytest.mark.slow)]
)
def test_a_killed_swap_is_ended_by_the_next_start(saved: Saved, tmp_path: Path, renamed: int) -> None:
    """Broken: after a kill between two renames, Vaka starts with an empty record."""
    with copy(saved, tmp_path) as data:
        _restored(data, "--to", saved.between.isoformat(), "--no-swap")
        plan = restore.load(data)
        assert plan is not None
        restore._save(data, replace(plan, step="swap"))
        if renamed > 0:
            (data / "pg").rename(data / plan.before)
        if renamed > 1:
            (data / "restore" / "pg").rename(data / "pg")
        with up(data) as running:
            assert [running.read(saved.first), running.read(saved.second)] == [200, 404]
        assert (data / plan.before).is_dir()


def test_a_time_that_no_backup_reaches(saved: Saved, tmp_path: Path) -> None:
    """Broken: a restore to tomorrow gives today without saying so."""
    with copy(saved, tmp_path) as data:
        assert vaka("restore", "--to", "2001-01-01", "--data", data).returncode == 66
        done = vaka("restore", "--to", "2099-01-01", "--data", data)
        assert done.returncode == 66, done.stderr
        assert "does not reach" in done.stderr
        assert vaka("restore", "--cancel", "--data", data).returncode == 0


def test_a_gap_begins_a_new_folder_and_a_new_base(saved: Saved, tmp_path: Path) -> None:
    """Broken: WAL with a hole is kept as if it were whole."""
    with copy(saved, tmp_path) as data:
        found = cluster.at(data / "pg")
        # Written while nobody receives: the server recycles it at its checkpoints.
        with (
            found.started({"wal_keep_size": "0", "max_wal_size": "64MB", "min_wal_size": "32MB"}),
            psycopg.connect(found.superuser_dsn, autocommit=True) as connection,
        ):
            for _ in range(4):
                connection.execute("SELECT pg_logical_emit_message(false, 'x', repeat('x', 20000000))")
                connection.execute("CHECKPOINT")
                connection.execute("SELECT pg_switch_wal()")
        with up(data):
            wait_until(lambda: len(_bases(data)) == 2, "a new base backup")
        assert len(list((data / "backup").glob("*/wal/*"))) == 2
        done = vaka("backup", "verify", "--data", data)
        assert done.returncode == 0, done.stdout


def _fingerprint(folder: Path) -> list[tuple[str, int, int]]:
    found = []
    for where, _, names in os.walk(folder):
        for name in names:
            status = Path(where, name).stat()
            found.append((str(Path(where, name)), status.st_size, status.st_mtime_ns))
    return sorted(found)


def test_a_backup_now_of_a_stopped_vaka_is_refused(saved: Saved) -> None:
    """Broken: the operator believes that a backup was made."""
    done = vaka("backup", "now", "--data", saved.data)
    assert done.returncode == 78
    assert "not running" in done.stderr


def test_a_mistyped_folder_is_left_alone(tmp_path: Path) -> None:
    """Broken: a slip of the pen makes a folder that later commands take for a Vaka."""
    for asked in (("--to", "latest"), ("--finish",), ("--cancel",)):
        done = vaka("restore", *asked, "--data", tmp_path / "typo")
        assert done.returncode == 66, done.stderr
        assert "\n  help: " in done.stderr
    assert vaka("restore", "--to", "yesterday", "--data", tmp_path / "typo").returncode == 65
    assert not (tmp_path / "typo").exists()


def test_giving_up_does_not_pull_a_restore_away_that_works(saved: Saved, tmp_path: Path) -> None:
    """Broken: one person's --cancel ends another's restore in the middle, with an error that nobody understands."""
    with copy(saved, tmp_path) as data:
        _restored(data, "--to", "latest", "--no-swap")
        with assemble.directory(data).lock("restore.lock"):
            done = vaka("restore", "--cancel", "--data", data)
            assert done.returncode == 78
            assert f"in use by process {os.getpid()}" in done.stderr
        assert restore.load(data) is not None
        assert told(vaka("restore", "--cancel", "--json", "--data", data)) == {"cancelled": True}
        assert restore.load(data) is None
