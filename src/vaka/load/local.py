"""Loading straight into the journal's database: one worker's part. Each transaction is short, so that the feed's
horizon keeps moving (traps: The horizon); a transaction bundle is as long as it is.

Invariants
- What HTTP would refuse is refused here: the same gate (``fhir.accept``), the same writer, the same locks.
- Loading again changes nothing: what stands with the same bytes is passed over, and so is whatever stands under an id
  that was made from the content loaded.
- A resource whose owner is inherited from one that is not there waits, and so does all that follows under its id.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

import psycopg

from vaka import config
from vaka.access.filter import system_filter
from vaka.access.ownership import inherits_from
from vaka.errors import Busy, TooLarge, Unavailable, Unprocessable, VakaError
from vaka.fhir.accept import require_valid
from vaka.fhir.keys import resource_key
from vaka.journal import chores
from vaka.journal.accept import write_of
from vaka.journal.deciding import named
from vaka.journal.journal import Journal, Transaction
from vaka.journal.standing import Standing, standing
from vaka.journal.write import Write
from vaka.load import changes
from vaka.load.items import Bundle, Item, in_order
from vaka.load.report import Counts, Outcome, Refusal
from vaka.load.sources import Text
from vaka.store.version import Action, Version

T = TypeVar("T")
AWAY_MAX_S: Final = 60.0
_WRITES_MIN, _WRITES_MAX = 16, 1_000
_BYTES_MAX: Final = 8 * 1024 * 1024
_RETRIES: Final = 3
_BREATHE_EVERY: Final = 8
_ACCESS: Final = system_filter("load")
_FIRST: Final = {"Organization": 0, "Location": 1, "PractitionerRole": 1, "Encounter": 2}
_COUNTED: Final = {
    Action.CREATE: "created",
    Action.UPDATE: "updated",
    Action.DELETE: "deleted",
    Action.REDACT: "deleted",
}


class Pace:
    """How many writes fit into half of ``config.LOAD_COMMIT_MS``, from how long the last ones took."""

    def __init__(self) -> None:
        self._each_s = config.LOAD_COMMIT_MS / 1_000 / 400

    def size(self) -> int:
        return min(max(int(config.LOAD_COMMIT_MS / 2_000 / self._each_s), _WRITES_MIN), _WRITES_MAX)

    def took(self, writes: int, seconds: float) -> None:
        if writes >= _WRITES_MIN:
            self._each_s += 0.3 * (seconds / writes - self._each_s)


class Loader:
    """Loads texts through ``journal``, one batch after the other."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._pace = Pace()
        self._held_back: set[int] = set()
        self._flight: asyncio.Task[None] | None = None

    async def load(self, texts: Sequence[Text], *, final: bool) -> Outcome:
        """``final``: nothing waits any more; an owner that cannot be found is unknown."""
        outcome = Outcome()
        if final:
            self._held_back.clear()
        for group in in_order(texts, outcome):
            match group:
                case list():
                    await self._items(group, final, outcome)
                case index, bundle:
                    await self._bundle(index, bundle, final, outcome)
        return outcome

    async def _items(self, items: list[tuple[int, Item]], final: bool, outcome: Outcome) -> None:
        if not items:
            return
        parents = [inherits_from(item.parsed.resource) for _, item in items]
        keys = [resource_key(item.parsed.type, item.id) for _, item in items]
        parent_keys = [resource_key(*parent) if parent else None for parent in parents]
        there = await self._standing({k for k in (*keys, *parent_keys) if k is not None})
        ours = set(keys)
        chosen: list[tuple[Item, Write]] = []
        size = 0
        taken: set[int] = set()
        order = sorted(range(len(items)), key=lambda n: _FIRST.get(items[n][1].parsed.type, 3))
        for n in order:
            (index, item), key, parent = items[n], keys[n], parent_keys[n]
            state = there.get(key)
            alone = item.place.entry is None
            if alone and not final and (key in self._held_back or (parent and self._missing(parent, ours, there))):
                self._held_back.add(key)
                outcome.waiting.append(index)
                continue
            if key in taken:  # its second version in one batch: the first must stand by then
                await self._launch(chosen, outcome)
                await self._landed()
                chosen = []
                state = (await self._standing([key])).get(key)
            try:
                if state is not None and (item.made or state.holds(item.parsed, item.id)):
                    outcome.counts.unchanged += 1
                    continue
                if len(item.parsed.body) > config.BODY_MAX_BYTES:
                    raise TooLarge(f"the resource is over {config.BODY_MAX_BYTES >> 20} MB")
                require_valid(item.parsed)
                chosen.append((item, write_of(item.parsed, item.id, must_be_new=state is None)))
                taken.add(key)
                size += len(item.parsed.body)
            except VakaError as error:
                outcome.refuse(Refusal.of(item.place, error, item.parsed.type, item.id))
            if len(chosen) >= self._pace.size() or size >= _BYTES_MAX:
                await self._launch(chosen, outcome)
                chosen, size = [], 0
            elif len(chosen) % _BREATHE_EVERY == 0:
                await asyncio.sleep(0)  # lets what is being written go on
        await self._launch(chosen, outcome)
        await self._landed()

    def _missing(self, parent: int, ours: set[int], there: Mapping[int, Standing]) -> bool:
        return parent not in there and (parent not in ours or parent in self._held_back)

    async def _launch(self, chosen: Sequence[tuple[Item, Write]], outcome: Outcome) -> None:
        """Begins to write ``chosen`` once what was begun before is committed: one is prepared while one is written."""
        await self._landed()
        if chosen:
            self._flight = asyncio.create_task(self._commit(chosen, outcome))

    async def _landed(self) -> None:
        flight, self._flight = self._flight, None
        if flight is not None:
            await flight

    async def _commit(self, part: Sequence[tuple[Item, Write]], outcome: Outcome) -> None:
        """Commits ``part``; if something in it cannot be written, the rest all the same."""

        async def work(tx: Transaction) -> list[Version | None]:
            return await tx.write([write for _, write in part])

        began = time.monotonic()
        try:
            made = await self._run(work)
        except (VakaError, psycopg.Error) as error:
            if isinstance(error, Unavailable):
                raise
            if any(write.must_be_new for _, write in part):  # somebody else may have made one of them since we looked
                for _, write in part:
                    write.must_be_new = False
                await self._commit(part, outcome)
            elif len(part) > 1:
                middle = len(part) // 2
                await self._commit(part[:middle], outcome)
                await self._commit(part[middle:], outcome)
            else:
                item = part[0][0]
                outcome.refuse(Refusal.of(item.place, told(error), item.parsed.type, item.id))
            return
        self._pace.took(len(part), time.monotonic() - began)
        outcome.counts.transactions += 1
        for version in made:
            if version is not None:
                _count(outcome.counts, version)

    async def _bundle(self, index: int, bundle: Bundle, final: bool, outcome: Outcome) -> None:
        try:
            done = await self._transaction(bundle, final)
        except changes.NotYet:
            outcome.waiting.append(index)
        except (VakaError, psycopg.Error) as error:
            if isinstance(error, Unavailable):
                raise
            outcome.refused.append(Refusal.of(bundle.place, told(error)))
            outcome.counts.refused += len(bundle.entries)
        else:
            outcome.counts.add(done)

    async def _transaction(self, bundle: Bundle, final: bool) -> Counts:
        asked = changes.conditions(bundle)
        own = changes.assigned(bundle, {})
        keys = {one.index: resource_key(one.type or "", one.id or "") for one in own.entries}
        there = await self._standing(keys.values())
        made_before = any(
            changes.creates(one) and one.index not in asked and keys[one.index] in there for one in own.entries
        )
        if made_before:  # it is atomic: where one of its creates stands, all of it was done
            return Counts(unchanged=len(bundle.entries))
        counts = Counts(transactions=1)
        ready: list[Write] | None = None
        if not asked and not changes.needs_transaction(bundle.entries):
            parsed = changes.accepted(own, {}, {})
            ready = []
            for one in own.entries:
                state = there.get(keys[one.index])
                if state is not None and state.holds(parsed[one.index], one.id or ""):
                    counts.unchanged += 1
                elif (write := await changes.write_for(None, one, parsed[one.index])) is not None:
                    write.must_be_new = state is None
                    ready.append(write)
            if not ready:
                return Counts(unchanged=len(bundle.entries))
            if not final:
                await self._require_owners(ready)

        async def work(tx: Transaction) -> tuple[list[Version | None], int]:
            if ready is not None:
                return await tx.write(ready), 0
            found, meant = await changes.decide(tx, bundle, asked, final=final)
            entries = changes.assigned(bundle, found)
            parsed = changes.accepted(entries, found, named(meant, entries.entries))
            writes = [
                write for one in entries.entries
                if (write := await changes.write_for(tx, one, parsed.get(one.index))) is not None
            ]  # fmt: skip
            return await tx.write(writes), sum(changes.creates(one) and one.index in found for one in entries.entries)

        try:
            versions, counts.found = await self._run(work)
        except (VakaError, psycopg.IntegrityError) as error:
            if isinstance(error, Unavailable) or ready is None or not any(write.must_be_new for write in ready):
                raise
            for write in ready:
                write.must_be_new = False
            versions, _ = await self._run(work)
        for version in versions:
            if version is not None:
                _count(counts, version)
        return counts

    async def _require_owners(self, writes: Sequence[Write]) -> None:
        """NotYet where an owner is to be inherited from what neither the bundle nor the record holds."""
        ours = {write.rkey for write in writes}
        parents = {resource_key(*p): p for write in writes if (p := inherits_from(write.resource or {}))}
        outside = parents.keys() - ours
        if outside and (missing := outside - (await self._standing(outside)).keys()):
            raise changes.NotYet("/".join(parents[min(missing)]))

    async def _standing(self, keys: Iterable[int]) -> dict[int, Standing]:
        wanted = list(keys)
        return await self._patiently(lambda: standing(self._journal, wanted))

    async def _run(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        return await self._patiently(lambda: self._journal.run(work, access=_ACCESS))

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """``call``, again for ``AWAY_MAX_S`` while the database is away or busy: what is loaded can be sent twice."""
        deadline = time.monotonic() + AWAY_MAX_S
        failed = 0
        while True:
            try:
                return await call()
            except Busy as error:
                failed += 1
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"the journal could not be written for {AWAY_MAX_S:.0f} s: {error.message}"
                    ) from error
                if failed >= _RETRIES and await self._alive():
                    raise Unprocessable(f"the database does not take it: {error.message}") from error
                await asyncio.sleep(min(0.2 * 2**failed, 3.0))

    async def _alive(self) -> bool:
        try:
            await chores.probe(self._journal, "load")
        except VakaError:
            return False
        return True


def told(error: VakaError | psycopg.Error) -> VakaError:
    """An error of the database as one that names no value of the record."""
    if isinstance(error, VakaError):
        return error
    return Unprocessable(
        f"the database does not take it ({error.sqlstate}: {error.diag.message_primary or type(error).__name__})"
    )


def _count(counts: Counts, version: Version) -> None:
    name = _COUNTED[version.action]
    setattr(counts, name, getattr(counts, name) + 1)
