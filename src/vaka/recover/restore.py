"""Restoring beside the live record: copy, recover, verify, and only then swap in.

Invariants: until the swap nothing of the live record is touched, so a restore that fails or is killed changes nothing;
the plan is on disk before each step and every step can be done again, so a killed restore goes on where it was; the
replaced record is kept. After a restore a new epoch begins (facts/traps.md, Epoch).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import orjson
import psycopg

from vaka import errors, log
from vaka.accesslog.direct import log_command
from vaka.journal import cluster as clusters
from vaka.journal import durability, migrate, redactions, settings
from vaka.journal.binaries import ENVIRONMENT
from vaka.journal.statements import statements
from vaka.recover import place as places
from vaka.recover import wal
from vaka.recover.place import Place

RECOVERY_MAX_S: Final = 24 * 3600.0
DISK_SPARE_BYTES: Final = 512 * 1024 * 1024
FOLDER: Final = "restore"
Step = Literal["copy", "recover", "ready", "swap"]
Progress = Callable[[str, int, int], None]  # what, done, total


@dataclass(frozen=True, slots=True)
class Report:
    """What the restored record holds. ``last_change``: null in an empty record. ``cut``: why what the backup holds could not
    be played back to its end; null where it could, or was not to be."""

    base: str
    versions: int
    body_bytes: int
    last_change: datetime | None
    epoch: int | None
    cut: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A restore under way. ``to`` null: as far as the backup reaches. ``before``: the name the old record gets."""

    root: str
    system: str
    base: str
    to: datetime | None
    step: Step
    before: str
    report: Report | None = None


def load(home: Path) -> Plan | None:
    """The plan in DIR ``home``; null when no restore is under way."""
    try:
        told: dict[str, Any] = orjson.loads((home / FOLDER / "plan.json").read_bytes())
    except FileNotFoundError:
        return None
    told["to"] = _moment(told["to"])
    if told["report"] is not None:
        told["report"]["last_change"] = _moment(told["report"]["last_change"])
        told["report"] = Report(**told["report"])
    return Plan(**told)


def begin(home: Path, root: Path, to: datetime | None) -> Plan:
    """Choose the base and write the plan. Conflict where another restore is under way; NotFound without a backup."""
    if (found := load(home)) is not None:
        if found.to == to and found.step != "swap":
            return found
        raise errors.Conflict(
            "another restore is under way here", help="vaka restore --finish goes on with it, --cancel gives it up"
        )
    place = places.of(root, home / "pg")
    base = places.wanted(place.bases(), to)
    plan = Plan(str(root), place.system, base.name, to, "copy", f"pg.before-{places.now():%Y%m%dT%H%M%SZ}")
    _save(home, plan)
    return plan


def prepare(home: Path, plan: Plan, progress: Progress) -> Plan:
    """Copy, recover and verify; the returned plan is ready to be swapped in. The live record may be running."""
    target = clusters.at(home / FOLDER / "pg")
    if plan.step == "copy":
        _copy(target, Place(Path(plan.root), plan.system), plan, progress)
        plan = _save(home, replace(plan, step="recover"))
    if plan.step == "recover":
        target.ensure()
        report = replace(_recover(home, target, plan, progress), cut=_cut(target, plan))
        plan = _save(home, replace(plan, step="ready", report=report))
        log.info("restore verified", base=plan.base, versions=report.versions, epoch=report.epoch)
    return plan


def swap(home: Path, plan: Plan) -> Path:
    """Put the verified record in the place of the live one, which must be stopped and locked; returns the old one's."""
    if plan.step not in ("ready", "swap"):
        raise errors.Conflict("the restored record is not verified yet", help="vaka restore --finish goes on with it")
    plan = _save(home, replace(plan, step="swap"))
    live, new, before = home / "pg", home / FOLDER / "pg", home / plan.before
    if new.exists():
        # What the restored record writes must not go on in the file where the replaced one ended.
        place = Place(Path(plan.root), plan.system)
        if place.path.exists():
            place.next_wal_folder()
        if live.exists():
            live.rename(before)
        new.rename(live)
    _sync(home)
    log.info("restore swapped in", base=plan.base, before=plan.before)
    cancel(home)
    return before


def finish_swap(home: Path) -> None:
    """At a start: end a swap that was killed in the middle. The caller has the lock."""
    plan = load(home)
    if plan is not None and plan.step == "swap":
        swap(home, plan)


def cancel(home: Path) -> None:
    """Give up what is not swapped in; the plan goes last, so that a killed cancel can be done again."""
    folder = home / FOLDER
    if folder.exists():
        clusters.at(folder / "pg").end_leftovers(grace_s=0.0)
        for entry in [entry for entry in folder.iterdir() if entry.name != "plan.json"]:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        shutil.rmtree(folder)


def _copy(target: clusters.Cluster, place: Place, plan: Plan, progress: Progress) -> None:
    source = place.base / plan.base
    files = list(_files(source, target.pgdata))
    files += _wal(place, target.pgdata / "pg_wal", first=_base(place, plan).begin // places.SEGMENT_BYTES)
    total = sum(file.stat().st_size for file, _ in files)
    free = shutil.disk_usage(target.pgdata.parent).free
    if free < total + DISK_SPARE_BYTES:
        raise errors.Setup(f"a restore needs {total >> 20} MB, {free >> 20} MB are free", help="make room on the disk")
    for folder, folders, _ in os.walk(source):
        _make(target.pgdata / Path(folder).relative_to(source), target)
        for name in folders:
            _make(target.pgdata / Path(folder).relative_to(source) / name, target)
    done = 0
    for file, to in files:
        size = file.stat().st_size
        if not to.exists():  # a file is there whole, or not at all
            partial = to.with_name(to.name + ".copying")
            shutil.copyfile(file, partial)
            os.chown(partial, target.owner.uid, target.owner.gid)
            partial.chmod(0o600)
            partial.rename(to)
        done += size
        progress("copy", done, total)
    signal_file = target.pgdata / "recovery.signal"
    signal_file.touch()
    os.chown(signal_file, target.owner.uid, target.owner.gid)


def _base(place: Place, plan: Plan) -> places.Base:
    return next(base for base in place.bases() if base.name == plan.base)


def _files(source: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    left_out = {source / "vaka.json", source / "backup_manifest"}
    for folder, folders, names in os.walk(source):
        if Path(folder) == source / "pg_wal":  # the archive's files hold the same, and more
            folders[:] = [name for name in folders if name == "archive_status"]
        for name in names:
            if (file := Path(folder, name)) not in left_out:
                yield file, target / file.relative_to(source)


def _wal(place: Place, target: Path, first: int) -> list[tuple[Path, Path]]:
    """The archive's files from segment ``first`` on: a whole one before a partial one, the newest folder's first."""
    chosen: dict[str, Path] = {}
    for folder in place.wal_folders():
        for file in folder.iterdir():
            segment = places.segment_of(file.name)
            if file.name.endswith(".history"):
                chosen[file.name] = file
            elif segment is not None and segment.number >= first:
                known = chosen.get(segment.name)
                if known is None or known.name.endswith(".partial") or not segment.partial:
                    chosen[segment.name] = file
    return [(file, target / name) for name, file in sorted(chosen.items())]


def _make(folder: Path, target: clusters.Cluster) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chown(folder, target.owner.uid, target.owner.gid)


def _recover(home: Path, target: clusters.Cluster, plan: Plan, progress: Progress) -> Report:
    """Play the WAL back up to the point asked for, and look at all of what is there."""
    progress("recover", 0, 0)
    options = {
        "restore_command": "false",  # all of the archive is in pg_wal already
        "recovery_target_timeline": "latest",
        "recovery_target_action": "promote",
        "hot_standby": "off",
        "logging_collector": "off",
        "log_destination": "stderr",
    }
    if plan.to is not None:
        options["recovery_target_time"] = plan.to.astimezone(UTC).isoformat()
    try:
        with target.started(options, timeout_s=RECOVERY_MAX_S):
            progress("verify", 0, 0)
            durability.check(target.dsn())
            _amcheck(target)
            report = _look(target.dsn(), plan)
            if report.epoch is not None:
                _redact_again(redactions.Redactions(home, Path(plan.root)), target.dsn())
    except errors.Setup as failed:
        if "before configured recovery target was reached" in failed.message:
            raise errors.NotFound(
                "the backup does not reach that time", help="vaka restore --cancel, then --to latest or an earlier time"
            ) from failed
        raise
    return report


def _cut(target: clusters.Cluster, plan: Plan) -> str | None:
    """PostgreSQL takes damaged WAL for the end of the WAL: whoever asked for all there is must be told of it."""
    if plan.to is not None:
        return None
    place = Place(Path(plan.root), plan.system)
    first = _base(place, plan).begin // places.SEGMENT_BYTES
    folders = [f for f in place.wal_folders() if any(segment.number >= first for segment in places.segments(f))]
    return next((found for folder in folders if (found := wal.problem(target.programs, folder))), None)


def _amcheck(target: clusters.Cluster) -> None:
    address = target.dsn(role=settings.SUPERUSER)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS amcheck")
        done = subprocess.run(  # nosec B603 # the wheel's own program by its full path; no shell
            [target.programs.program("pg_amcheck"), f"--host={target.host}", f"--port={settings.PORT}",
             f"--username={settings.SUPERUSER}", "--jobs=2", "--no-password", settings.DATABASE],
            env=ENVIRONMENT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        connection.execute("DROP EXTENSION amcheck")
    if done.returncode != 0:
        # What it prints may quote keys: the log gets the object's name only.
        raise errors.Fault(
            f"the restored record is damaged: {(done.stdout or done.stderr).splitlines()[0][:200]}",
            help="vaka restore --cancel, and restore an earlier backup",
        )


def _look(dsn: str, plan: Plan) -> Report:
    """Read every version, and write: a record that only starts is not yet one that works."""
    sql = {name: statement.encode() for name, statement in statements("verify").items()}
    with psycopg.connect(dsn, autocommit=True) as connection:

        def one(name: str) -> tuple[Any, ...]:
            row = connection.execute(sql[name]).fetchone()
            assert row is not None
            return row

        if not one("tables")[0]:
            return Report(plan.base, 0, 0, None, None)
        if orphans := one("orphans")[0]:
            raise errors.Fault(
                f"{orphans} resources of the restored record have no current version",
                help="vaka restore --cancel, and restore an earlier backup",
            )
        versions, size, _ = one("count_versions")
        last = one("last_change")[0]
        mark = places.now().isoformat()
        connection.execute(sql["write_probe"], {"value": mark})
        with psycopg.connect(dsn, autocommit=True) as other:
            if other.execute(sql["read_probe"]).fetchone() != (mark,):
                raise errors.Fault("a write to the restored record is not read back")
    if migrate.has_access_log(dsn):  # not so in a backup of an older release
        log_command(dsn, "restore", f"from {plan.base} to {plan.to.isoformat() if plan.to else 'latest'}")
    epoch = migrate.raise_epoch(dsn, f"restored from {plan.base} to {plan.to.isoformat() if plan.to else 'latest'}")
    changed = None if last is None else datetime.fromtimestamp(last / 1e6, UTC)
    return Report(plan.base, int(versions), int(size), changed, epoch)


def _redact_again(listed: redactions.Redactions, dsn: str) -> None:
    """Take out again what was redacted since the backup (S26): it is never swapped in with its content."""
    done = redactions.apply_again(dsn, listed.read())
    if done:
        log.info("redacted again", resources=done)


def _moment(told: str | None) -> datetime | None:
    return None if told is None else datetime.fromisoformat(told)


def _save(home: Path, plan: Plan) -> Plan:
    folder = home / FOLDER
    folder.mkdir(exist_ok=True)
    folder.chmod(0o711 if os.geteuid() == 0 else 0o700)  # PostgreSQL passes through to its own folders
    partial = folder / "plan.new"
    with partial.open("wb") as out:
        out.write(orjson.dumps(asdict(plan)))
        out.flush()
        os.fsync(out.fileno())
    partial.rename(folder / "plan.json")
    _sync(folder)
    return plan


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
