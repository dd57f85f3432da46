"""A first try that lay in a journal which stood still, or whose answer was lost, and that the journal has carried out by itself:
an ordinary write, though its author was told that it waits, valid at its site only.

Invariants: handing it over gives what it made all that any other entry of the stop gets, once, in one transaction that keeps
what came of it: handed over again, it is answered the same. What was changed since keeps what it says, but that no order of a
stop goes on as active by itself (S12). What is changed here names the version that it was made of, so that who wrote on that one
has seen what stands (``handed``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import orjson

from vaka import config, log
from vaka.access.filter import AccessFilter, system_filter
from vaka.access.law import Act
from vaka.access.marks import actor_of, mark_id
from vaka.api.reserve import conflicts
from vaka.api.reserve.handed import Handed, Handing, held
from vaka.api.reserve.outcome import outcome
from vaka.api.reserve.tasks import Finding, Why
from vaka.api.server import accept_resource
from vaka.copy.reserve import numbers
from vaka.copy.reserve.entry import Entry
from vaka.errors import Conflict
from vaka.journal.accept import write_of
from vaka.journal.journal import Remembered, Transaction
from vaka.journal.marks import address, home, mark
from vaka.store.version import Version, parse_version_id

if TYPE_CHECKING:
    from vaka.api.server import Server

_LATE_US: Final = int(2 * config.RESERVE_TRY_S * 1e6)
"""A first try that the journal carries out later than this was not written when it was saved."""
_KEPT: Final = "caught up\n"
"""Before an entry's key, under which it is kept what came of its first try: no key of a request has a line's end in it."""


async def caught_up(server: Server, entry: Entry, access: AccessFilter, before: dict[str, Any]) -> dict[str, Any]:
    """What was done ``before``, after what was still to be done with it."""
    journal, key = server.journal, _KEPT + entry.key
    found = await journal.recall(key, access=access)
    if found is not None:
        return await outcome(server, found.parts)
    first = await journal.recall(entry.key, access=access)
    assert first is not None
    seqs = [seq for _, seq, _ in first.parts if seq is not None]
    versions = await journal.by_seqs(seqs, access=system_filter("reserve"))
    found_already = _found(entry, first)

    async def work(tx: Transaction) -> Sequence[tuple[int, int | None, str | None]] | None:
        assert isinstance(tx, Handed)
        parts, looked = [], False
        for number, (status, seq, location) in enumerate(first.parts):
            version = versions.get(seq) if seq is not None and number not in found_already else None
            if version is not None and not await _is_handed_over(tx, version):
                looked = True
                now = await _look(tx, version)
                seq = now.seq if now is not None else seq
            parts.append((status, seq, location))
        if not looked:
            return None
        await tx.remember(key, Remembered(first.request_hash, tuple(parts)))
        return parts

    parts = None
    try:
        parts = await Handing(journal, entry).run(work, access=access)
    except Conflict:
        if (found := await journal.recall(key, access=access)) is None:
            raise
    if parts is None and (found := found or await journal.recall(key, access=access)) is not None:
        parts = found.parts  # another copy has handed over the same at this moment
    if parts is None:
        return before
    log.info("a first try was carried out by the journal", entry=entry.id)
    return await outcome(server, parts)


def _found(entry: Entry, first: Remembered) -> set[int]:
    """Which parts a condition found, so that the entry did not make them."""
    found = {number for number, (status, _, _) in enumerate(first.parts) if status == 200}
    if entry.path.strip("/"):
        return found if entry.method == "POST" and "/" not in entry.path.strip("/") else set()
    asked = orjson.loads(entry.body).get("entry", ())
    return {number for number in found if number >= len(asked) or asked[number]["request"]["method"] == "POST"}


async def _is_handed_over(tx: Handed, version: Version) -> bool:
    """Whether ``version`` says that it was written during a stop: handing over made it, or nothing that is looked at."""
    if version.type == "Provenance" or version.body is None:
        return True
    id_ = mark_id(Act.RESERVED, address(version), actor_of(tx.access))
    return await tx.any_version("Provenance", id_) is not None


async def _look(tx: Handed, version: Version) -> Version | None:
    """Does with ``version``, which the first try made, what handing over does; what it has become, None where it stays as it is
    or has been changed by others."""
    standing = await tx.standing(version.type, version.id, reason="reserve")
    if standing is None or standing.deleted or standing.body is None:
        return None
    entry, is_same = tx.entry, standing.version_id == version.version_id
    if is_same and version.updated_us - (tx.acted_us or 0) > _LATE_US:
        await mark(tx, Act.RESERVED, version, actor_of(tx.access), reason=f"written during a stop at {entry.site}")
    patient = home(version)
    if patient is not None:
        patient = await tx.look_at_merged(version.type, version.id, patient)
    made, resource = None, orjson.loads(standing.body)
    if resource.get("status") == conflicts.ACTIVE and await _activated(tx, version):
        made = await _hold(tx, standing, patient)
    if conflicts.was_given(resource) and patient is not None:
        await tx.look_at_doses(version.id, patient, resource, told=True)
    number = entry.numbers.get(f"{version.type}/{version.id}")
    if number is not None and number.encode() not in standing.body:
        made = await _amend(tx, standing, numbers.with_number(standing.body, number))
    return made if is_same else None


async def _activated(tx: Handed, version: Version) -> bool:
    """Whether the first try made an order active that was not."""
    part = tx.part(f"{version.type}/{version.id}")
    base = parse_version_id(part.base.version_id or "") if part is not None and part.base is not None else None
    number = base or (version.version - 1, version.epoch)
    before = await tx.any_version(version.type, version.id, number) if number[0] else None
    stood = orjson.loads(before.body) if before is not None and before.body is not None else None
    return conflicts.activates(orjson.loads(version.body or b"{}"), stood)


async def _hold(tx: Handed, standing: Version, patient: str | None) -> Version | None:
    assert standing.body is not None
    try:
        made = await _amend(tx, standing, held(standing.body))
    except Conflict:  # somebody has signed it in the record: it is theirs to change
        tx.findings.append(Finding(Why.CHANGED, patient, address(standing), (address(standing),)))
        return None
    await tx.ask_about(standing.type, standing.id, patient)
    return made


async def _amend(tx: Handed, standing: Version, body: bytes) -> Version:
    (made,) = await tx.amend([write_of(accept_resource(body, standing.type), standing.id)])
    tx.made.append(made)
    tx.linked[made.rkey] = ("revision", address(standing))
    return made
