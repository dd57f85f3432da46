"""Reserve entries and passed-on writes as rows of the record, until the feed brings them (decision 0013, Pending rows).

Invariants: what the feed says of the resource meanwhile is kept beneath the row that shows the entry; taking an entry back
shows that again; the caller's entry, in the reserve, is the truth: what stands here can be made again from it.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from vaka.copy import engine
from vaka.copy.apply import Applier
from vaka.copy.lines import Owner
from vaka.copy.put import Change, Row
from vaka.copy.reserve.entry import FIRST_SEQ
from vaka.copy.rows import home
from vaka.copy.statements import statements
from vaka.fhir.definitions import type_number
from vaka.fhir.keys import resource_key
from vaka.store.version import Action

UNKNOWN: Final = Owner(None, None, None, "other", None, "unknown")


@dataclass(frozen=True, slots=True)
class Pending:
    """What an entry makes of one resource. ``entry``: its number, above 0; ``body``: None for a deletion; ``owner``: None: as it
    stands; ``patient``: the id of the home patient; ``number``, ``epoch``: of a passed-on write, which has them from the journal
    already; None: those after what stands."""

    entry: int
    type: str
    id: str
    body: bytes | None
    owner: Owner | None
    patient: str | None
    updated_us: int
    number: int | None = None
    epoch: int | None = None


def show(applier: Applier, shown: list[Pending]) -> None:
    """Shows them in one commit. One that the feed has brought already (its number, or a higher one) is passed over."""
    with engine.told(applier.path), engine.transaction(applier.connection):
        try:
            _show(applier, shown)
        except BaseException:
            applier.owners.forget()
            raise
    applier.tell()


def _show(applier: Applier, shown: list[Pending]) -> None:
    connection, sql = applier.connection, statements("apply")
    for one in shown:
        rkey = resource_key(one.type, one.id)
        stands = applier.putter.standing([rkey]).get(rkey)
        if stands is not None and stands.pending == one.entry:
            continue
        epoch = one.epoch or (stands.epoch if stands is not None else max(applier.at.cursor.epoch, 1))
        number = one.number or (stands.version + 1 if stands is not None else 1)
        if stands is not None and one.number is not None and stands.order >= (epoch, number):
            continue
        if stands is not None and not stands.pending:
            connection.execute(sql["put_beneath"], stands)
        deleted = one.body is None
        new = stands is None or bool(stands.deleted)
        action = Action.DELETE if deleted else Action.CREATE if new else Action.UPDATE
        keeps = one.owner is None and stands is not None
        owner = stands.owner if keeps and stands is not None else applier.owners.number(one.owner or UNKNOWN)
        packed = applier.codec.compress(one.body) if one.body is not None else (0, None)
        seq = FIRST_SEQ + one.entry
        row = Row(
            rkey, type_number(one.type), one.id, number, epoch, one.updated_us, stands.created if stands is not None else seq,
            seq, FIRST_SEQ, home(one.patient), owner, int(action), int(deleted), 0, one.entry, 1,
            sha256(one.body or b"").digest(), *packed,
        )  # fmt: skip
        applier.putter.put([Change(stands, row, one.body, one.patient)])


def withdraw(applier: Applier, entry: int, only: Container[int] | None = None) -> None:
    """Takes back what shows this entry: what the feed says stands again. ``only``: of these resources (their keys)."""
    with engine.told(applier.path), engine.transaction(applier.connection):
        keys = [row[0] for row in applier.connection.execute(statements("apply")["of_entry"], (entry,))]
        _withdraw(applier, [rkey for rkey in keys if only is None or rkey in only])
    applier.tell()


def withdraw_all(applier: Applier) -> None:
    """Takes back all that shows an entry."""
    with engine.told(applier.path), engine.transaction(applier.connection):
        _withdraw(applier, [row[0] for row in applier.connection.execute(statements("apply")["of_entries"])])
    applier.tell()


def _withdraw(applier: Applier, keys: list[int]) -> None:
    connection, sql = applier.connection, statements("apply")
    stand = applier.putter.standing(keys)
    beneath = applier.putter.standing(keys, name="beneath")
    changes = []
    for rkey, row in stand.items():
        before = beneath.get(rkey)
        body = applier.codec.decompress(before.dictionary, before.body) if before is not None and before.body else None
        patient = None
        if before is not None and before.patient is not None:
            patient = connection.execute(sql["id_of"], (before.patient,)).get
        changes.append(Change(row, before, body, patient))
    applier.putter.put(changes)
    connection.executemany(sql["drop_beneath"], [(rkey,) for rkey in stand])
