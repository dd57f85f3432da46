"""Taking a write into the reserve: what the front door does with one that the journal has not answered in time (S13–S15).

Invariants: nothing is acknowledged before it is durable here and on another copy (or the site has chosen otherwise, and the
answer says so);
the key is that of the first try; the same key with the same request is answered the same, with another it is refused.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import apsw
import orjson

from vaka.access.session import Session
from vaka.api.arrival import keyed
from vaka.api.bundles import bundle, entry, links
from vaka.api.callers import caller
from vaka.api.cookies import SESSION, cookie
from vaka.api.door.door import Safety
from vaka.api.http import Preferences, Request, Response, preferences, require_json_answer, require_json_body
from vaka.api.reserve import allergies
from vaka.api.reserve.meaning import patients_asked
from vaka.api.reserve.peer import hold
from vaka.copy.reserve.entry import OPEN, PENDING, Entry, Part, State, version_made
from vaka.copy.reserve.mode import Mode, Silent, to_reserve
from vaka.copy.reserve.peers import Peers
from vaka.copy.reserve.store import ReserveStore
from vaka.copy.reserve.taken import HELP, ORDERS, is_order, require_taken
from vaka.errors import Invalid, OnlyJournal, Unauthenticated, Unavailable, Unprocessable, VakaError
from vaka.fhir.extract import owner_hints
from vaka.fhir.media import JSON_PATCH
from vaka.fhir.splice import relative_references
from vaka.store.version import http_date, instant

if TYPE_CHECKING:
    from vaka.api.reserve.drafts import Save
    from vaka.api.reserve.permitted import Known
    from vaka.api.server import Server

WITHDRAWN: Final = "this took so long that it was given up meanwhile"
_HEADERS: Final = ("content-type", "prefer", "if-match", "if-none-match", "if-none-exist")


class Single(StrEnum):
    """Whose entries are acknowledged though no other copy holds them: a site's own choice (S15)."""

    NOBODY = "nobody"
    PEOPLE = "people"
    ALL = "all"


async def _nobody(_: Entry) -> None:
    return None


def _unknown() -> int | None:
    return None


@dataclass(slots=True)
class Reserving:
    """The reserve of one copy, as its front door asks it. ``site``: its name; ``changed``: shows an entry here;
    ``offset_ms``: how far its clock is off, None where it is not known (S6)."""

    store: ReserveStore
    peers: Peers
    known: Known
    site: str
    single: Callable[[], Single] = field(default=lambda: Single.NOBODY)
    changed: Callable[[Entry], Awaitable[None]] = field(default=_nobody)
    offset_ms: Callable[[], int | None] = field(default=_unknown)

    async def close(self) -> None:
        await self.peers.close()
        self.store.close()

    def safety(self) -> Safety:
        """On how many machines what is written now would stand, and whose writes it takes so."""
        known, reached = self.peers.reached()
        return Safety(2 if reached else 1, str(Single.ALL if reached else self.single()), alone=not known)

    def holds(self, patient: str) -> bool:
        """Whether something of this patient stands here that the journal does not show."""
        return self.holds_any and self.store.shows(patient)

    @property
    def holds_any(self) -> bool:
        """Whether anything stands here that the journal does not show."""
        return self.store.has(OPEN | {State.UNHELD})

    def lacks(self, path: Sequence[str], patients: Iterable[str] | None) -> bool:
        """Whether something stands here that the journal's answer to a read, or a search within ``patients``, may lack. None:
        of anybody."""
        if not self.holds_any:
            return False
        match path:
            case ("fhir", type_, id_) | ("fhir", type_, id_, "_history", _) if not id_.startswith(("$", "_")):
                return self.store.shown_of(type_, id_) is not None
        return patients is None or any(self.store.shows(one) for each in patients for one in self.known.same(each))

    def takes(self, request: Request) -> bool:
        """Whether the reserve could take this request; asked before the journal is tried."""
        try:
            require_taken(request.method, _path(request), request.query)
        except OnlyJournal:
            return False
        return True

    def became(self, request: Request) -> str | None:
        """The If-Match that names what a pending version, which a request names, has become in the journal; None where it names
        none, or nothing came of it."""
        type_, id_ = (*_path(request), "", "")[:2]
        named = (request.header("if-match") or "").removeprefix('W/"').removesuffix('"')
        entry_ = self.store.by_id(named.removeprefix(PENDING)) if named.startswith(PENDING) and id_ else None
        if entry_ is None or entry_.state is not State.DONE:
            return None
        made = version_made(entry_.result, f"{type_}/{id_}")
        return f'W/"{made}"' if made is not None else None

    async def first(self, request: Request) -> bool:
        """Whether this request goes into the reserve without the journal being tried: it is away, or something of the
        patient waits."""
        standing = self.store.standing()
        if standing.mode in (Mode.RESERVE, Mode.FORCED):
            return True
        if not self.store.has((State.UNHELD, State.WAITING)):
            return False
        waits = self._shown(*_path(request)[:2]) or self.store.waits(await self._patients(request))
        return to_reserve(standing, waits) is not None

    async def _patients(self, request: Request) -> set[str]:
        """All ids of the patients whom a write concerns: by what it says, and by whose it is that it changes."""
        body = await request.body()
        named = set(patients_of(body))
        type_, id_ = (*_path(request), "", "")[:2]
        for asked in dict.fromkeys(patients_asked(request, type_, body)):
            with suppress(Invalid):  # who writes nonsense is told later
                meant = await self.known.meant(asked)
                named |= {meant} if meant is not None else set()
        try:
            found = id_ if type_ == "Patient" else await self.known.patient(type_, id_) if id_ else None
            named |= {found} if found else set()
            return named.union(*map(self.known.same, named))
        except OnlyJournal:  # the record here cannot be read: what is said has to do
            return named

    def _shown(self, type_: str = "", id_: str = "") -> bool:
        """Whether something of this resource waits: what is done to it says not whose it is."""
        found = self.store.shown_of(type_, id_) if id_ else None
        return found is not None and found.state is State.WAITING

    def unanswered(self) -> None:
        """The journal has not answered a write in time: from now on the reserve takes them at once."""
        self.store.happened(Silent())

    async def note(self, server: Server, request: Request, *, taken: bool) -> None:
        """Whether a write was taken: a program that was turned away keeps what it has, until it has sent that (S35).
        No answer depends on it: on a full disk nothing is noted."""
        programs = self.store.programs
        with suppress(VakaError, apsw.Error):
            if taken and not programs.keeping():
                return
            access = request.access if request.access.scopes else await caller(server, request)
            if access.session is None:
                await asyncio.to_thread(programs.taken if taken else programs.turned_away, access.principal)

    async def hold(self, request: Request) -> Response:
        """Keeps and shows entries of another copy (S10)."""
        return await hold(self.store, request, self.changed)

    async def hold_drafts(self, request: Request) -> Response:
        """Keeps what another copy knows of drafts."""
        from vaka.api.reserve import drafts  # no start of a copy waits for it

        return await drafts.hold(self.store, request)

    async def drafts(self, server: Server, request: Request) -> Response:
        """What a person asks of their drafts (S19)."""
        from vaka.api.reserve import drafts

        return await drafts.answer(server, self.store, self.site, request)

    async def sending(self, server: Server, request: Request) -> Save:
        """Which draft a write sends, from now on under the draft's key. Conflict where that is another patient's (S5)."""
        from vaka.api.reserve import drafts

        return await drafts.sending(server, self.store, request)

    async def sent(self, server: Server, request: Request, save: Save) -> None:
        """The write is in the record, or in the reserve: what was typed leaves the drafts."""
        from vaka.api.reserve import drafts

        await drafts.sent(self.store, request, save)

    async def accept(self, server: Server, request: Request, key: str) -> Response:
        """The answer, once the entry is safe. Unavailable where no other copy holds it, and whatever is wrong with the
        request."""
        if request.access.session is None and not request.access.scopes:
            request.access = await caller(server, request)
        require_taken(request.method, _path(request), request.query)
        require_json_answer(request)
        patching = request.method == "PATCH"
        body = await request.body()
        if body or request.method != "POST":
            require_json_body(request, *([JSON_PATCH] if patching else []))
        body = relative_references(body, request.base_url)
        inner = Request(
            request.method, _path(request), request.query, {**request.headers, "idempotency-key": key}, request.base_url, body,
            request.access, request.source,
        )  # fmt: skip
        digests = [keyed(inner, body).digest]
        if (named := self.became(inner)) is not None:
            inner.headers = {**inner.headers, "if-match": named}
            digests.append(keyed(inner, body).digest)  # it may have been sent before that was so
        entry_ = self.store.by_key(request.access.principal, key)
        if entry_ is None:
            entry_ = await self._new(server, inner, body, key, digests[-1], _author(request))
        if entry_.digest not in digests:
            raise Unprocessable(
                "this Idempotency-Key was used for another request", help="make a new key for each new request"
            )
        entry_ = await asyncio.to_thread(self.store.adopt, entry_)
        request.access.trail.activity = request.access.trail.activity or "reserve"
        return answer(await self._safe(entry_), inner)

    async def _new(self, server: Server, inner: Request, body: bytes, key: str, digest: bytes, author: str) -> Entry:
        from vaka.api.reserve.numbering import numbered
        from vaka.api.reserve.permitted import require_permitted
        from vaka.api.reserve.wanted import Asking

        id_, at_us = str(uuid.uuid4()), time.time_ns() // 1_000
        wanted = await Asking(server, self.store, inner, body, key, id_, at_us).wanted()
        await require_permitted(server, inner.access, wanted, self.known)
        parts, numbers = await asyncio.to_thread(numbered, self.store, wanted.parts, inner.access.principal)
        checked = await allergies.check(server, inner.access, wanted.parts)
        headers = {name: value for name in _HEADERS if (value := inner.header(name)) is not None}
        made = Entry(
            id_, self.store.origin, self.site, inner.access.principal, key, digest, author, inner.method,
            "/".join(inner.path), tuple(inner.query), headers, body, parts, wanted.refers, at_us, self.offset_ms(),
            any(map(_orders, parts)), numbers=numbers, warnings=checked.met if checked is not None else (),
            checked=checked.text if checked is not None else "", **_owned(inner.access.session),
        )  # fmt: skip
        kept, _ = await asyncio.to_thread(self.store.add, made)
        return kept

    async def _safe(self, entry_: Entry) -> Entry:
        """``entry_`` once it may be acknowledged."""
        if entry_.state is State.WITHDRAWN:
            raise Unavailable(WITHDRAWN, help=HELP, retry_after_s=1)
        if entry_.state is not State.UNHELD:
            return entry_
        copies = await self.peers.hold(entry_)
        person = entry_.principal.startswith("person:")
        single = self.single()
        if copies < 2 and not (single is Single.ALL or (single is Single.PEOPLE and person)):
            raise Unavailable(
                "no other copy can hold this now: it would stand on one disk alone", help=HELP, retry_after_s=5
            )  # fmt: skip
        is_held = await asyncio.to_thread(self.store.held, entry_.number, copies)
        kept = self.store.get(entry_.number) or entry_
        if not is_held and kept.state is State.WITHDRAWN:
            raise Unavailable(WITHDRAWN, help=HELP, retry_after_s=1)
        await self.changed(kept)
        return kept


def answer(entry_: Entry, inner: Request) -> Response:
    """201 for what is new, 200 for what is changed, and that it waits."""
    wishes = preferences(inner)
    headers = [
        ("Vaka-Reserve", f"pending; copies={entry_.copies}" + ("; site-only" if entry_.single_site else "")),
        ("Last-Modified", http_date(entry_.recorded_us)),
    ]
    if entry_.checked:
        headers.append((allergies.HEADER, entry_.checked))
    if not inner.path:
        headers.append(("ETag", f'W/"{entry_.version_id}"'))
        return Response(200, _bundled(entry_, inner, wishes), headers)
    part = next((one for one in reversed(entry_.parts) if one.body is not None), entry_.parts[0])
    version = _version(entry_, part)
    headers.append(("ETag", f'W/"{version}"'))
    headers.append(("Location", f"{inner.base_url}/{part.name}/_history/{version}"))
    status = 201 if part.base is None else 200
    return Response(status, b"" if wishes.returns == "minimal" or part.body is None else part.body, headers)


def _bundled(entry_: Entry, inner: Request, wishes: Preferences) -> bytes:
    told = []
    for part in entry_.parts:
        status = HTTPStatus.CREATED if part.base is None else HTTPStatus.OK
        response: dict[str, Any] = {
            "status": f"{status.value} {status.phrase}", "etag": f'W/"{_version(entry_, part)}"',
            "lastModified": instant(entry_.recorded_us), "location": f"{part.name}/_history/{_version(entry_, part)}",
        }  # fmt: skip
        whole = wishes.returns == "representation" and "return" in (inner.header("prefer") or "").lower()
        told.append(
            entry({"fullUrl": f"{inner.base_url}/{part.name}", "response": response}, part.body if whole else None)
        )
    return bundle({"type": "transaction-response", "link": links([("self", inner.base_url)])}, told)


def _version(entry_: Entry, part: Part) -> str:
    """Which version is told of a part: the pending one; of what was there already the one that stands."""
    if part.body is not None or part.base is None:
        return entry_.version_id
    return part.base.version_id or PENDING + str(part.base.entry)


def _path(request: Request) -> tuple[str, ...]:
    """Below /fhir."""
    return tuple(part for part in (request.path[1:] if request.path[:1] == ("fhir",) else request.path) if part)


def _author(request: Request) -> str:
    """The signed session or token that the request came with: the journal believes nothing else."""
    authorization = request.header("authorization")
    if authorization is not None:
        return authorization.partition(" ")[2].strip()
    token = cookie(request, SESSION)
    if token is None:
        raise Unauthenticated("you are not logged in, or not any more")
    return token


def _owned(session: Session | None) -> dict[str, Any]:
    """Whose a person's entry is."""
    if session is None:
        return {}
    at = session.assignment
    return {"unit": at.unit, "provider": at.provider, "practitioner": session.practitioner}


def _orders(part: Part) -> bool:
    return part.type in ORDERS and part.body is not None and is_order(orjson.loads(part.body))


def patients_of(body: bytes) -> Iterable[str]:
    """Ids of the patients whom a write names, as far as its body can be read; who writes nonsense is told later."""
    try:
        content = orjson.loads(body) if body else {}
    except ValueError:
        return ()
    if not isinstance(content, dict):
        return ()
    inside = content.get("entry") if content.get("resourceType") == "Bundle" else None
    resources = (
        [one.get("resource") for one in inside if isinstance(one, dict)] if isinstance(inside, list) else [content]
    )
    return {found for one in resources if isinstance(one, dict) and (found := owner_hints(one)) is not None}
