"""Fragments in record.db: marked as changed with the change itself, made again when the follower is caught up.

Invariants: a change and the mark of its fragments stand in one commit, so that no old fragment outlives what it shows; making one
changes no resource; a fragment that is not made yet is made by who reads it, in memory, from the same entries by the same code.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import apsw
import orjson
import zstandard

from vaka import __version__, config
from vaka.access.law import Act
from vaka.access.marks import is_mark, mark_of
from vaka.copy.sheet.elements import text
from vaka.copy.sheet.entry import Entry
from vaka.copy.sheet.fragment import Fragment, fragment, kept_facts, kept_pieces
from vaka.copy.sheet.sections import SHOWN_KINDS, SHOWN_TYPES
from vaka.copy.statements import statements
from vaka.fhir.definitions import type_name
from vaka.fhir.keys import reference_key, resource_key
from vaka.store.codec import Codec

SAVED_BEFORE: Final = (Act.RESERVED, Act.GIVEN_BACK)
"""Marks that tell when something was saved before the journal took it."""
_MARKS_MAX: Final = 50


class Group(NamedTuple):
    """Whose information of which kind about which patient (key). Empty: not known."""

    patient: int
    kind: str
    provider: str
    unit: str


def create(connection: apsw.Connection) -> None:
    """Makes the tables where they are missing. Whose fragments are in them is for who fills them."""
    with connection:
        connection.execute(statements("sheet")["schema"])
        connection.execute(statements("sheet")["keep_made_by"], {"release": __version__})


def changed(connection: apsw.Connection, pairs: Iterable[tuple[int | None, int]]) -> None:
    """Marks what these (patient, owner's number) make. Called by the applier for what stood and for what stands now, within its
    transaction."""
    sql = statements("sheet")
    for patient, owner in dict.fromkeys(pairs):
        if patient is not None:
            values = {"patient": patient, "owner": owner}
            connection.execute(sql["drop_body"], values)
            connection.execute(sql["changed"], values)


def make(connection: apsw.Connection, codec: Codec, limit: int = config.SHEET_MAKE_BATCH) -> int:
    """Makes at most ``limit`` fragments that have changed, in one commit, none after ``config.SHEET_MAKE_S``; how
    many there were."""
    sql = statements("sheet")
    until, count = time.monotonic() + config.SHEET_MAKE_S, 0
    with connection:
        rows: list[Any] = connection.execute(sql["to_make"], {"limit": limit}).fetchall()
        for group in [Group(*row) for row in rows]:
            if count and time.monotonic() > until:
                break
            count += 1
            made = of_group(connection, codec, group)
            if made is None:
                connection.execute(sql["drop_fragment"], group._asdict())
                continue
            number: Any = connection.execute(sql["keep_body"], columns(made)).fetchall()[0][0]
            connection.execute(sql["keep_fragment"], {**group._asdict(), "number": number, "newest": newest(made)})
    return count


def of_group(connection: apsw.Connection, codec: Codec, group: Group) -> Fragment | None:
    """The fragment, made from what stands; None where there is nothing that a sheet shows."""
    if group.kind not in SHOWN_KINDS:
        return None
    values = {**group._asdict(), "limit": config.SHEET_ENTRIES_MAX + 1}
    rows = connection.execute(statements("sheet")["entries"], values).fetchall()
    entries = [one for row in rows[: config.SHEET_ENTRIES_MAX] if (one := entry_of(codec, row)) is not None]
    entries = [with_saved(connection, codec, one) if one.may_be_from_paper else one for one in entries]
    if not entries:
        return None
    unread = max(0, len(rows) - config.SHEET_ENTRIES_MAX)
    return fragment(entries, unread=unread, names=lambda reference: name_of(connection, codec, reference))


def name_of(connection: apsw.Connection, codec: Codec, reference: str) -> str:
    """What an Organization or Location (``Type/id``) is called; empty where that is not known here."""
    values = {"rkey": resource_key(*reference.split("/", 1))} if reference.count("/") == 1 else None
    row = connection.execute(statements("sheet")["named"], values).fetchone() if values is not None else None
    if row is None or row[1] is None:
        return ""
    try:
        name = orjson.loads(codec.decompress(*row)).get("name")
    except (ValueError, AttributeError, zstandard.ZstdError):
        return ""
    return text(name, 120)


def entry_of(codec: Codec, row: Sequence[Any]) -> Entry | None:
    """A row of ``entries``; None for a type that no sheet shows. A body that cannot be unpacked is one that cannot be read."""
    type_, id_, dictionary, packed, rkey, seq, owner, pending, superseded = row[:9]
    name = type_name(type_)
    if name not in SHOWN_TYPES:
        return None
    try:
        body = codec.decompress(dictionary, packed)
    except Exception:  # a damaged row is told as one that cannot be shown (S4)
        body = b""
    return Entry(name, id_, body, rkey, seq, owner, bool(pending), superseded=bool(superseded))


def with_saved(connection: apsw.Connection, codec: Codec, entry: Entry) -> Entry:
    """``entry`` with when it was first saved, as far as that is known here: what was written during a stop was saved by a copy,
    which its mark tells; of what was changed since no other version is held."""
    key = reference_key("Provenance.target", entry.type, entry.id)
    rows: list[Any] = connection.execute(statements("sheet")["pointing"], {"key": key, "limit": _MARKS_MAX}).fetchall()
    saved = [at for row in rows if (at := saved_at(codec.decompress(row[1], row[2])))]
    try:
        meta = orjson.loads(entry.body)["meta"]
        if not saved and (entry.pending or re.fullmatch(r"1(-e\d+)?", meta["versionId"])):
            saved = [meta["lastUpdated"]]
    except (ValueError, KeyError, TypeError):
        return entry
    return replace(entry, saved=text(min(saved, default="")))


def saved_at(mark: bytes) -> str:
    """When a copy saved what ``mark`` (a Provenance) is on; empty for a mark of something else."""
    try:
        resource = orjson.loads(mark)
        found = mark_of(resource) if is_mark(resource) else None
    except (ValueError, AttributeError, TypeError, IndexError):
        return ""
    return str(resource.get("recorded", "")) if found is not None and found.act in SAVED_BEFORE else ""


def columns(made: Fragment) -> dict[str, bytes]:
    return {"facts": kept_facts(made), **{form: kept_pieces(pieces) for form, pieces in made.pieces.items()}}


def newest(made: Fragment) -> int:
    """The place in the feed of the newest version that is shown."""
    return max((each.seq for each in made.seen), default=0)
