"""What was redacted is taken out again whatever brings it back: a restore, a restore elsewhere, an old record put in place by hand (S26)."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg
import pytest
from tests.recovery.running import Up, told, up, vaka, wait_until

from vaka.journal import cluster

SECRET = "Hemligstämplad"


@dataclass(frozen=True)
class Saved:
    """A stopped Vaka in which one patient was redacted. ``before``: when it was not yet; ``old``: its cluster from then."""

    data: Path
    redacted: str
    other: str
    before: datetime
    old: Path


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    folder = tmp_path_factory.mktemp("redacted")
    data = folder / "data"
    with up(data) as running:
        wait_until(lambda: list((data / "backup").glob("*/base/[0-9]*/vaka.json")), "the first base backup")
        redacted, other = running.create(SECRET), running.create("Annan")
    subprocess.run(["cp", "-a", data / "pg", folder / "old"], check=True)
    before = datetime.now(UTC)
    with up(data) as running:
        running.create("Later")
        done = vaka("redact", f"Patient/{redacted}", "--decision", "8.2", "--authority", "IVO", "--yes", "--data", data)
        assert done.returncode == 0, done.stderr
        assert status(running, redacted) == 410
    return Saved(data, redacted, other, before, folder / "old")


@pytest.fixture
def data(saved: Saved, tmp_path: Path) -> Path:
    subprocess.run(["cp", "-a", saved.data, tmp_path / "data"], check=True)
    return tmp_path / "data"


def status(running: Up, id_: str) -> int:
    return running.read(id_)


def check(data: Path, saved: Saved, *options: str | Path) -> None:
    """Nothing serves it, finds it or stores it; the rest is there; the feed tells it."""
    with up(data, *options) as running:
        assert status(running, saved.redacted) == 410
        assert status(running, saved.other) == 200
        ask = httpx.Client(
            base_url=f"http://127.0.0.1:{running.port}/fhir", headers={"Authorization": f"Bearer {running.token()}"}, timeout=30
        )  # fmt: skip
        assert ask.get(f"/Patient?family={SECRET}").json().get("entry") is None
        assert ask.get(f"/Patient/{saved.redacted}/_history/1").status_code == 410
        history = ask.get(f"/Patient/{saved.redacted}/_history").json()["entry"]
        assert [one["request"]["method"] for one in history] == ["DELETE", "POST"]
        again = {"resourceType": "Patient", "id": saved.redacted}
        assert ask.put(f"/Patient/{saved.redacted}", json=again).status_code == 409
        with psycopg.connect(cluster.at(data / "pg").dsn()) as connection:
            row = connection.execute("SELECT count(*) FROM version v JOIN resource r USING (rkey) WHERE r.id = %s AND v.body IS NOT NULL", (saved.redacted,)).fetchone()  # fmt: skip
            assert row == (0,)
            assert connection.execute("SELECT count(*) FROM search_string WHERE value LIKE 'hemlig%'").fetchone() == (
                0,
            )


@pytest.mark.parametrize("to", ["before", "latest"])
def test_a_restore_takes_it_out_before_it_is_swapped_in(saved: Saved, data: Path, to: str) -> None:
    """Broken: a restore to before the redaction brings the content back."""
    done = vaka(
        "restore",
        "--json",
        "--data",
        data,
        "--to",
        saved.before.isoformat() if to == "before" else "latest",
        "--no-swap",
    )
    assert done.returncode == 0, done.stderr
    restored = cluster.at(data / "restore" / "pg")
    with restored.started({}, timeout_s=60), psycopg.connect(restored.dsn()) as connection:
        found = connection.execute(
            "SELECT v.action, v.redacted, v.body IS NULL FROM version v JOIN resource r ON r.rkey = v.rkey WHERE r.id = %s ORDER BY v.seq",
            (saved.redacted,),
        ).fetchall()
        assert found == [(1, True, True), (4, True, True)]
    assert told(vaka("restore", "--json", "--data", data, "--finish"))["swapped"]
    check(data, saved)


def test_on_another_machine_the_list_comes_from_the_backup_place(saved: Saved, data: Path, tmp_path: Path) -> None:
    """Broken: the list was on the disk that was lost."""
    (data / "backup").rename(tmp_path / "elsewhere")
    shutil.rmtree(data)
    done = vaka("restore", "--data", data, "--backup-dir", tmp_path / "elsewhere", "--to", saved.before.isoformat())
    assert done.returncode == 0, done.stderr
    check(data, saved, "--backup-dir", tmp_path / "elsewhere")


def test_an_old_record_put_in_place_by_hand(saved: Saved, data: Path) -> None:
    """Broken: what a person copies back is served with what was redacted."""
    shutil.rmtree(data / "pg")
    subprocess.run(["cp", "-a", saved.old, data / "pg"], check=True)
    check(data, saved)
    check(data, saved)  # a second start finds nothing more to do
