"""What a reader asks of a record, be it the journal or a copy: the same API stands above either.

Invariant: every question takes the asker's filter; there is no unfiltered read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vaka.access.decision import Standing
from vaka.access.filter import AccessFilter
from vaka.access.session import Session
from vaka.access.settings import Settings
from vaka.fhir.criteria import Query
from vaka.store.known import Group, Stands
from vaka.store.page import Page, Position
from vaka.store.version import Version


class Searches(Protocol):
    """Searches with one caller's filter."""

    @property
    def missed(self) -> int:
        """How many of what ``read_many`` was asked for could not be interpreted here (S4)."""

    async def search(self, query: Query, *, count: int, at: Position | None = None) -> Page:
        """One page of at most ``count`` matches from ``at``."""

    async def include(self, keys: Sequence[int], *, limit: int) -> list[Version]:
        """At most ``limit`` living resources that stand under any of these token keys."""

    def together(self, keys: Sequence[int]) -> Sequence[int]:
        """Resource keys with those of patients whose records go together with theirs."""

    async def read_many(self, references: Sequence[tuple[str, str]]) -> list[Version]:
        """Current, living versions of these (type, id), each once, in their order."""


class Store(Protocol):
    """A record to read from."""

    @property
    def epoch(self) -> int:
        """The stretch of history that the newest version known here is of."""

    async def read(self, type_: str, id_: str, *, access: AccessFilter) -> Version | None:
        """The current version, a deletion included; None if there is none that ``access`` lets through."""

    async def vread(self, type_: str, id_: str, version: int, epoch: int, *, access: AccessFilter) -> Version | None:
        """That version; None if there is none that ``access`` lets through."""

    def searching(self, access: AccessFilter) -> Searches:
        """The door for searches on behalf of ``access``."""

    async def carrying(self, type_: str, key: int, *, access: AccessFilter, limit: int) -> list[Version]:
        """At most ``limit`` living resources of this type that stand under this key of it (``fhir.keys``), as ``access`` may find
        them: a look-up, for a key that few carry."""

    async def stands(self, type_: str, id_: str) -> Stands | None:
        """Whose it is that stands there, living: for the log of a refusal, which is no answer."""

    async def standing(self, session: Session, patient: int) -> Standing:
        """What is known of a patient (by key) that decides what ``session`` sees."""

    async def groups(self, session: Session, settings: Settings, patient: int) -> tuple[Standing, Sequence[Group]]:
        """The same, and whose information of which kind there is. Not to be shown as it is (S21)."""

    def same(self, patient: str) -> Sequence[str]:
        """All ids under which the record of this Patient is kept."""

    def resolve(self, patient: str) -> str:
        """The id under which this Patient's record goes on after merges."""
