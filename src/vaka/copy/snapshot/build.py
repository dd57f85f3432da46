"""Makes the file of a ward snapshot from what was chosen (``choose``): the same kind of file as a copy's record, with the same
readers.

Invariants: it is encrypted from its first page on, with a key that the one who asks has made for this once; nobody finds it under
its name before it is whole; what is read from it is made from the entries in it alone (fragments, lists), never taken over.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from vaka import config
from vaka.copy import apply, derived, engine, seed
from vaka.copy.put import Change, Putter
from vaka.copy.sheet import kept
from vaka.copy.snapshot import about as facts
from vaka.copy.snapshot.about import About
from vaka.copy.snapshot.choose import Chosen
from vaka.copy.statements import statements
from vaka.fhir.definitions import type_number

_FOUND: Final = frozenset(
    type_number(name) for name in (
        "Patient", "Practitioner", "PractitionerRole", "Organization", "Location", "HealthcareService", "Provenance",
        "DiagnosticReport", "DocumentReference", "Composition", "ClinicalImpression",
    )
)  # fmt: skip
"""What is looked up by what it holds: people, also at the login, the unit, signatures and answers of the lists, notes."""


def about_of(chosen: Chosen, *, name: str, hours: float, maker: str, key: str, now_us: int, demo: bool) -> About:
    """What the file says of itself. ``hours``: how long it may be used, from now."""
    return About(
        secrets.token_hex(16), name, chosen.unit, chosen.unit_name, chosen.provider, now_us,
        now_us + int(min(hours, config.SNAPSHOT_MAX_HOURS) * 3_600_000_000), chosen.as_of_us, len(chosen.patients),
        maker, key, demo, len({person for _, person, *_ in chosen.tables["passkey"]}),
    )  # fmt: skip


@contextmanager
def built(directory: Path, chosen: Chosen, about: About, key: bytes) -> Iterator[seed.Snapshot]:
    """The file, below ``directory``, for as long as it is being sent."""
    path = directory / f"snapshot-{secrets.token_hex(8)}.db"
    try:
        connection = engine.writer(path, key)
        try:
            with engine.told(path):
                _fill(connection, chosen, about)
                connection.pragma("journal_mode", "delete")
        finally:
            connection.close()
        yield seed.described(path)
    finally:
        for left in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            left.unlink(missing_ok=True)


def _fill(connection: apsw.Connection, chosen: Chosen, about: About) -> None:
    sql = statements("snapshot")
    connection.pragma("synchronous", "off")  # made whole or not at all, and written through by who keeps it
    apply.make(connection)
    kept.create(connection)
    with engine.transaction(connection):
        connection.executemany(sql["put_dictionary"], chosen.tables["dictionary"])
        connection.executemany(sql["put_owner"], chosen.owners)
    codec = apply.codec(connection)
    with engine.transaction(connection):
        found = [row for row in chosen.rows if row.type in _FOUND]
        Putter(connection, codec).put(
            [Change(None, row, codec.decompress(row.dictionary, row.body)) for row in found if row.body is not None]
        )
        connection.executemany(statements("apply")["put"], [row for row in chosen.rows if row.type not in _FOUND])
        connection.execute(sql["forget_said"])
        for name, rows in chosen.tables.items():
            connection.executemany(sql[f"put_{name}"], rows)
        connection.executemany(sql["put_aside"], chosen.aside)
        connection.execute(
            statements("apply")["move"], (chosen.epoch, 0, 0, None, 0, chosen.as_of_us, 1),
        )  # fmt: skip
        facts.keep(connection, about)
    derived.rebuild(connection, codec)
    while derived.make(connection, codec):
        pass
    with engine.transaction(connection):
        connection.executemany(sql["withhold"], chosen.withheld)
        connection.execute(sql["others_lists"], {"unit": chosen.unit})


def written(path: Path) -> None:
    """The file at ``path`` is on the disk when this returns, and so is its name."""
    for place in (path, path.parent):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
