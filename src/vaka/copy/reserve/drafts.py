"""Drafts in reserve.db (decision 0018): kept beside the entries, encrypted with them, and told to every other copy.

Invariants: what a method has returned is on disk; a draft is read by whom it belongs to alone; what two copies know of one draft
is joined, never replaced (``copy.reserve.draft``), and what was learnt is told on, so that all end with the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple

import apsw
import zstandard

from vaka import config
from vaka.copy import engine
from vaka.copy.reserve.draft import Draft, from_wire, joined, wire
from vaka.copy.statements import statements

_DAY_US: Final = 86_400_000_000


class Whose(NamedTuple):
    """``person``: the principal; ``provider``: the care provider of the assignment."""

    person: str
    provider: str


def _sql() -> Mapping[str, str]:
    return statements("drafts")


def kept_until_us(draft: Draft) -> int:
    """When it goes by itself if nothing changes."""
    return draft.changed_us + config.DRAFT_KEEP_DAYS * _DAY_US


class Drafts:
    """On the reserve's connection. ``writing``: a transaction; ``revision``: the next one of the reserve, within it."""

    def __init__(
        self,
        connection: apsw.Connection,
        lock: threading.RLock,
        writing: Callable[[], AbstractContextManager[None]],
        revision: Callable[[], int],
    ) -> None:
        self._db, self._lock, self._writing, self._revision = connection, lock, writing, revision
        with writing():
            connection.execute(_sql()["schema"])

    def _rows(self, name: str, /, **values: Any) -> list[tuple[Any, ...]]:
        with self._lock, engine.kept(self._db):
            return list(self._db.execute(_sql()[name], values))

    def of(self, whose: Whose) -> list[Draft]:
        """Those that hold a text."""
        return [_draft(row[0]) for row in self._rows("standing", **whose._asdict())]

    def get(self, whose: Whose, id_: str) -> list[Draft]:
        """The draft of this id: one, but where copies that did not hear each other bound it to different patients."""
        return [_draft(row[0]) for row in self._rows("of_id", **whose._asdict(), id=id_)]

    def texts(self, whose: Whose) -> int:
        """How many texts somebody has."""
        return int(self._rows("count", **whose._asdict())[0][0])

    def change(self, whose: Whose, id_: str, patient: str, work: Callable[[Draft], Draft]) -> Draft:
        """The draft after ``work``, which is given what is known of it, in one transaction."""
        with self._writing():
            known = next((one for one in self.get(whose, id_) if one.patient == patient), Draft(*whose, id_, patient))
            now = work(known)
            if now != known:
                self._keep(now)
        return now

    def hold(self, heard: Draft) -> None:
        """What another copy knows of a draft."""
        if kept_until_us(heard) < time.time_ns() // 1_000:
            return
        self.change(Whose(heard.person, heard.provider), heard.id, heard.patient, lambda known: joined(known, heard))

    def _keep(self, draft: Draft) -> None:
        self._rows(
            "keep", person=draft.person, provider=draft.provider, id=draft.id, patient=draft.patient, revision=self._revision(),
            changed_us=draft.changed_us, texts=len(draft.texts), content=zstandard.compress(wire(draft)),
        )  # fmt: skip

    def untold(self, peer: str) -> Sequence[tuple[int, Draft]]:
        """(revision, draft) of what ``peer`` was not told, oldest change first."""
        rows = self._rows("untold", peer=peer, limit=config.DRAFT_EXCHANGE_MAX)
        return [(int(revision), _draft(content)) for revision, content in rows]

    def every(self) -> Iterator[Draft]:
        """All that is known of drafts, of those that are over too, the oldest change first."""
        after = 0
        while rows := self._rows("every", after=after, limit=config.DRAFT_EXCHANGE_MAX):
            yield from (_draft(content) for _, content in rows)
            after = int(rows[-1][0])

    def told(self, peer: str, revision: int) -> None:
        with self._writing():
            self._rows("told", peer=peer, revision=revision)

    def forget(self, now_us: int) -> None:
        """Drops, within a transaction, what has not been touched for so long that it goes by itself."""
        self._rows(
            "forget", before_us=now_us - config.DRAFT_KEEP_DAYS * _DAY_US,
            over_before_us=now_us - config.DRAFT_OVER_DAYS * _DAY_US,
        )  # fmt: skip


def _draft(content: bytes) -> Draft:
    return from_wire(zstandard.decompress(content))
