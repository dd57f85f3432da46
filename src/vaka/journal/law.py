"""Keeps records law at the record's one way in: what it binds is not changed, and what a version owes is kept beside it.

Invariants: the tables entry and mark say what the versions say, and are written in the same transaction; a mark is written by an
operation alone (or comes with a load); the id of what was redacted is never used again. The rules are ``access.law``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from vaka import config
from vaka.access.filter import AccessFilter
from vaka.access.law import KEEPS_SIGNATURES, SIGNED, Act, opened, why_not
from vaka.access.marks import is_mark, mark_of
from vaka.errors import Conflict
from vaka.fhir.keys import resource_key
from vaka.journal.arrays import integers, texts
from vaka.journal.statements import statements
from vaka.store.version import Version, parse_version_id

if TYPE_CHECKING:
    from vaka.journal.pool import Connection
    from vaka.journal.write import Write

_ENTRIES: Final = SIGNED.keys() | {"DiagnosticReport", "Observation"}
_SETTLING: Final = frozenset({Act.SIGN, Act.LOCK, Act.RECEIVED, Act.READ, Act.ACTED, Act.ANNUL, Act.MISFILED})
_MOVES: Final = frozenset({Act.MERGE, Act.UNMERGE})


class _Standing(Protocol):
    """What stands under a key (``write.State``)."""

    @property
    def deleted(self) -> bool: ...

    @property
    def patient(self) -> int | None: ...


_LOADS: Final = ("vaka:load", "vaka:provider")


def is_loading(access: AccessFilter) -> bool:
    """Whether ``vaka load`` writes: what it brings was signed and acknowledged where it comes from, marks come along."""
    return access.session is None and access.principal == "vaka:load"


async def require_lawful(
    connection: Connection,
    writes: Sequence[Write],
    states: Mapping[int, _Standing],
    access: AccessFilter,
    merged: Mapping[str, str],
) -> None:
    """Conflict where one of ``writes`` would change what records law binds. ``states``: what stands under their keys, locked;
    ``merged``: Patient ids whose record goes on in another's."""
    loading = is_loading(access)
    entries: list[int] = []
    marks: list[int] = []
    gone: list[int] = []
    for write in writes:
        if write.act is None and not loading and is_mark(write.resource):
            raise Conflict(
                "a mark of who signed or acknowledged is made by its operation alone",
                help="for example POST [type]/[id]/$sign", path=write.path, why="J1: a Provenance of an act of ours was sent",
            )  # fmt: skip
        into = merged.get(write.id) if write.rkey in states else None  # of what is hidden, nothing is told
        if write.act is None and write.type == "Patient" and into is not None:
            raise Conflict(
                f"Patient/{write.id} was merged: its record goes on in Patient/{into}",
                help="change that one, or take the merge apart with POST /fhir/Patient/$unmerge",
                path=write.path, why="S23: change of a merged patient",
            )  # fmt: skip
        state = states.get(write.rkey)
        if state is None:
            continue
        if state.deleted:
            if not write.deletes:
                gone.append(write.rkey)
            continue
        if write.type in SIGNED:
            entries.append(write.rkey)
        elif write.type == "Provenance":
            marks.append(write.rkey)
        if access.session is not None:
            _require_same_patient(write, state)
    await _require_free(connection, writes, entries, marks)
    if gone:
        rows = await (await connection.execute(statements("law")["redacted"], {"keys": integers(gone)})).fetchall()
        if rows:
            write = next(write for write in writes if write.rkey == rows[0][0])
            raise Conflict(
                f"{write.type}/{write.id} was redacted, its id is not used again",
                help="let the server choose an id", path=write.path, why="S26: a redacted id",
            )  # fmt: skip


def _require_same_patient(write: Write, state: _Standing) -> None:
    if write.deletes or write.type == "Patient" or write.act in _MOVES or state.patient is None:
        return
    if write.patient is None or resource_key("Patient", write.patient) != state.patient:
        raise Conflict(
            f"{write.type}/{write.id} belongs to another patient, and a change does not move it",
            help=f"POST {write.type}/{write.id}/$misfiled annuls it here and enters it there",
            path=write.path, why="S5: a change would move it to another patient",
        )  # fmt: skip


async def _require_free(
    connection: Connection, writes: Sequence[Write], entries: Sequence[int], marks: Sequence[int]
) -> None:
    if not entries and not marks:
        return
    values = {"entries": integers(entries), "marks": integers(marks)}
    rows = await (await connection.execute(statements("law")["bound"], values)).fetchall()
    now_us = time.time_ns() // 1_000
    by_key = {write.rkey: write for write in writes}
    for rkey, kind, signed_us, locked_us in rows:
        write = by_key[rkey]
        name = f"{write.type}/{write.id}"
        if kind == 2:
            if write.act in (*_MOVES, Act.REDACT):
                continue
            raise Conflict(
                f"{name} says what a person did, and is not changed", path=write.path, why="J1: change of a mark"
            )
        match why_not(write.act, signed_us, locked_us, now_us):
            case "locked":
                raise Conflict(
                    f"{name} is locked",
                    help=f"POST {name}/$annul if it is wrong, and write a new one; entries lock "
                    f"{config.LOCK_AFTER_SIGNING_DAYS} days after they are signed",
                    path=write.path, why="J1: change of a locked entry",
                )  # fmt: skip
            case "signed":
                raise Conflict(
                    f"{name} is signed",
                    help=f"POST {name}/$correct with the new resource and a reason; the original stays readable",
                    path=write.path, why="J1: plain change of a signed entry",
                )  # fmt: skip


def owing(writes: Sequence[Write], access: AccessFilter) -> dict[str, Any]:
    """The columns of entries that ``append`` takes: what the new versions owe. Those of a load only reopen what is followed
    here."""
    writer = access.session.practitioner if access.session is not None else None
    loading = is_loading(access)
    rows: list[tuple[int, int | None, str | None, int | None, int]] = []
    for write in writes:
        if write.type not in _ENTRIES or write.act in KEEPS_SIGNATURES:
            continue
        given = write.given
        by = given.author if given is not None else writer
        asks = opened(write.resource, by) if write.resource is not None else None
        if asks is None:
            if not write.must_be_new:  # it may have been followed until now
                rows.append((write.rkey, None, None, None, 0))
            continue
        ordered = resource_key("ServiceRequest", asks.ordered) if asks.ordered is not None else None
        owes = int(asks.owes) if asks.owes is not None else None
        loaded = given.source.startswith(_LOADS) if given is not None else loading
        rows.append((write.rkey, owes, asks.person, ordered, 0 if loaded else 1))
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), (), ()]
    return {
        "e_rkey": integers(columns[0]),
        "e_owes": integers(columns[1]),
        "e_person": texts(columns[2]),
        "e_ordered": integers(columns[3]),
        "e_follow": integers(columns[4]),
    }


async def keep_marks(connection: Connection, writes: Sequence[Write], made: Sequence[Version]) -> None:
    """Keeps the marks among what was just appended, and what they settle."""
    sql = statements("law")
    for write, version in zip(writes, made, strict=True):
        mark = mark_of(write.resource) if write.type == "Provenance" and write.resource is not None else None
        if mark is None:
            continue
        number = parse_version_id(mark.version_id) if mark.version_id is not None else None
        values = {
            "rkey": version.rkey,
            "entry": resource_key(mark.type, mark.id),
            "seq": version.seq,
            "at_us": mark.at_us,
            "version": number[0] if number else None,
            "epoch": number[1] if number else None,
            "act": int(mark.act),
            "actor": mark.actor,
            "detail": mark.detail,
        }
        await connection.execute(sql["keep_mark"], values)
        if mark.act in _SETTLING and number is not None:
            await connection.execute(sql["apply_mark"], values)
