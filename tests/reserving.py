"""Reserve entries as tests hand them over to a real journal."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
from tests.client import Resource

from vaka.access.filter import system_filter
from vaka.access.session import Session
from vaka.api.reserve.meaning import the_one
from vaka.copy.reserve.entry import Base, Entry, Part, State, wire
from vaka.fhir.extract import owner_hints
from vaka.journal.journal import Journal
from vaka.journal.permission import attended_by
from vaka.store.ids import keyed_id


def entry(
    method: str, path: str, body: Any, *, author: str, principal: str, key: str | None = None, recorded_us: int | None = None,
    base: str | None = None, patient: str | None = None, headers: dict[str, str] | None = None, offset_ms: int | None = None,
) -> Entry:  # fmt: skip
    """What ``author`` asked for by ``method`` at ``path``. ``base``: the version id that a change was made on."""
    key = key or uuid.uuid4().hex
    sent = b"" if body is None else orjson.dumps(body)
    type_, *rest = path.split("/")
    id_ = rest[0] if rest else keyed_id(principal, key)
    part = Part(type_ or "Bundle", id_, sent, patient, Base(base, "00") if base is not None else None)
    return Entry(
        str(uuid.uuid4()), "copy-a", "Site A", principal, key, b"", author, method, path, (), headers or {}, sent, (part,), (),
        recorded_us if recorded_us is not None else time.time_ns() // 1_000, offset_ms, state=State.WAITING,
    )  # fmt: skip


@dataclass
class Receiving:
    """The journal's address for entries, asked with a copy's token."""

    url: str
    token: str

    def post(self, content: bytes) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.post(f"{self.url}/reserve", content=content, headers=headers, timeout=60)

    def give(self, one: Entry) -> Resource:
        answer = self.post(wire(one))
        assert answer.status_code == 200, answer.text
        told: Resource = answer.json()
        return told

    def done(self, one: Entry) -> Resource:
        """What it made."""
        told = self.give(one)
        assert told["outcome"] == "done", told
        made: Resource = told["made"][0]
        return made


@dataclass
class OnJournal:
    """What the copy knows, asked of the journal's tables."""

    journal: Journal

    async def attended(self, session: Session, patients: Sequence[int]) -> tuple[set[int], set[int]]:
        async with self.journal.reading.connection() as connection:
            return await attended_by(connection, session, patients)

    async def there(self, patient: str) -> bool:
        return await self.journal.read("Patient", patient, access=system_filter("test")) is not None

    async def patient(self, type_: str, id_: str) -> str | None:
        found = await self.journal.read(type_, id_, access=system_filter("test"))
        return owner_hints(orjson.loads(found.body)) if found is not None and found.body is not None else None

    def same(self, patient: str) -> Iterable[str]:
        return self.journal.same(patient)

    async def unit(self, owner: int) -> str | None:
        async with self.journal.reading.connection() as connection:
            row = await (await connection.execute("SELECT unit FROM owner WHERE owner = %s", (owner,))).fetchone()
        return row[0] if row is not None else None

    async def meant(self, asked: str) -> str | None:
        return await the_one(self.journal, system_filter("test"), "Patient", asked, "")
