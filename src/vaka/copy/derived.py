"""What sheets and worklists are read from, kept with each change of the record: the applier's ``on_changed``.

Invariants: marks of fragments and places on lists stand in the commit of the change that they follow from; making fragments anew
is a commit of its own, later; all of it can be made from the record alone (``rebuild``).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import apsw
import orjson

from vaka import __version__, config
from vaka.copy import listed
from vaka.copy.put import Changed, Home
from vaka.copy.sheet import kept
from vaka.copy.statements import statements
from vaka.copy.worklists import LOADS, TYPES, Listed
from vaka.fhir.definitions import type_number
from vaka.fhir.keys import parameter_mask
from vaka.store.codec import Codec

_MARK: Final = type_number("Provenance")
_OBSERVATION: Final = type_number("Observation")
_LOCATION: Final = type_number("Location")
_AT: Final = parameter_mask("Encounter.location")
_LISTED: Final = frozenset(type_number(name) for name in {*TYPES, "Provenance"})
"""Types that can stand on a list, or take something from one."""


def prepare(connection: apsw.Connection, codec: Codec) -> None:
    """Before a file is applied to: where this release has not made what is in the tables, they are made from the record."""
    if connection.execute(statements("sheet")["made_by"]).get == __version__:
        return
    with connection:
        kept.create(connection)
        rebuild(connection, codec)


class Derived:
    """Of one record.db: its applier's ``on_changed``."""

    def __init__(self, codec: Codec) -> None:
        self._sql = statements("sheet")
        self._codec = codec

    def __call__(self, connection: apsw.Connection, changes: Collection[Changed]) -> set[int]:
        """Within the applier's transaction, once the rows stand. The patients of whom a place is called something else now."""
        pairs = [(home.patient, home.owner) for one in changes for home in (one.before, one.after) if home is not None]
        kept.changed(connection, pairs)
        owners: dict[int, listed.Owner] = {}
        # Marks last: what they take from a list was put there in the same commit, perhaps.
        for one in sorted(changes, key=lambda each: each.type == _MARK):
            if one.type in _LISTED:
                self.list(connection, one, owners)
        staying: list[Any] = []
        for one in changes:
            if one.type == _LOCATION:
                values = {"key": one.rkey ^ _AT, "list": int(Listed.HERE)}
                staying += connection.execute(self._sql["staying_at"], values)
        kept.changed(connection, staying)
        return {patient for patient, _ in staying}

    def list(self, connection: apsw.Connection, one: Changed, owners: dict[int, listed.Owner]) -> None:
        """Where one resource stands now. ``owners``: those that are known already, by their number."""
        if one.before is not None:
            listed.drop(connection, one.rkey)
        if one.after is None:
            return
        owner = owners.get(one.after.owner)
        if owner is None:
            owner = owners[one.after.owner] = listed.owner(connection, one.after.owner)
        if one.type == _OBSERVATION and owner.source.startswith(LOADS):
            return  # it stands on no list
        resource = self._resource(connection, one)
        if resource is not None:
            listed.put(connection, one.rkey, resource, owner, one.after.patient)

    def _resource(self, connection: apsw.Connection, one: Changed) -> dict[str, Any] | None:
        body = one.body
        try:
            if body is None:
                row: Any = connection.execute(self._sql["named"], {"rkey": one.rkey}).fetchone()
                if row is None or row[1] is None:
                    return None
                body = self._codec.decompress(row[0], row[1])
            found = orjson.loads(body)
        except apsw.Error:
            raise
        except Exception:  # what cannot be read stands on no list; the sheet counts it (S4)
            return None
        return found if isinstance(found, dict) else None


def make(connection: apsw.Connection, codec: Codec, limit: int = config.SHEET_MAKE_BATCH) -> int:
    """Makes fragments that have changed, as many as one commit may take; how many there were. For the follower, once it is
    caught up, until none is left."""
    return kept.make(connection, codec, limit)


def rebuild(connection: apsw.Connection, codec: Codec) -> None:
    """All of it from the record that stands, in one commit: after a seed whose file has none of it, or of another release."""
    sql = statements("sheet")
    derived = Derived(codec)
    with connection:
        connection.execute(sql["forget_all"])
        connection.execute(sql["all_changed"])
        types = orjson.dumps(sorted(_LISTED - {_MARK})).decode()
        owners: dict[int, listed.Owner] = {}
        for kind in (types, f"[{_MARK}]"):
            rows: list[Any] = connection.execute(sql["to_list"], {"types": kind}).fetchall()
            for rkey, type_, patient, owner in rows:
                derived.list(connection, Changed(rkey, type_, None, Home(patient, owner)), owners)
