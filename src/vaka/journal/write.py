"""Writing: new versions and the rows that they are found by, in one transaction.

Invariants
- A version number is taken under the lock on its resource row; ``lastUpdated`` is at least 1 ms after the one before.
- The stored bytes are the bytes as sent with id, versionId and lastUpdated set, and the hash is of these bytes.
- Locks are taken in one order everywhere: identities, then resource rows, each sorted by key.
- What a caller may read back is returned only after COMMIT (``journal.Journal`` sees to that).

Source: https://hl7.org/fhir/R4/http.html#create, #update, #delete.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from vaka.access.filter import AccessFilter
from vaka.access.law import Act
from vaka.errors import Conflict, NotAllowed, PreconditionFailed
from vaka.fhir.definitions import type_name, type_number
from vaka.fhir.index import IndexRows
from vaka.fhir.keys import key, resource_key
from vaka.fhir.splice import splice
from vaka.journal import facts, laboratory, law
from vaka.journal.aliases import Aliases
from vaka.journal.arrays import booleans, byteas, floats, integers, lexemes, texts
from vaka.journal.owners import Owners
from vaka.journal.pool import Connection
from vaka.journal.statements import statements
from vaka.store.codec import Codec
from vaka.store.gate import Gate
from vaka.store.version import ANY_VERSION, Action, Version, instant, version_id

_NO_ROWS = IndexRows()


@dataclass(frozen=True, slots=True)
class Given:
    """Of a lost version that is given back: its number, which it keeps, and who wrote it from which system."""

    number: int
    author: str | None
    source: str


@dataclass(slots=True)
class Write:
    """One change that is asked for. ``body``/``resource``/``rows``: the new content (not for a deletion), its references
    resolved. ``must_be_new``: the id was made by this server, so no row can exist. ``may_create``: update-as-create.
    ``if_match``: (version, epoch) that must be current, ``ANY_VERSION``: any. ``if_none_match``: nothing may exist.
    ``keep_owner``: unit, provider and kind stay as they are; ``owned``: they are these. ``path``: the bundle entry that asks
    for it. ``act``: the operation on records that it is part of, None for a plain change. ``given``: it was the journal's before,
    and lost."""

    type: str
    id: str
    resource: dict[str, Any] | None = None
    body: bytes | None = None
    rows: IndexRows = field(default_factory=IndexRows)
    patient: str | None = None
    must_be_new: bool = False
    may_create: bool = True
    if_match: tuple[int, int] | None = None
    if_none_match: bool = False
    redact: bool = False
    keep_owner: bool = False
    path: str | None = None
    act: Act | None = None
    owned: tuple[str | None, str | None, str] | None = None
    given: Given | None = None

    def place(self, path: str) -> str:
        """Where ``path`` of the resource is in what was sent."""
        return path if self.path is None else f"{self.path}.resource{path.removeprefix(self.type)}"

    @property
    def rkey(self) -> int:
        return resource_key(self.type, self.id)

    @property
    def deletes(self) -> bool:
        return self.body is None


@dataclass(frozen=True, slots=True)
class Plan:
    """A write that will be done, numbered. ``before``: what stands, None for what is new."""

    write: Write
    version: int
    updated_us: int
    action: Action
    before: State | None


@dataclass(frozen=True, slots=True)
class State:
    """What stands in the journal for a key, locked."""

    type: str
    id: str
    version: int
    epoch: int
    deleted: bool
    updated_us: int
    patient: int | None
    owner: int


def identity_keys(resource: Mapping[str, Any] | None) -> list[int]:
    """Lock keys of the resource's identifiers: two writers of one identifier wait for each other."""
    found = resource.get("identifier") if resource else None
    entries = found if isinstance(found, list) else [found]
    name = f"{resource['resourceType']}.identifier" if resource else ""
    # By value alone too: a condition may name it without its system.
    return [
        lock
        for entry in entries
        if isinstance(entry, dict) and (value := entry.get("value")) is not None
        for lock in (key(name, "sc", str(entry.get("system") or ""), str(value)), key(name, "c", str(value)))
    ]


class Writer:
    """Makes versions on a connection. ``epoch``: the journal's current one."""

    def __init__(self, codec: Codec, owners: Owners, epoch: int) -> None:
        self._codec = codec
        self._owners = owners
        self.epoch = epoch
        self.aliases = Aliases()

    async def lock_identities(self, connection: Connection, keys: Iterable[int]) -> None:
        """Waits for other writers of these identities; the statement after this one sees what they committed."""
        await connection.execute(statements("write")["lock_identities"], {"keys": integers(sorted(set(keys)))})

    async def lock(
        self, connection: Connection, keys: Iterable[int], through: Gate | None = None, *, decided: Iterable[int] = ()
    ) -> dict[int, State]:
        """The current state of the resources with these keys, locked until the transaction ends; of those alone that ``through``
        lets pass, or that are among ``decided``."""
        sql = statements("write")
        values: dict[str, object] = {"keys": integers(sorted(set(keys)))}
        if through is None or through.everything:
            cursor = await connection.execute(sql["lock_resources"], values)
        else:
            values |= {"decided": integers(decided), **dict(through.values)}
            cursor = await connection.execute(through.into(sql["lock_visible"]), values)
        rows = await cursor.fetchall()
        epochs: dict[int, int] = {}
        if self.epoch > 1 and rows:  # the first epoch has no other before it
            cursor = await connection.execute(sql["epochs"], {"seqs": integers([row[6] for row in rows])})
            epochs = {row[0]: row[1] for row in await cursor.fetchall()}
        return {
            row[0]: State(type_name(row[1]), row[2], row[3], epochs.get(row[6], self.epoch), *row[4:6], *row[7:9])
            for row in rows
        }

    async def lock_all(
        self, connection: Connection, writes: Sequence[Write], through: Gate | None = None, *, decided: Iterable[int] = (),
        hidden: Collection[int] = (),
    ) -> dict[int, State]:  # fmt: skip
        """Locks what ``writes`` may meet, in the one order; the states of what they change. What is ``hidden``, or does not pass
        ``through``, is asked for in as many steps as what does not exist, and not locked."""
        known = [write.rkey for write in writes if not write.must_be_new]
        if not known:
            return {}
        if identities := sorted({k for write in writes for k in identity_keys(write.resource)}):
            await self.lock_identities(connection, identities)
        return await self.lock(connection, [rkey for rkey in known if rkey not in hidden], through, decided=decided)

    async def write(
        self,
        connection: Connection,
        writes: Sequence[Write],
        *,
        access: AccessFilter,
        hidden: Collection[int] = (),
    ) -> list[Version | None]:
        """Applies ``writes``, each to a resource of its own; None for the deletion of what was not there.

        ``hidden``: keys of what stands but must look as if it did not: it is neither changed nor made. PreconditionFailed,
        Conflict, NotAllowed: nothing of the transaction may be committed then."""
        for write in writes:
            self.aliases.apply(write)
        # What is hidden looks as if it did not stand: the law says nothing of it either.
        states = await self.lock_all(connection, writes, hidden=hidden)
        await law.require_lawful(connection, writes, states, access, self.aliases.into)
        await laboratory.require_forward(connection, self._codec, writes, states)
        planned: list[Plan | None] = []
        now_us = time.time_ns() // 1_000_000 * 1_000
        for write in writes:
            state = states.get(write.rkey)
            _check(write, state, self.epoch)
            if write.deletes and not write.redact and (state is None or state.deleted):
                planned.append(None)
                continue
            version = state.version + 1 if state else 1
            if write.given is not None:
                version = max(version, write.given.number)
            updated_us = max(now_us, state.updated_us + 1_000) if state else now_us
            if write.deletes:
                action = Action.REDACT if write.redact else Action.DELETE
            else:
                action = Action.UPDATE if state and not state.deleted else Action.CREATE
            planned.append(Plan(write, version, updated_us, action, state))
        doing = [plan for plan in planned if plan]
        made = iter(await self._append(connection, doing, access) if doing else ())
        return [next(made) if plan else None for plan in planned]

    async def _append(self, connection: Connection, plans: Sequence[Plan], access: AccessFilter) -> list[Version]:
        sql = statements("write")
        writes = [plan.write for plan in plans]
        before = {plan.write.rkey: plan.before.owner for plan in plans if plan.before is not None}
        owned = await self._owners.assign(connection, writes, before, access=access)
        owners = [number for number, _ in owned]
        patients = [_patient(plan) for plan in plans]
        await facts.forget(connection, [plan.write for plan in plans if plan.before is not None])
        bodies: list[bytes | None] = []
        packed: list[bytes | None] = []
        dictionaries: list[int] = []
        hashes: list[bytes] = []
        for plan in plans:
            write, body = plan.write, None
            if write.body is not None and write.resource is not None:
                body = splice(
                    write.body,
                    write.resource,
                    id=write.id,
                    version_id=version_id(plan.version, self.epoch),
                    last_updated=instant(plan.updated_us),
                )
            bodies.append(body)
            number, content = self._codec.compress(body) if body is not None else (0, None)
            dictionaries.append(number)
            packed.append(content)
            hashes.append(sha256(body or b"").digest())
        rows = [_NO_ROWS if write.deletes else write.rows for write in writes]
        keys = [write.rkey for write in writes]
        new = [i for i, plan in enumerate(plans) if plan.before is None]
        changed = [i for i, plan in enumerate(plans) if plan.before is not None]
        identities = sorted({k for write in writes for k in identity_keys(write.resource)})
        values = {
            "identities": integers(identities),
            "rkey": integers(keys),
            "type": integers([type_number(write.type) for write in writes]),
            "id": texts([write.id for write in writes]),
            "version": integers([plan.version for plan in plans]),
            "updated_us": integers([plan.updated_us for plan in plans]),
            "patient": integers(patients),
            "owner": integers(owners),
            "action": integers([int(plan.action) for plan in plans]),
            "dictionary": integers(dictionaries),
            "hash": byteas(hashes),
            "body": byteas(packed),
            "tokens": texts([integers(r.tokens) for r in rows]),
            "words": texts([lexemes(r.words) for r in rows]),
            "new": booleans([plan.before is None for plan in plans]),
            "epoch": self.epoch,
            **_search_rows([(keys[i], rows[i]) for i in new]),
            **await facts.rows(connection, writes, [place for _, place in owned]),
            **law.owing(writes, access),
        }
        cursor = await connection.execute(sql["append"], values)
        numbered = await cursor.fetchall()
        seqs = [row[0] for row in numbered]
        access.trail.wrote_at(self.epoch, int(numbered[-1][1]), seqs[-1])
        if changed:
            difference = _search_rows([(keys[i], rows[i]) for i in changed])
            difference["changed"] = integers([keys[i] for i in changed])
            for kind in ("dates", "quantities", "strings"):
                await connection.execute(sql[f"difference_{kind}"], difference)
            if any(write.redact for write in writes):
                for i in changed:
                    if writes[i].redact:
                        await connection.execute(sql["redact"], {"rkey": keys[i]})
        made = [
            Version(
                plan.write.type,
                plan.write.id,
                plan.version,
                self.epoch,
                plan.updated_us,
                plan.action,
                plan.write.redact,
                bodies[i],
                seqs[i],
                keys[i],
                patients[i],
                owners[i],
            )
            for i, plan in enumerate(plans)
        ]
        await law.keep_marks(connection, writes, made)
        return made


def _patient(plan: Plan) -> int | None:
    """The key of the home patient; a deletion stays with the patient of what it deletes."""
    if plan.write.patient is not None:
        return resource_key("Patient", plan.write.patient)
    return plan.before.patient if plan.write.deletes and plan.before is not None else None


def _check(write: Write, state: State | None, epoch: int) -> None:
    name = f"{write.type}/{write.id}"
    if state is not None and (state.type, state.id) != (write.type, write.id):
        raise Conflict(f"the id of {name} cannot be used here", help="choose another id, or let the server choose")
    exists = state is not None and not state.deleted
    if write.if_none_match and exists:
        raise PreconditionFailed(f"{name} exists already", path=write.path)
    if write.if_match is not None:
        if state is None or not exists:
            raise PreconditionFailed(f"{name} does not exist; If-Match asks for a version of it", path=write.path)
        if write.if_match not in (ANY_VERSION, (state.version, state.epoch)):
            raise PreconditionFailed(
                f"{name} is at version {version_id(state.version, state.epoch)}, not {version_id(*write.if_match)}",
                help="read it again, make the change on the current version, and send that version in If-Match",
                path=write.path,
            )
    if state is None and not write.deletes and not write.may_create:
        raise NotAllowed(f"{name} does not exist")


def _search_rows(resources: Sequence[tuple[int, IndexRows]]) -> dict[str, Any]:
    dates = [(rkey, row) for rkey, rows in resources for row in rows.dates]
    quantities = [(rkey, row) for rkey, rows in resources for row in rows.quantities]
    strings = [(rkey, row) for rkey, rows in resources for row in rows.strings]
    return {
        "d_rkey": integers([k for k, _ in dates]),
        "d_param": integers([r.param for _, r in dates]),
        "d_low": integers([r.low_us for _, r in dates]),
        "d_high": integers([r.high_us for _, r in dates]),
        "d_edge": integers([r.edge for _, r in dates]),
        "q_rkey": integers([k for k, _ in quantities]),
        "q_param": integers([r.param for _, r in quantities]),
        "q_key": integers([r.key for _, r in quantities]),
        "q_unit": integers([r.unit for _, r in quantities]),
        "q_low": floats([r.low for _, r in quantities]),
        "q_high": floats([r.high for _, r in quantities]),
        "q_edge": integers([r.edge for _, r in quantities]),
        "s_rkey": integers([k for k, _ in strings]),
        "s_param": integers([r.param for _, r in strings]),
        "s_value": texts([r.value for _, r in strings]),
        "s_edge": integers([r.edge for _, r in strings]),
    }
