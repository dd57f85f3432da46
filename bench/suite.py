"""Which figures there are, and in which order they run. ``vaka bench`` is the way in."""

from __future__ import annotations

import platform
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from bench.figure import Figure, sized
from bench.place import place, vaka
from bench.site import site

SHARED = ("read", "access", "create", "bulk", "memory", "disk", "access_log", "overload")
"""Measured one after the other on one journal that holds the demo region."""
COPIES = ("sheets", "copy_access", "latency", "copy_overload", "copy_disk", "away")
"""Measured one after the other on two copies of a journal that holds the demo region."""
ALONE = ("recovery", "lag", "cold")
LONG = ("search", "durability", "reserve", "logins", "seeding")


def names(*, long_: bool) -> tuple[str, ...]:
    return (*SHARED, *COPIES, *ALONE, *(LONG if long_ else ()))


def run(wanted: Sequence[str], *, long_: bool) -> Iterator[tuple[str, list[Figure]]]:
    """(name, figures) of each that is wanted (none: all), as they are measured."""
    chosen = [name for name in names(long_=True) if name in wanted] if wanted else list(names(long_=long_))
    shared = [name for name in chosen if name in SHARED]
    if shared:
        with place() as journal, tempfile.TemporaryDirectory() as folder:
            region = Path(folder) / "region"
            patients = str(sized("patients", 400))
            subprocess.run(vaka("region", "--patients", patients, "--to", str(region)), check=True, capture_output=True)
            subprocess.run(vaka("load", str(region), "--data", str(journal.data)), check=True, capture_output=True)
            for name in shared:
                yield name, import_module(f"bench.{name}").measure(journal)
    copied = [name for name in chosen if name in COPIES]
    if copied:
        with site(copies=2) as copies:
            for name in copied:
                yield name, import_module(f"bench.{name}").measure(copies)
    for name in chosen:
        if name not in (*SHARED, *COPIES):
            yield name, import_module(f"bench.{name}").measure()


def table(figures: Sequence[Figure]) -> str:
    """A Markdown table of the figures, with the command, date, commit and machine."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    head = f"`./vaka bench`, {datetime.now(UTC):%Y-%m-%d}, commit {commit}, {platform.machine()}, {_cores()} cores\n\n"
    rows = ["| figure | measured | at least | aim | how |", "|---|---|---|---|---|"]
    for f in figures:
        bound = "≤ " if f.lower_is_better else ""
        rows.append(
            f"| {f.name}: {f.what} | **{f.value:g} {f.unit}** | {bound}{f.at_least:g} | {bound}{f.aim:g} | {f.detail} |"
        )
    return head + "\n".join(rows) + "\n"


def _cores() -> int:
    import os

    return os.cpu_count() or 1
