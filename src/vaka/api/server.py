"""What every interaction works with, and the pieces that several of them share."""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, cast

import orjson

from vaka import config
from vaka.access.settings import CLOSED, Settings
from vaka.accesslog.writer import AccessLog
from vaka.api.admission import Admission
from vaka.api.callers import Callers
from vaka.api.front import Front
from vaka.api.http import Preferences, Request, Response, parse_etag
from vaka.api.pages import Pages
from vaka.api.sealed import Sealed
from vaka.api.slowing import Slowing
from vaka.api.tokens import Tokens
from vaka.api.usage import Usage
from vaka.errors import Gone, Invalid, Issue, NotFound, OnlyJournal, PreconditionFailed, Unprocessable
from vaka.fhir import exact
from vaka.fhir.definitions import RESOURCE_TYPES
from vaka.fhir.elements import for_elements, summarise
from vaka.fhir.extract import local_references
from vaka.fhir.outcome import operation_outcome
from vaka.fhir.parse import Parsed, parse_resource
from vaka.store.openings import Openings
from vaka.store.sheet import SheetStore
from vaka.store.store import Store
from vaka.store.version import ANY_VERSION, Action, Version, http_date, parse_version_id

if TYPE_CHECKING:
    from vaka.api.door.door import Door
    from vaka.api.identity import Service
    from vaka.api.journal_sheets import JournalSheets
    from vaka.api.passphrases import Passphrases
    from vaka.api.published import Published
    from vaka.api.snapshots.giving import Giving
    from vaka.api.snapshots.prints import Prints
    from vaka.journal.clients import Clients
    from vaka.journal.copies import Copies
    from vaka.journal.journal import Journal, Transaction
    from vaka.journal.redactions import Redactions
    from vaka.journal.write import Write

_TYPES = frozenset(RESOURCE_TYPES)
_KEY_MAX_CHARS = 200
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


@dataclass(frozen=True, slots=True)
class Server:
    """The application's parts. ``store``: what is read from, the journal or a copy; ``home``: the journal, None on a copy.
    ``clients``: the register that tokens are given by, None on a copy.
    ``demo``: the demo region is loaded here. ``demo_login``: its staff log in by a click, since
    only this machine can reach this address. ``wire``: the listener that a request came in by. ``redactions``: the list of what
    was redacted. ``settings``: the region's points of law. ``admission``: who is let in, and how much is shown (its ``step``).
    ``published``: the keys that copies get, and ``copies``: those that have come, both None on a copy."""

    store: Store
    home: Journal | None
    tokens: Tokens
    pages: Pages
    log: AccessLog
    callers: Callers
    sealed: Sealed
    passphrases: Passphrases
    clients: Clients | None
    openings: Openings
    identity: tuple[Service, ...] = ()
    demo: bool = False
    demo_login: bool = False
    wire: Front = field(default_factory=Front)
    slowing: Slowing = field(default_factory=Slowing)
    usage: Usage = field(default_factory=Usage)
    redactions: Redactions | None = None
    settings: Settings = CLOSED
    admission: Admission = field(default_factory=Admission)
    door: Door | None = None
    """Where this is a copy."""
    sheets: SheetStore | None = None
    at_journal: JournalSheets | None = None
    """Sheets for copies that lag: where this is the journal."""
    published: Published | None = None
    copies: Copies | None = None
    giving: Giving | None = None
    """Ward snapshots: where this is a copy."""
    prints: Prints | None = None
    """Where this is an opened ward snapshot."""
    site: str = ""
    """What passkeys belong to here, where that is the domain above the name that this is reached by."""

    @property
    def complete(self) -> bool:
        """Not so for what answers before a copy has made its parts of its first record: all is passed on meanwhile."""
        return cast("Callers | None", self.callers) is not None

    @property
    def register(self) -> Clients:
        """The register of programs. OnlyJournal on a copy."""
        if self.clients is None:
            raise OnlyJournal("only the journal gives tokens out", help="try again when the journal can be reached")
        return self.clients

    @property
    def journal_copies(self) -> Copies:
        """The copies of this journal. OnlyJournal on a copy."""
        if self.copies is None:
            raise OnlyJournal("only the journal can do this", help="ask the journal")
        return self.copies

    @property
    def journal(self) -> Journal:
        """The journal, for what only it can do. OnlyJournal on a copy, whose front door passes such a request on."""
        if self.home is None:
            raise OnlyJournal("only the journal can do this", help="try again when the journal can be reached")
        return self.home


def known_type(name: str) -> str:
    """``name`` if it is an R4 resource type; NotFound if not."""
    if name not in _TYPES:
        raise NotFound(f"{name[:64]} is not a resource type of FHIR R4")
    return name


def check_id(id_: str) -> None:
    """Invalid unless ``id_`` is an id of FHIR R4."""
    if not _ID.fullmatch(id_):
        raise Invalid("an id is 1 to 64 of the characters A-Z a-z 0-9 - .", path="id")


def new_id() -> str:
    """A fresh resource id, time-ordered so that neighbours in time are neighbours on disk (RFC 9562, version 7)."""
    value = (time.time_ns() // 1_000_000 << 80) | (7 << 76) | int.from_bytes(os.urandom(10), "big") & ~(15 << 76)
    return str(uuid.UUID(int=value & ~(3 << 62) | (2 << 62)))


def accept_resource(body: bytes, type_: str | None) -> Parsed:
    """Parses and validates. Invalid or Unprocessable, with every finding and its path."""
    from vaka.fhir.accept import require_valid  # large: no start of a copy waits for it

    parsed = parse_resource(body, type_)
    require_valid(parsed)
    return parsed


async def require_references(transaction: Transaction, writes: Sequence[Write]) -> None:
    """Unprocessable unless every local reference of ``writes`` has a living target, in the record or among them."""
    named = [
        (write, path, (type_, id_)) for write in writes for path, type_, id_ in local_references(write.resource or {})
    ]
    there = await transaction.living([target for _, _, target in named])
    there -= {(write.type, write.id) for write in writes if write.deletes}
    there |= {(write.type, write.id) for write in writes if not write.deletes}
    missing = [
        Issue("error", "not-found", f"{type_}/{id_} does not exist", write.place(path))
        for write, path, (type_, id_) in named
        if (type_, id_) not in there
    ]
    if missing:
        raise Unprocessable("a reference has no target", issues=missing[: config.ISSUES_MAX])


def if_match(text: str | None, path: str | None = None) -> tuple[int, int] | None:
    """The version that an If-Match names. PreconditionFailed for an id that this journal never gives."""
    if text is None:
        return None
    if text.strip() == "*":
        return ANY_VERSION
    parsed = parse_version_id(parse_etag(text))
    if parsed is None:
        raise PreconditionFailed(
            f"If-Match {text[:60]} is no version of this journal", path=path,
            help="read it again; if it was written during a stop, the unit's page says what has become of it",
        )  # fmt: skip
    return parsed


def require_version(version: Version, expected: tuple[int, int] | None) -> None:
    """PreconditionFailed unless ``version`` is the one that was expected."""
    if expected not in (None, ANY_VERSION, (version.version, version.epoch)):
        raise PreconditionFailed(
            f"{version.type}/{version.id} is at version {version.version_id}",
            help="read it again, make the change on the current version, and send that version in If-Match",
        )


def living(version: Version | None, type_: str, id_: str) -> Version:
    """``version`` unless it is missing (NotFound) or deleted (Gone)."""
    if version is None:
        raise NotFound(f"{type_}/{id_} does not exist")
    if version.deleted or version.body is None:
        raise Gone(f"{type_}/{id_} was deleted", version=version.version_id)
    return version


def version_headers(version: Version) -> list[tuple[str, str]]:
    return [("ETag", version.etag), ("Last-Modified", http_date(version.updated_us))]


def location(request: Request, version: Version) -> str:
    return f"{request.base_url}/{version.type}/{version.id}/_history/{version.version_id}"


def not_modified(request: Request, version: Version) -> bool:
    """Whether the caller holds this version already (If-None-Match before If-Modified-Since, RFC 9110 13.2.2)."""
    if (tags := request.header("if-none-match")) is not None:
        return tags.strip() == "*" or any(
            parse_etag(tag) == version.version_id for tag in tags.split(",") if tag.strip()
        )
    if (since := request.header("if-modified-since")) is not None:
        try:
            return version.updated_us // 1_000_000 <= parsedate_to_datetime(since).timestamp()
        except (ValueError, TypeError, OverflowError):
            return False
    return False


def shown(request: Request, body: bytes) -> bytes:
    """The stored bytes, or what ``_summary``, ``_elements`` and ``_pretty`` ask for instead."""
    summary, elements, pretty = request.option("_summary"), request.option("_elements"), request.option("_pretty")
    if summary in (None, "false") and not elements and pretty != "true":
        return body
    resource = exact.loads(body)
    if summary not in (None, "false"):
        if summary not in ("true", "text", "data"):
            raise Invalid(f"_summary={str(summary)[:40]} is not known here", path="_summary")
        resource = summarise(resource, summary)
    elif elements:
        resource = for_elements(resource, tuple(elements.split(",")))
    return exact.dumps(resource, indent=pretty == "true")


def written(request: Request, wishes: Preferences, version: Version, *, status: int | None = None) -> Response:
    """The answer to a create, update or patch."""
    status = status or (201 if version.action == Action.CREATE else 200)
    headers = version_headers(version)
    if status == 201 or request.method in ("PUT", "POST", "PATCH"):
        headers.append(("Location", location(request, version)))
    match wishes.returns:
        case "minimal":
            return Response(status, b"", headers)
        case "OperationOutcome":
            done = f"{version.type}/{version.id} is at version {version.version_id}"
            body = orjson.dumps(operation_outcome([Issue("information", "informational", done)]))
            return Response(status, body, headers)
    return Response(status, version.body or b"", headers)
