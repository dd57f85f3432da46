"""What a write would make, worked out on the copy's own data: the resources as they are shown until the journal has them.

Invariants: what is taken passes the same gate as at the journal (``fhir.parse``, ``fhir.validate``); a change names what it
was made on, a
version of the journal or a pending one, and one that its author has not seen is refused; nothing conditional is decided here
(traps: Conditional create): it is handed over as it was asked, and shown as what it means here (``meaning``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final

import orjson

from vaka.access.filter import system_filter
from vaka.access.law import ACKNOWLEDGING, SIGNED, Act, why_not
from vaka.access.marks import actor_of, mark_id, mark_of, provenance
from vaka.access.session import Right
from vaka.api.asked import require_right
from vaka.api.http import Request, parse_etag
from vaka.api.reserve import meaning
from vaka.api.server import Server, accept_resource, check_id, living
from vaka.copy.reserve.entry import PENDING, Base, Part, version_made
from vaka.copy.reserve.entry import Entry as ReserveEntry
from vaka.copy.reserve.store import ReserveStore
from vaka.copy.reserve.taken import HELP, require_type
from vaka.errors import Conflict, Gone, Invalid, NotFound, OnlyJournal, PreconditionFailed
from vaka.fhir import exact
from vaka.fhir.accept import accept_entries, parsed_of
from vaka.fhir.entries import ANNULLABLE, annulled
from vaka.fhir.extract import local_references, owner_hints
from vaka.fhir.laboratory import takes_back
from vaka.fhir.parse import Parsed, parse_json, parse_resource
from vaka.fhir.patch import apply_patch
from vaka.fhir.query import parse_query
from vaka.fhir.splice import conditional_references, splice
from vaka.fhir.transaction import Entry, assign_ids, plan
from vaka.store.ids import keyed_id
from vaka.store.version import Version, instant

_ACTS: Mapping[str, Act] = {"$sign": Act.SIGN, "$countersign": Act.COUNTERSIGN, "$acknowledge": Act.RECEIVED}
_MARKS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Seen:
    """What stands of a resource here, for who asks: its current ``version``, or what a pending entry shows of it. ``body``:
    as shown."""

    body: bytes
    base: Base
    version_id: str
    patient: str | None
    version: Version | None = None
    entry: ReserveEntry | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """``parts``: what the entry would make; ``seen``: by ``Type/id``, what its changes were made on; ``refers``: local
    references in it; ``found``: ``Type/id`` of the parts that are here already, and are not made again."""

    parts: tuple[Part, ...]
    seen: Mapping[str, Seen]
    refers: tuple[str, ...]
    found: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Asking:
    """A write as it came to the copy: ``request`` with a path below /fhir and references made relative in ``body``;
    ``entry``: the id that its entry will have; ``at_us``: now."""

    server: Server
    store: ReserveStore
    request: Request
    body: bytes
    key: str
    entry: str
    at_us: int

    async def wanted(self) -> Wanted:
        """Invalid, Unprocessable, NotFound, PreconditionFailed, OnlyJournal."""
        match (self.request.method, *self.request.path):
            case ("POST",):
                return await self._transaction()
            case ("POST", type_):
                parsed = accept_resource(self.body, type_)
                asked = self.request.header("if-none-exist")
                if asked is not None and (there := await self._there(type_, asked)) is not None:
                    return Wanted((there,), {}, _refers(parsed.resource), frozenset({there.name}))
                part = self._part(parsed, keyed_id(self.request.access.principal, self.key), None)
                return Wanted((part,), {}, _refers(parsed.resource))
            case ("PUT", type_, id_):
                return await self._update(type_, id_)
            case ("PATCH", type_, id_):
                seen = await self._seen(type_, id_)
                self._require_seen(seen, f"{type_}/{id_}", self.request.header("if-match"))
                await self._require_lawful(f"{type_}/{id_}", seen)
                parsed = accept_resource(apply_patch(seen.body, self.body), type_)
                _require_forward(parsed, seen, self.request.header("if-match"))
                return self._changed(parsed, id_, seen)
            case ("POST", type_, id_, act):
                return await self._act(type_, id_, act)
        raise OnlyJournal("this cannot be written while the journal is away", help=HELP)

    async def _update(self, type_: str, id_: str) -> Wanted:
        check_id(id_)
        parsed = accept_resource(self.body, type_)
        if parsed.id != id_:
            raise Invalid(f"the resource's id is {parsed.id}, the address says {id_}", path=f"{type_}.id")
        header = self.request.header
        seen = await self._replaced(parsed, id_, header("if-match"), header("if-none-match"))
        if seen is None:
            return Wanted((self._part(parsed, id_, None),), {}, _refers(parsed.resource))
        return self._changed(parsed, id_, seen)

    async def _replaced(self, parsed: Parsed, id_: str, if_match: str | None, if_none_match: str | None) -> Seen | None:
        """What an update replaces, alone or in a transaction; None where it creates, as a program may. NotFound,
        PreconditionFailed, Conflict."""
        name = f"{parsed.type}/{id_}"
        try:
            seen = await self._seen(parsed.type, id_)
        except NotFound:
            if self.request.access.session is not None or if_match is not None:
                raise
            return None
        if if_none_match == "*":
            raise PreconditionFailed(f"{name} exists already")
        self._require_seen(seen, name, if_match)
        await self._require_lawful(name, seen)
        _require_forward(parsed, seen, if_match)
        return seen

    def _changed(self, parsed: Parsed, id_: str, seen: Seen) -> Wanted:
        part = self._part(parsed, id_, seen.base)
        return Wanted((part,), {part.name: seen}, _refers(parsed.resource))

    async def _act(self, type_: str, id_: str, act: str) -> Wanted:
        seen = await self._seen(type_, id_)
        name = f"{type_}/{id_}"
        asked = _parameters(self.body)
        require_right(self.request, Right.WRITE if act in ("$correct", "$annul") else Right.SIGN)
        self._require_seen(seen, name, self.request.header("if-match"), asked.get("version"))
        if act == "$correct":
            if not isinstance(asked.get("resource"), Mapping):
                raise Invalid("the parameter resource is missing", path="Parameters.parameter")
            await self._require_lawful(name, seen, Act.CORRECT)
            return self._changed(accept_resource(exact.dumps(asked["resource"]), type_), id_, seen)
        if act == "$annul":
            if type_ not in ANNULLABLE:
                raise Invalid(f"a {type_} cannot say that it was entered in error")
            return self._changed(accept_resource(exact.dumps(annulled(exact.loads(seen.body))), type_), id_, seen)
        meant = _ACTS[act]
        if act == "$acknowledge":
            step = ACKNOWLEDGING.get(str(asked.get("step")))
            if step is None:
                raise Invalid(
                    "the parameter step is missing", help=f"send one of {', '.join(ACKNOWLEDGING)}", path="step"
                )
            meant = step
        return Wanted(self._mark(seen, name, meant, asked.get("reason")), {name: seen}, (name,))

    def _mark(self, seen: Seen, name: str, act: Act, reason: Any) -> tuple[Part, ...]:
        """The Provenance as the operation will make it, shown; and what it is on, which does not change (S17)."""
        type_, _, id_ = name.partition("/")
        actor, target = actor_of(self.request.access), f"{name}/_history/{seen.version_id}"
        made = provenance(act, [target], actor, instant(self.at_us), reason=reason if isinstance(reason, str) else None)
        mark = mark_id(act, target, actor)
        body = splice(
            orjson.dumps(made), made, id=mark, version_id=PENDING + self.entry, last_updated=instant(self.at_us)
        )  # fmt: skip
        return Part(type_, id_, None, seen.patient, seen.base), Part("Provenance", mark, body, seen.patient)

    async def _transaction(self) -> Wanted:
        content = parse_json(self.body)
        if content.get("type") != "transaction":
            raise OnlyJournal("a batch cannot be written while the journal is away", help="send its entries one by one")
        entries = plan(content, self.body, base_url=self.request.base_url)
        for one in entries:
            if (
                one.method not in ("POST", "PUT")
                or one.operation is not None
                or (one.id is None and one.method == "PUT")
            ):
                raise OnlyJournal(f"{one.path}: {one.method} cannot be done while the journal is away", help=HELP)
            require_type(one.type or "", one.path)
        there = await self._all_there(entries)
        drafted = assign_ids(
            entries, lambda number: keyed_id(self.request.access.principal, self.key, number),
            found={index: part.id for index, part in there.items()},
        )  # fmt: skip
        parsed = await accept_entries(drafted)
        made = {index: one for index, one in parsed.items() if index not in there}
        meant = await meaning.references(self.server.store, self.request, drafted.entries, made, self.at_us)
        parts, seen, refers = [], {}, list[str]()
        for one in drafted.entries:
            if (part := there.get(one.index)) is not None:
                parts.append(part)
                continue
            resource = parsed[one.index]
            if conditional_references(resource.resource):
                resource = parsed_of(one, drafted.body(one, meant))
            base = None
            assert one.id is not None
            if one.method == "PUT":
                found = await self._replaced(resource, one.id, one.if_match, one.if_none_match)
                if found is not None:
                    seen[f"{resource.type}/{one.id}"], base = found, found.base
            if not conditional_references(resource.resource):  # what those mean, the journal says
                parts.append(self._part(resource, one.id, base))
            else:
                whole = self._part(resource, one.id, base)
                parts.append(replace(whole, body=None))
            refers += _refers(resource.resource)
        names = {part.name for part in parts}
        refers = [name for name in dict.fromkeys(refers) if name not in names]
        return Wanted(tuple(parts), seen, tuple(refers), frozenset(part.name for part in there.values()))

    async def _all_there(self, entries: Sequence[Entry]) -> dict[int, Part]:
        """What the creates of a transaction find here already, by their index."""
        asked = [one for one in entries if one.method == "POST" and one.if_none_exist is not None]
        found = {one.index: await self._there(one.type or "", one.if_none_exist or "") for one in asked}
        return {index: part for index, part in found.items() if part is not None}

    async def _there(self, type_: str, asked: str) -> Part | None:
        """What a create on the condition ``asked`` finds here already: it is not made, nor shown a second time."""
        id_ = await meaning.the_one(self.server.store, self.request.access, type_, asked, self.request.base_url)
        if id_ is None:
            return None
        try:
            seen = await self._seen(type_, id_)
        except (NotFound, Gone):
            return None
        return Part(type_, id_, None, seen.patient, seen.base)

    def _part(self, parsed: Parsed, id_: str, base: Base | None) -> Part:
        version, at = PENDING + self.entry, instant(self.at_us)
        body = splice(parsed.body, parsed.resource, id=id_, version_id=version, last_updated=at)
        patient = owner_hints({**parsed.resource, "id": id_})
        return Part(parsed.type, id_, body, self.server.store.resolve(patient) if patient is not None else None, base)

    async def _seen(self, type_: str, id_: str) -> Seen:
        """What stands of a resource for who asks. NotFound, Gone."""
        check_id(id_)
        access = self.request.access
        pending = self.store.shown_of(type_, id_)
        version = await self.server.store.read(type_, id_, access=access)
        if pending is not None and (version is not None or pending.principal == access.principal):
            part = next((p for p in pending.parts if p.name == f"{type_}/{id_}" and p.body is not None), None)
            if part is not None and part.body is not None:
                base = Base(entry=pending.id, hash=sha256(part.body).hexdigest())
                return Seen(part.body, base, pending.version_id, part.patient, version, pending)
        standing = living(version, type_, id_)
        body = standing.body or b""
        hints = owner_hints(orjson.loads(body))
        base = Base(standing.version_id, sha256(body).hexdigest())
        if standing.pending:  # the journal has it by now, and has not told it here yet
            base = Base(None, base.hash, standing.pending.removeprefix(PENDING))
        return Seen(body, base, standing.version_id, hints, standing)

    async def _require_lawful(self, name: str, seen: Seen, act: Act | None = None) -> None:
        """Conflict where what stands is signed or locked as far as is known here, and ``act`` does not change such (J1)."""
        if name.partition("/")[0] not in SIGNED:
            return
        query = parse_query(["Provenance"], [("target", name)], base_url="", strict=True, same=self.server.store.same)
        page = await self.server.store.searching(system_filter("reserve")).search(query, count=_MARKS_MAX)
        marks = [found for one in page.matches if (found := mark_of(orjson.loads(one.body or b"{}"))) is not None]
        made = {mark.act: mark.at_us for mark in marks if mark.version_id == seen.version_id}
        why = why_not(act, made.get(Act.SIGN), made.get(Act.LOCK, made.get(Act.ANNUL)), self.at_us)
        if why is not None:
            raise Conflict(
                f"{name} is {why}", why=f"J1: change of a {why} entry",
                help=f"POST {name}/$correct with the new resource and a reason" if why == "signed" else f"POST {name}/$annul",
            )  # fmt: skip

    def _require_seen(self, seen: Seen, name: str, header: str | None, version: Any = None) -> None:
        named = parse_etag(header) if header not in (None, "*") else version
        if isinstance(version, str) and version.startswith(PENDING) and header is None:
            raise Invalid(
                "a pending version is named in If-Match", help=f'send If-Match: W/"{version}"', path="version"
            )
        if named is not None and named != seen.version_id and not self._became(seen, name, named):
            raise PreconditionFailed(
                f"{name} is at version {seen.version_id}",
                help="read it again, make the change on the current version, and send that version in If-Match",
            )

    def _became(self, seen: Seen, name: str, named: str) -> bool:
        """Whether what is shown as pending is by now the journal's version that was named."""
        entry = self.store.by_id(seen.base.entry) if seen.base.entry is not None else None
        return entry is not None and version_made(entry.result, name) == named


def _require_forward(parsed: Parsed, seen: Seen, if_match: str | None) -> None:
    """Conflict where a result would go back to an earlier version of itself (S16), as at the journal."""
    standing = orjson.loads(seen.body)
    if not takes_back(parsed.resource, standing, seen=if_match not in (None, "*")):
        return
    raise Conflict(
        f"{parsed.type}/{parsed.id} is {standing.get('status')}: what was sent ({parsed.resource.get('status')}) is an earlier"
        " version of it",
        help="nothing was replaced, and a late message needs nothing more", path=f"{parsed.type}.status",
    )  # fmt: skip


def _refers(resource: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"{type_}/{id_}" for _, type_, id_ in local_references(dict(resource))))


def _parameters(body: bytes) -> dict[str, Any]:
    """Parameters by name; their resource with its numbers as they were written."""
    if not body.strip():
        return {}
    parse_resource(body, "Parameters")
    found: dict[str, Any] = {}
    for part in exact.loads(body).get("parameter", ()):
        held = [value for member, value in part.items() if member.startswith("value") or member == "resource"]
        found[str(part.get("name"))] = held[0] if held else None
    return found
