"""Searches outside a transaction, with one caller's filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vaka.access.filter import AccessFilter
from vaka.fhir.criteria import Query
from vaka.fhir.keys import resource_key
from vaka.journal.pool import Pool
from vaka.journal.read import Reader
from vaka.journal.search import Searcher
from vaka.store.page import Page, Position
from vaka.store.seen import living_seen, page_seen, seen
from vaka.store.version import Version


@dataclass(frozen=True, slots=True)
class Searches:
    """Searches outside a transaction, with one caller's filter."""

    reading: Pool
    reader: Reader
    searcher: Searcher
    access: AccessFilter

    @property
    def missed(self) -> int:
        """None: the journal has all of it."""
        return 0

    async def search(self, query: Query, *, count: int, at: Position | None = None) -> Page:
        async with self.reading.connection() as connection:
            page = await self.searcher.page(connection, query, access=self.access, count=count, at=at)
        return page_seen(self.access, page)

    async def include(self, keys: Sequence[int], *, limit: int) -> list[Version]:
        async with self.reading.connection() as connection:
            found = await self.searcher.included(connection, keys, access=self.access, limit=limit)
        return [seen(self.access, version) for version in found]

    def together(self, keys: Sequence[int]) -> Sequence[int]:
        """As ``Transaction.together``."""
        return self.searcher.aliases.keys_together(keys)

    async def read_many(self, references: Sequence[tuple[str, str]]) -> list[Version]:
        """Current, living versions of these (type, id), each once, in their order."""
        keys = sorted({resource_key(*reference) for reference in references})
        async with self.reading.connection() as connection:
            found = await self.reader.current(connection, keys, access=self.access)
        return living_seen(self.access, references, found)
