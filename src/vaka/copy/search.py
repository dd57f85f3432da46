"""Searching on a copy: settles what depends on other resources, runs one page, counts when asked, includes. In a thread.

The answers are the journal's (``journal.search``) to the letter; what would take too long here is the journal's to answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from vaka import config
from vaka.access.filter import AccessFilter
from vaka.copy.compile import Sql
from vaka.copy.gate import gate
from vaka.copy.listing import conjuncts
from vaka.copy.paging import COLUMNS, WIDTH, Upper, matching, page_sql, ruled, sort_value
from vaka.copy.reader import Reader, Row
from vaka.copy.reserve.entry import FIRST_SEQ, pending_id
from vaka.copy.settle import Settler
from vaka.copy.sheet.aside import TYPE_NUMBERS
from vaka.copy.statements import statements
from vaka.errors import OnlyJournal
from vaka.fhir.criteria import Criterion, Ids, Query
from vaka.fhir.definitions import RESOURCE_TYPES, type_name, type_number
from vaka.fhir.keys import resource_key
from vaka.fhir.sorting import sort_text
from vaka.store.aliases import Aliases
from vaka.store.codec import Codec
from vaka.store.gate import Gate
from vaka.store.granted import READING, require_open
from vaka.store.ordering import Place, in_order, require_sortable, too_many_to_sort
from vaka.store.page import Page, Position
from vaka.store.version import Action, Version


def version_of(row: Row, codec: Codec) -> Version:
    """A Version from ``COLUMNS`` and the rule that permits it."""
    body = codec.decompress(row[8], row[9]) if row[9] is not None else None
    return Version(
        type_name(row[1]), row[2], row[3], row[4], row[5], Action(row[6]), bool(row[7]), body, row[10], row[0], row[11],
        row[12], bool(row[13]), row[14], pending=pending_id(body) if body is not None and row[10] >= FIRST_SEQ else "",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Searching:
    """One caller's searches on one reader, of one moment. ``aged``: as ``copy.gate``."""

    reader: Reader
    access: AccessFilter
    aliases: Aliases
    aged: bool = False

    def _through(self, letter: str) -> Gate:
        """The gate of a search, which knows whether patients were merged (S23)."""
        through = gate(self.access, letter=letter, aged=self.aged)
        return replace(through, merged=True) if self.aliases.into else through

    def page(self, query: Query, count: int, at: Position) -> Page:
        """One page of at most ``count`` matches."""
        require_sortable(query, self.access)
        require_open(self.access, query.types, "s")
        through = self._through("s")
        with self.reader.moment():
            upper = self._upper(at)
            where, weight = Settler(self.reader, through, self.aliases.keys_together).settled(query.types, query.where)
            total = None
            if query.total != "none" or query.summary == "count":
                total = self._count(query, where, through)
            if count == 0:
                return Page((), None, total, self._aside(query, through))
            if any(key.source == "text" for key in query.sort):
                found, following = self._by_text(query, where, through, count, at)
            else:
                walked = not query.sort and weight > config.COPY_BROAD_MATCHES
                found, following = self._by_rows(query, where, through, count, at, walked=walked)
            aside, found = self._aside(query, through), self._marked(found)
        if total is None and following is None and at.created is None:
            total = len(found)
        if following is not None:
            following = replace(following, upper=at.upper or upper.token)
        return Page(tuple(found), following, total, aside)

    def _aside(self, query: Query, through: Gate) -> int:
        """How many versions may belong to a search, or to what refers to its matches, that could not be interpreted here."""
        sql, patients, keys = statements("read"), None, None
        if query.within:
            ids = {one for id_ in query.within for one in self.aliases.together(id_)}
            patients = orjson.dumps([resource_key("Patient", id_) for id_ in ids]).decode()
        if not self.reader.rows(
            sql["any_aside_of" if patients else "any_aside"], {"patients": patients} if patients else {}
        ):
            return 0
        types = {*query.types, *(each.type for each in query.includes if each.reverse)}
        asked = [set(part.keys) for part in conjuncts(query.where) if isinstance(part, Ids)]
        if asked and len(types) == 1:  # what refers to them has other keys
            keys = orjson.dumps(sorted(set.intersection(*asked))).decode()
        return self._count_aside(sorted(types), through, patients, keys)

    def _count_aside(self, types: Sequence[str], through: Gate, patients: str | None, keys: str | None) -> int:
        values = {
            "types": orjson.dumps({name: type_number(name) for name in types}).decode(), "known": TYPE_NUMBERS,
            "unknown": int(patients is not None and len(types) > 1), "patients": patients, "keys": keys, **dict(through.values),
        }  # fmt: skip
        return int(self.reader.rows(through.into(statements("read")["aside"]), values)[0][0])

    def _marked(self, versions: list[Version]) -> list[Version]:
        """``versions``, with those marked of which a newer one could not be interpreted."""
        sql = statements("read")
        if not versions or not self.reader.rows(sql["any_aside"], {}):
            return versions
        keys = orjson.dumps([version.rkey for version in versions]).decode()
        newer = {rkey for (rkey,) in self.reader.rows(sql["superseded"], {"keys": keys})}
        return [replace(version, superseded=True) if version.rkey in newer else version for version in versions]

    def _upper(self, at: Position) -> Upper:
        """What has come to this copy. OnlyJournal where pages were begun at another copy, which had more."""
        upper = Upper(*self.reader.rows(statements("read")["upper"], {})[0])
        if at.upper is not None:
            asked = Upper.parse(at.upper)
            if (asked.epoch, asked.xid, asked.seq) > (upper.epoch, upper.xid, upper.seq):
                raise OnlyJournal(
                    "this copy does not hold yet what these pages began with", help="try again in a moment"
                )
        return upper

    def _count(self, query: Query, where: Criterion, through: Gate) -> int:
        sql = Sql(through)
        ((number,),) = self.reader.rows(matching(sql, query.types, where, "count(*)"), sql.values)
        return int(number)

    def _by_rows(
        self, query: Query, where: Criterion, through: Gate, count: int, at: Position, *, walked: bool
    ) -> tuple[list[Version], Position | None]:
        sql = Sql(through)
        text = page_sql(query, where, sql, at, count + 1, walked=walked)
        rows = self.reader.rows(text, sql.values)
        following = None
        if len(rows) > count:
            last = rows[count - 1]
            following = Position(at.upper, tuple(last[WIDTH + 1 :]), last[WIDTH], last[0])
            rows = rows[:count]
        return [version_of(row, self.reader.codec) for row in rows], following

    def _by_text(
        self, query: Query, where: Criterion, through: Gate, count: int, at: Position
    ) -> tuple[list[Version], Position | None]:
        """Token, uri and reference values stand in no search row: all matches are read and sorted here, up to a limit."""
        sql = Sql(through)
        limit = config.SORTED_BY_TEXT
        there = "" if at.upper is None else f" AND {Upper.parse(at.upper).condition(sql)}"
        columns = [COLUMNS, ruled(sql), "r.created", *(sort_value(sql, n, key) for n, key in enumerate(query.sort))]
        text = matching(sql, query.types, where, ", ".join(columns), f"{there} LIMIT {limit + 1:d}")
        rows = self.reader.rows(text, sql.values)
        if len(rows) > limit:
            raise too_many_to_sort(query, limit)
        places: list[Place] = []
        for row in rows:
            version = version_of(row, self.reader.codec)
            resource = orjson.loads(version.body or b"{}")
            values: list[Any] = [
                sort_text(resource, k) if k.source == "text" else row[WIDTH + 1 + n] for n, k in enumerate(query.sort)
            ]
            places.append((tuple(values), row[WIDTH], version.rkey, version))
        places = in_order(places, query.sort, at)
        following = None
        if len(places) > count:
            places = places[:count]
            following = Position(at.upper, *places[-1][:3])
        return [place[3] for place in places], following

    def included(self, keys: Sequence[int], limit: int) -> list[Version]:
        """At most ``limit`` resources that carry one of ``keys``, newest creation first."""
        sql = Sql(self._through("s"))
        shield = "" if sql.gate.everything else " AND NOT EXISTS (SELECT 1 FROM protected x WHERE x.patient = r.rkey)"
        carrying = sql.among("t.key", keys, "bigint")
        columns = f"{COLUMNS}, {sql.gate.rule_on()}"
        text = (
            f"SELECT {columns} FROM resource r WHERE r.rkey IN (SELECT t.rkey FROM token t WHERE {carrying})"
            f" AND r.deleted = 0 AND ({sql.access}){shield} ORDER BY r.created DESC LIMIT {limit:d}"
        )
        with self.reader.moment():
            return self._marked([version_of(row, self.reader.codec) for row in self.reader.rows(text, sql.values)])

    def missed(self, keys: Sequence[int], found: Sequence[Version]) -> int:
        """How many of ``keys`` were not ``found`` because they could not be interpreted."""
        left = sorted(set(keys) - {version.rkey for version in found if not version.deleted})
        if not left or not self.reader.rows(statements("read")["any_aside"], {}):
            return 0
        through = gate(self.access, letter=READING, aged=self.aged)
        return self._count_aside(RESOURCE_TYPES, through, None, orjson.dumps(left).decode())

    def current(self, keys: Sequence[int]) -> list[Version]:
        """Current versions by resource key."""
        sql = Sql(gate(self.access, letter=READING, aged=self.aged))
        if not keys:
            return []
        columns = f"{COLUMNS}, {sql.gate.rule_on()}"
        text = f"SELECT {columns} FROM resource r WHERE {sql.among('r.rkey', keys, 'bigint')} AND ({sql.access})"
        with self.reader.moment():
            return self._marked([version_of(row, self.reader.codec) for row in self.reader.rows(text, sql.values)])
