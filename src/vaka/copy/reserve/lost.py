"""What the journal lost and this copy still has, as reserve entries: so it finds its own way home (feed.md, 4 and 5).

Invariants: one lost version is one entry with one id and one key, whichever copy held it, so that it is given back once; it
stands in the reserve before ``lost.db`` forgets it; what was lost goes before what was written on it during a stop.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from hashlib import blake2b, sha256
from typing import Any, Final, Protocol

import orjson

from vaka import log
from vaka.copy.lost import Lost
from vaka.copy.reserve.entry import LOST, PENDING, Entry, Part, State
from vaka.copy.reserve.store import ReserveStore
from vaka.fhir.extract import local_references
from vaka.fhir.splice import splice

PRINCIPAL: Final = "vaka:given-back"
"""Under whose name what was lost is written again: no program's or person's can be so."""


class Found(Protocol):
    """What the journal lost and is not in the reserve yet (``copy.lost.LostFile``)."""

    def waiting(self, limit: int = 100) -> list[Lost]: ...

    def count(self) -> int: ...

    def given(self, lost: Sequence[Lost]) -> None: ...


def entry_id(type_: str, id_: str, version_id: str, digest: str) -> str:
    """The id of the entry that gives back this version. ``digest``: its hash, as hex."""
    text = "\x1f".join(("given-back", type_, id_, version_id, digest))
    return str(uuid.UUID(bytes=blake2b(text.encode(), digest_size=16).digest(), version=4))


def entry_of(lost: Lost, *, origin: str, site: str, now_us: int) -> Entry:
    """The entry that gives ``lost`` back. Its body is the feed's line."""
    line = lost.line
    type_, id_, owner = str(line["type"]), str(line["id"]), line["owner"]
    made = entry_id(type_, id_, str(line["version"]), str(line["hash"]))
    told = orjson.dumps(line)
    body, resource = _body(line, made)
    return Entry(
        made, origin, site, PRINCIPAL, f"given-back:{made}", sha256(str(line["hash"]).encode()).digest(), "", LOST,
        f"{type_}/{id_}", (), {}, told, (Part(type_, id_, body, line.get("patient")),),
        tuple(dict.fromkeys(f"{kind}/{name}" for _, kind, name in local_references(resource))) if resource else (),
        now_us, state=State.WAITING, unit=owner["unit"], provider=owner["provider"], practitioner=owner["author"],
    )  # fmt: skip


def _body(line: Mapping[str, Any], entry: str) -> tuple[bytes | None, dict[str, Any] | None]:
    """As it is shown until the journal has it."""
    if not isinstance(line.get("body"), str):
        return None, None
    body = line["body"].encode()
    resource: dict[str, Any] = orjson.loads(body)
    shown = splice(body, resource, id=str(line["id"]), version_id=PENDING + entry, last_updated=str(line["updated"]))
    return shown, resource


async def give(
    found: Found,
    store: ReserveStore,
    site: str,
    run: Callable[[Callable[[], Any]], Awaitable[Any]],
    changed: Callable[[Entry], Awaitable[None]],
) -> int:
    """Takes into the reserve what was lost, oldest first; how many there were. ``run``: does work where ``found`` may be used."""
    count = 0
    while waiting := await run(found.waiting):
        for lost in waiting:
            made = entry_of(lost, origin=store.origin, site=site, now_us=time.time_ns() // 1_000)
            kept, _ = store.add(made)
            await changed(store.adopt(kept))  # held for another copy until now: given back by both it is done once
        await run(partial(found.given, waiting))
        count += len(waiting)
    if count:
        log.warning("what the journal lost is in the reserve, to be given back", versions=count)
    return count
