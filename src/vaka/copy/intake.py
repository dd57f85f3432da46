"""Who comes into a copy that holds some units' patients, and what of the feed it keeps (decision 0015).

Invariants
- Of who is not in scope nothing is kept, nor of who is and is not whole shown: their lines wait in ``incoming`` until the part of
  the feed that was passed by has come too (``copy.taking``), and are applied together.
- Who was entered stays until nothing makes them one of the units' any more (``copy.leaving``), or the record is seeded anew; a
  patient who was merged with one of them is one of them.
- What leaves a record that is held goes from here at once, and whoever's it is now comes in.
- All of it stands in the applier's own transactions; ``forget`` after a rollback.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import apsw
import orjson
import zstandard

from vaka import config
from vaka.copy import lines
from vaka.copy.lines import Unread, Version
from vaka.copy.scope import Scope, named_patients
from vaka.copy.statements import statements
from vaka.fhir.compartments import of_nobody
from vaka.fhir.keys import resource_key

Told: TypeAlias = Version | Unread
_Order: TypeAlias = tuple[int, int]
_WHOLE, _AGAIN = 1, 2
_PART: Final = config.COPY_BATCH_LINES


def make(connection: apsw.Connection, scope: Scope) -> None:
    """The tables, in a file that is new."""
    connection.execute(statements("scope")["schema"])
    connection.execute(statements("scope")["keep"], (scope.text,))


class Intake:
    """Of one record.db and its only writing connection. ``generation`` rises where what waits was thrown away."""

    def __init__(self, connection: apsw.Connection, scope: Scope) -> None:
        self.scope = scope
        self.generation = 0
        self._connection = connection
        self._sql = statements("scope")
        self._known: dict[str, bool] | None = None
        self._again: set[str] = set()

    def _rows(self, name: str, *values: int | str) -> list[Any]:
        return self._connection.execute(self._sql[name], values).fetchall()

    @property
    def known(self) -> dict[str, bool]:
        """Whether they are whole, of all who are in scope, by id."""
        if self._known is None:
            rows = self._rows("known")
            self._known = {id_: bool(whole) for id_, whole in rows}
            self._again = {id_ for id_, whole in rows if whole == _AGAIN}
        return self._known

    @property
    def waiting(self) -> list[str]:
        """Who is not whole, or has a resource of which earlier versions were passed by: when it was made is not known."""
        return [id_ for id_, whole in self.known.items() if not whole or id_ in self._again]

    def forget(self) -> None:
        self._known = None

    def sift(self, told: Sequence[Told]) -> tuple[list[Told], list[int]]:
        """What of these lines is applied now, and the keys of resources that stand here and are no longer of who is held."""
        kept: list[Told] = []
        gone: dict[int, None] = {}
        keys = orjson.dumps([line.rkey for line in told]).decode()
        held: dict[int, _Order] = {row[0]: row[1:3] for row in self._rows("orders", keys)}
        living: dict[int, int] = dict(self._rows("living", keys))
        before, now_us = len(self.known), time.time_ns() // 1_000
        for line in told:
            for_whom = self._of_whom(line, held, now_us)
            if for_whom is None:
                continue
            order = (line.cursor.epoch, line.number)
            if for_whom == "" or self.known[for_whom]:
                kept.append(line)
                key = resource_key("Patient", for_whom)
                if for_whom and line.number > 1 and living.get(line.rkey) != key:
                    self._fetch_again(for_whom)
                living[line.rkey] = key
            else:
                self.stage([line], for_whom)
                if line.patient == for_whom and order > held.get(line.rkey, (2**62, 0)):
                    kept = [one for one in kept if one.rkey != line.rkey]
                    gone[line.rkey] = None
                    living.pop(line.rkey, None)
            held[line.rkey] = max(order, held.get(line.rkey, order))
        if len(self.known) > before:
            self.join()
        return kept, list(gone)

    def _of_whom(self, line: Told, held: dict[int, _Order], now_us: int) -> str | None:
        """Whose record a line belongs to: a patient's that is in scope from now on, or "", nobody's. None: it is not kept."""
        whole = line if isinstance(line, Version) else None
        if line.patient is None:
            if (
                line.type in of_nobody()
                or line.rkey in held
                or (whole is not None and self.scope.concerns(whole.owner.unit, whole.body))
            ):
                return ""
            named = [one for one in self._named(whole) if one in self.known]
            return min(named, key=lambda one: self.known[one]) if named else None
        if line.patient not in self.known:
            comes = line.rkey in held and (line.cursor.epoch, line.number) > held[line.rkey]
            comes = comes or (whole is not None and self.scope.brings(whole, now_us))
            if not comes and not any(one in self.known for one in self._named(whole)):
                return None
            self.enter(line.patient)
        return line.patient

    @staticmethod
    def _named(line: Version | None) -> set[str]:
        return named_patients(line.body) if line is not None else set()

    def enter(self, patient: str, *, whole: bool = False) -> None:
        """A patient is in scope from now on. ``whole``: all that there is is here."""
        if patient not in self.known:
            self._connection.execute(self._sql["enter"], (resource_key("Patient", patient), patient, int(whole)))
            self.known[patient] = whole

    def leave(self, patients: Sequence[str]) -> None:
        """They are not in scope any more: what stood of them is taken out by whoever calls this."""
        for patient in patients:
            key = resource_key("Patient", patient)
            self._connection.execute(self._sql["unstage"], (key,))
            self._connection.execute(self._sql["leave"], (key,))
            self.known.pop(patient, None)
            self._again.discard(patient)

    def _fetch_again(self, patient: str) -> None:
        if patient not in self._again:
            self._connection.execute(self._sql["set_whole"], (_AGAIN, resource_key("Patient", patient)))
            self._again.add(patient)

    def join(self) -> None:
        """Who was merged with one in scope is in scope."""
        while found := self._rows("joined"):
            for (id_,) in found:
                self.enter(id_)

    def stage(self, told: Sequence[Told], patient: str) -> None:
        """Lines wait until ``patient`` is whole."""
        key = resource_key("Patient", patient)
        for line in told:
            c = line.cursor
            if isinstance(line, Version) and line.redacted:
                self._connection.execute(self._sql["unstage_redacted"], (line.rkey, c.epoch, line.number))
            values = (key, c.xid, c.seq, c.epoch, line.rkey, line.number, line.patient, zstandard.compress(line.line))
            self._connection.execute(self._sql["stage"], values)

    def staged(self, patient: str) -> Iterator[list[Told]]:
        """What waits for ``patient``, in parts, but what is another's: who then is in scope too."""
        key = resource_key("Patient", patient)
        self._connection.execute(self._sql["unstage_moved"], (key,))
        for rkey, home in self._rows("strangers", key, patient):
            self.enter(home)
            self._connection.execute(self._sql["unstage_resource"], (key, rkey))
        place = (0, 0)
        while rows := self._rows("staged", key, *place, _PART):
            place = rows[-1][:2]
            found = [lines.read(zstandard.decompress(row[2])) for row in rows]
            yield [line for line in found if isinstance(line, Version | Unread)]

    def make_whole(self, patient: str) -> None:
        """All that waited for ``patient`` is applied."""
        key = resource_key("Patient", patient)
        again = not self.known[patient] and self._rows("begun_elsewhere", key)[0][0]
        self._connection.execute(self._sql["unstage"], (key,))
        self._connection.execute(self._sql["set_whole"], (_AGAIN if again else _WHOLE, key))
        self.known[patient] = True
        (self._again.add if again else self._again.discard)(patient)
        self.join()

    def begin_anew(self) -> None:
        """The feed is read again from an earlier place, perhaps of another history: what waits is fetched anew."""
        self.generation += 1
        self._connection.execute(self._sql["unstage_all"])
