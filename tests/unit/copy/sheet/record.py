"""A record.db in memory, filled from resources with the copy's own rows: for tests of what is read from it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

import apsw
import orjson

from vaka.access.facts import facts_of
from vaka.access.filter import AccessFilter, system_filter
from vaka.access.ownership import kind_of
from vaka.access.session import CLINICIAN, Assignment, Purpose, Right, Session
from vaka.copy import listed, private
from vaka.copy.reader import Reader
from vaka.copy.sheet import kept
from vaka.copy.statements import statements
from vaka.fhir.definitions import type_number
from vaka.fhir.extract import extract
from vaka.fhir.keys import resource_key
from vaka.store.codec import CURRENT, Codec, packaged_dictionary

DAY_US = 86_400_000_000


def home(patient: str | None) -> int | None:
    return resource_key("Patient", patient) if patient is not None else None


FULL = system_filter("tests")


class Record:
    """``put`` keeps a resource of a unit (``unit/provider``), as the applier does."""

    def __init__(self) -> None:
        self.connection = apsw.Connection(":memory:")
        private.create(self.connection)
        there = {name for (name,) in self.connection.execute("SELECT name FROM sqlite_schema")}
        for statement in statements("record")["schema"].split(";\n"):
            made = re.search(r"CREATE (?:TABLE|INDEX) (\w+)", statement)
            if made is None or made[1] not in there:  # some tables are the private feed's
                self.connection.execute(statement)
        kept.create(self.connection)
        self.codec = Codec({CURRENT: packaged_dictionary()})
        self.reader = Reader(self.connection, self.codec, 1)
        self._owners: dict[tuple[Any, ...], int] = {}
        self._seq = 0

    def owner(self, place: str, kind: str, source: str = "tests") -> int:
        unit, _, provider = place.partition("/")
        key = (unit or None, provider or None, kind, source)
        if key not in self._owners:
            self._owners[key] = len(self._owners) + 1
            self.connection.execute(
                "INSERT INTO owner (owner, unit, provider, kind, author, source) VALUES (?, ?, ?, ?, NULL, ?)",
                (self._owners[key], *key),
            )
        return self._owners[key]

    def put(
        self, resource: Mapping[str, Any], place: str = "u1/v1", *, patient: str | None = "p1", pending: int = 0,
        body: bytes | None = None, deleted: bool = False, source: str = "tests", kind: str | None = None,
    ) -> int:  # fmt: skip
        """Its key."""
        self._seq += 1
        body = orjson.dumps(resource) if body is None else body
        type_, id_ = str(resource["resourceType"]), str(resource["id"])
        rkey, owner = resource_key(type_, id_), self.owner(place, kind or kind_of(resource), source)
        patient = id_ if type_ == "Patient" else patient
        stood = self.connection.execute(
            "SELECT patient, owner, version FROM resource WHERE rkey = ?", (rkey,)
        ).fetchone()
        version = stood[2] + 1 if stood else 1
        values = {
            "rkey": rkey, "type": type_number(type_), "id": id_, "version": version, "epoch": 1, "updated_us": 1, "created": self._seq,
            "seq": self._seq, "xid": self._seq, "patient": home(patient), "owner": owner, "action": 3 if deleted else 1,
            "deleted": int(deleted), "redacted": 0, "pending": pending, "hash": b"", "dictionary": CURRENT,
            "body": None if deleted else self.codec.compress(body)[1],
        }  # fmt: skip
        columns = ", ".join(values)
        places = ", ".join(f":{name}" for name in values)
        with self.connection:
            self.connection.execute(f"INSERT OR REPLACE INTO resource ({columns}) VALUES ({places})", values)
            self._facts(rkey, body, patient, place)
            pairs = [(home(patient), owner)] + ([(stood[0], stood[1])] if stood else [])
            kept.changed(self.connection, pairs)
            listed.drop(self.connection, rkey)
            if not deleted:
                listed.put(self.connection, rkey, dict(resource), listed.owner(self.connection, owner), home(patient))
        return rkey

    def _facts(self, rkey: int, body: bytes, patient: str | None, place: str) -> None:
        """What it is found by, and of what it says of access what these tests need."""
        try:
            resource = orjson.loads(body)
            index, facts = extract(resource), facts_of(resource)
        except Exception:  # a hostile one
            return
        self.connection.execute("DELETE FROM token WHERE rkey = ?", (rkey,))
        self.connection.executemany("INSERT OR IGNORE INTO token VALUES (?, ?)", [(key, rkey) for key in index.tokens])
        lexemes = " ".join(index.words)
        self.connection.execute("INSERT OR REPLACE INTO words (rowid, lexemes) VALUES (?, ?)", (rkey, lexemes))
        if facts.protected:
            self.connection.execute("INSERT OR REPLACE INTO protected VALUES (?, ?)", (rkey, rkey))

    def make(self) -> None:
        """All fragments, as the follower does once it is caught up."""
        while kept.make(self.connection, self.codec):
            pass

    def relation(self, unit: str = "u1", patient: str = "p1") -> None:
        self.connection.execute(
            "INSERT OR REPLACE INTO care_relation VALUES (?, ?, ?, 0, ?)",
            (-self._seq - 1, home(patient), unit, 2**62),
        )

    def block(
        self, place: str, *, inner: bool = False, outer: bool = False, kind: str | None = None, patient: str = "p1"
    ) -> None:
        unit, _, provider = place.partition("/")
        self.connection.execute(
            "INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, NULL, 0, 0)",
            (-1, home(patient), provider, unit or None, kind, int(inner), int(outer), 2**62),
        )

    def open(
        self, what: int, target: str | None = None, *, person: str = "P1", unit: str = "u1", patient: str = "p1"
    ) -> None:
        now = time.time_ns() // 1_000
        self.connection.execute(
            "INSERT INTO opening (opening, patient, person, unit, provider, what, target, session, opened_us, until_us, generation)"
            " VALUES (hex(randomblob(8)), ?, ?, ?, 'v1', ?, ?, 's', ?, ?, 1)",
            (home(patient), person, unit, what, target, now - DAY_US, now + DAY_US),
        )


def person(
    unit: str = "u1", provider: str = "v1", *, rights: Iterable[Right] = CLINICIAN, purpose: Purpose = Purpose.CARE,
) -> AccessFilter:  # fmt: skip
    session = Session(
        "0" * 32,
        "P1",
        "pr1",
        "Lars Wikström",
        Assignment("a", unit, provider, purpose, frozenset(rights)),
        0,
        2**62,
        "demo",
    )
    return AccessFilter("person:P1", session=session)
