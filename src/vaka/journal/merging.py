"""Carrying out a merge of two patients, and taking it apart (S23).

Every entry of the one gets a new version with the same bytes, whose home patient is the other and which is found under both;
what it names as its patient stays, so it always knows its origin, and taking apart gives each entry back to the patient that
it names. Signatures and acknowledgements stay, since nothing of the entry has changed. What is written under the old id
later goes the same way (``aliases``).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import orjson

from vaka import config
from vaka.access.filter import system_filter
from vaka.access.law import Act
from vaka.access.marks import Actor
from vaka.access.merging import Resource, released, replaced, restored, surviving
from vaka.errors import Conflict, Fault, Gone, NotFound, Unprocessable
from vaka.fhir import exact
from vaka.fhir.accept import require_valid
from vaka.fhir.definitions import type_name
from vaka.fhir.keys import resource_key
from vaka.fhir.parse import as_parsed, parse_resource
from vaka.journal import openings
from vaka.journal.accept import write_of
from vaka.journal.aliases import Aliases
from vaka.journal.arrays import integers
from vaka.journal.marks import Owned, address, home, latest, mark, now_us, owned_by
from vaka.journal.statements import statements
from vaka.journal.write import Write
from vaka.store.version import Version, parse_version_id

if TYPE_CHECKING:
    from vaka.journal.journal import Journal, Transaction

_CHUNK: Final = 500
_BREATHE_EVERY: Final = 25


async def both(tx: Transaction, source: str, target: str) -> tuple[Version, Version]:
    """The two Patients, locked in one order. Conflict where one of them was merged already."""
    aliases = Aliases()
    found = await _locked(tx, source, target)
    await aliases.read(tx.connection)  # after the locks: what another merge has committed
    for id_ in (source, target):
        if (into := aliases.into.get(id_)) is not None:
            raise Conflict(
                f"Patient/{id_} was merged: its record goes on in Patient/{into}",
                help="name that one, or take the merge apart with $unmerge", why="S23: merged already",
            )  # fmt: skip
    return found[source], found[target]


async def _locked(tx: Transaction, *ids: str) -> dict[str, Version]:
    """Patients that the caller may see, whole: what is masked for the caller stays in the record."""
    found = {}
    for id_ in sorted(ids, key=lambda id_: resource_key("Patient", id_)):
        _there(await tx.current("Patient", id_, lock=True), id_)
        found[id_] = _there(await tx.any_version("Patient", id_), id_)
    return found


def _there(version: Version | None, id_: str) -> Version:
    if version is None:
        raise NotFound(f"Patient/{id_} does not exist", why="S23: no such patient, or hidden")
    if version.body is None:
        raise Gone(f"Patient/{id_} was deleted", version=version.version_id)
    return version


async def proposal(tx: Transaction, source: Version, target: Version) -> tuple[Version, str] | None:
    """The open proposal to merge, and who made it."""
    values = {
        "entry": source.rkey,
        "detail": target.id,
        "since_us": time.time_ns() // 1_000 - config.MERGE_PROPOSAL_DAYS * 86_400_000_000,
    }
    row = await (await tx.connection.execute(statements("law")["proposal"], values)).fetchone()
    if row is None:
        return None
    named = await (await tx.connection.execute(statements("law")["mark_resource"], {"rkey": row[0]})).fetchone()
    version = await tx.any_version("Provenance", named[0]) if named is not None else None
    return (version, row[1]) if version is not None and not version.deleted else None


async def merge(
    tx: Transaction, source: Version, target: Version, actor: Actor, reason: str, proposed: Version
) -> Version:
    """Carries it out; the mark that tells of it. Unprocessable beyond ``config.MERGE_MAX_RESOURCES``."""
    aliases = Aliases()
    await aliases.read(tx.connection)
    aliases.into[source.id] = target.id
    await tx.connection.execute(
        statements("law")["add_alias"],
        {"patient": source.rkey, "id": source.id, "into_patient": target.rkey, "into_id": target.id},
    )
    await _roots(tx, aliases)
    await openings.end_at_merge(tx.connection, (source.rkey, target.rkey))
    ours, theirs = exact.loads(source.body or b""), exact.loads(target.body or b"")
    await _move(tx, source.rkey, aliases, Act.MERGE, skip={source.rkey, target.rkey})
    gone = await _patient(tx, replaced(ours, target.id), source, target.id, Act.MERGE)
    goes_on = await _patient(tx, surviving(theirs, ours), target, target.id, Act.MERGE)
    made, _ = await mark(
        tx, Act.MERGE, gone, actor, also=[address(goes_on)], reason=reason, patient=target.id,
        entities=[("revision", address(source)), ("revision", address(target)), ("source", address(proposed))],
    )  # fmt: skip
    return made


async def unmerge(tx: Transaction, source: str, target: str, actor: Actor, reason: str) -> Version:
    """Gives back what belongs to ``source``. Conflict where it was not merged into ``target``."""
    found = await _locked(tx, source, target)
    aliases = Aliases()
    await aliases.read(tx.connection)
    one, other = found[source], found[target]
    told = await latest(tx.connection, one.rkey, Act.MERGE)
    if aliases.into.get(source) != target or told is None:
        raise Conflict(
            f"Patient/{source} is not merged into Patient/{target}", why="S23: unmerge of what is not merged"
        )
    if (further := aliases.into.get(target)) is not None:
        raise Conflict(
            f"Patient/{target} was merged into Patient/{further} since", help="take that merge apart first",
            why="S23: unmerge in the middle of a chain",
        )  # fmt: skip
    befores = await _befores(tx, told.id)
    del aliases.into[source]
    await tx.connection.execute(statements("law")["end_alias"], {"patient": one.rkey, "into_patient": other.rkey})
    await tx.connection.execute(
        statements("law")["keep_apart"],
        {"patient": one.rkey, "was_in": other.rkey, "from_us": told.at_us, "until_us": now_us()},
    )
    await _roots(tx, aliases)
    await openings.end_at_unmerge(tx.connection, other.rkey, told.at_us)
    await _move(tx, other.rkey, aliases, Act.UNMERGE, skip={one.rkey, other.rkey})
    await _give_back_deleted(tx, other.rkey, told.at_us, aliases)
    ours, theirs = exact.loads(one.body or b""), exact.loads(other.body or b"")
    back = await _patient(tx, restored(ours, target, befores[0]), one, source, Act.UNMERGE)
    alone = await _patient(tx, released(theirs, ours, befores[1]), other, target, Act.UNMERGE)
    made, _ = await mark(
        tx, Act.UNMERGE, back, actor, also=[address(alone)], reason=reason, patient=source,
        entities=[("revision", address(one)), ("revision", address(other)), ("source", f"Provenance/{told.id}")],
    )  # fmt: skip
    return made


async def _roots(tx: Transaction, aliases: Aliases) -> None:
    """Writes down where each chain of merges ends now."""
    for id_ in aliases.into:
        values = {"patient": resource_key("Patient", id_), "root": resource_key("Patient", aliases.resolve(id_))}
        await tx.connection.execute(statements("law")["set_root"], values)


async def gather(journal: Journal) -> int:
    """Brings over what was written under a merged patient by who did not know of the merge yet; how many."""
    async with journal.pool.connection() as connection:
        left = await (await connection.execute(statements("law")["left_behind"])).fetchall()
    return sum([await settle(journal, row[0]) for row in left])


async def settle(journal: Journal, patient: str) -> int:
    """Gives what stands in the record of ``patient`` and is another's, as merges are now, to that one; how many. After a merge is
    taken apart: what was still being written as if it stood."""
    key = resource_key("Patient", patient)

    async def work(tx: Transaction) -> int:
        await tx.any_version("Patient", patient)  # locked, as a merge locks it: the aliases stay as they are
        aliases = Aliases()
        await aliases.read(tx.connection)
        return await _move(tx, key, aliases, Act.MERGE, skip={key})

    return await journal.run(work, access=system_filter("records"))


async def _befores(tx: Transaction, mark_id: str) -> tuple[Resource, Resource]:
    """The two Patients as they were before the merge."""
    told = await tx.any_version("Provenance", mark_id)
    if told is None or told.body is None:
        raise Fault("the mark of a merge is missing")
    found = []
    for entity in orjson.loads(told.body)["entity"][:2]:
        _, id_, _, number = entity["what"]["reference"].split("/")
        parsed = parse_version_id(number)
        version = await tx.any_version("Patient", id_, parsed)
        if version is None:
            raise Fault("a version before a merge is missing")
        found.append(exact.loads(version.body) if version.body is not None else {})
    return found[0], found[1]


async def _patient(tx: Transaction, resource: Resource, stands: Version, patient: str, act: Act) -> Version:
    parsed = as_parsed(resource, exact.dumps(resource))
    require_valid(parsed)
    write = write_of(parsed, stands.id, act=act, owned=await owned_by(tx.connection, stands))
    write.patient = patient
    made = (await tx.write([write]))[0]
    if made is None:
        raise Fault("a Patient was not written")
    return made


async def _move(tx: Transaction, patient: int, aliases: Aliases, act: Act, *, skip: set[int]) -> int:
    """Gives each resource whose home is ``patient`` the home that ``aliases`` say; how many had another."""
    values = {"patient": patient, "limit": config.MERGE_MAX_RESOURCES + 1}
    rows = await (await tx.connection.execute(statements("law")["belonging"], values)).fetchall()
    if len(rows) > config.MERGE_MAX_RESOURCES:
        raise Unprocessable(
            f"this record has more than {config.MERGE_MAX_RESOURCES} entries: too much for one merge",
            help="merge the smaller record into the larger", why="S23: too many entries",
        )  # fmt: skip
    keys = [row[0] for row in rows if row[0] not in skip]
    marks = await _marks(tx, keys)
    owners: dict[int, Owned] = {}
    homes: dict[int, str] = {}
    moved = 0
    for chosen in ([key for key in keys if key not in marks], list(marks)):
        for start in range(0, len(chosen), _CHUNK):
            writes = []
            for number, version in enumerate(await tx.any_current(chosen[start : start + _CHUNK])):
                write = await _moved(tx, version, aliases, act, patient, homes.get(marks.get(version.rkey, 0)), owners)
                if write is not None:
                    writes.append(write)
                    homes[version.rkey] = write.patient or ""
                if number % _BREATHE_EVERY == _BREATHE_EVERY - 1:
                    await asyncio.sleep(0)
            if writes:
                await tx.write(writes)
            moved += len(writes)
    return moved


async def _give_back_deleted(tx: Transaction, patient: int, merged_us: int, aliases: Aliases) -> None:
    """What was deleted while a merge lasted is its own patient's again, with its history: nothing is written of it, since there
    is nothing to show."""
    values = {"patient": patient, "since_us": merged_us}
    rows = await (await tx.connection.execute(statements("law")["deleted_since"], values)).fetchall()
    for rkey, number, id_, version, epoch in rows:
        last = await tx.any_version(type_name(number), id_, (version, epoch))
        named = home(last) if last is not None else None
        key = resource_key("Patient", aliases.resolve(named)) if named is not None else patient
        if key != patient:
            await tx.connection.execute(statements("law")["give_back_deleted"], {"rkey": rkey, "home": key})


async def _moved(
    tx: Transaction,
    version: Version,
    aliases: Aliases,
    act: Act,
    patient: int,
    with_entry: str | None,
    owners: dict[int, Owned],
) -> Write | None:
    """The write that moves one resource, None where it stays. ``with_entry``: where the entry that a mark is on goes."""
    named = with_entry if version.type == "Provenance" and with_entry is not None else home(version)
    goes = aliases.resolve(named) if named is not None else None
    if goes is None or resource_key("Patient", goes) == patient:
        return None
    parsed = parse_resource(version.body or b"")
    if version.owner not in owners:
        owners[version.owner] = await owned_by(tx.connection, version)
    write = write_of(parsed, version.id, act=act, owned=owners[version.owner])
    write.patient = goes
    write.rows = aliases.rows(write.rows, parsed.resource)
    return write


async def _marks(tx: Transaction, keys: Sequence[int]) -> Mapping[int, int]:
    """The key of the entry that each mark among ``keys`` is on."""
    cursor = await tx.connection.execute(statements("law")["entries_of_marks"], {"keys": integers(keys)})
    return {row[0]: row[1] for row in await cursor.fetchall()}
