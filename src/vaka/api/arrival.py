"""What arrives to be written, and requests that carry a key so that sending them twice does them once.

Invariants: the result of a keyed request commits with its writes; the same key with another request is refused; what was
carried out before is answered as it was then (traps: Idempotency).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from vaka.api.http import Preferences, Request, Response, preferences, require_json_answer, require_json_body
from vaka.api.server import Server, known_type, new_id, written
from vaka.errors import Conflict, Invalid, Unprocessable
from vaka.fhir.splice import relative_references
from vaka.store.ids import keyed_id

if TYPE_CHECKING:
    from vaka.journal.journal import Remembered, Transaction

_KEY_MAX_CHARS = 200


@dataclass(frozen=True, slots=True)
class Keyed:
    """The Idempotency-Key of a request, None if it has none, and ``digest``: what makes two requests the same."""

    key: str | None
    digest: bytes

    async def recalled(self, server: Server, request: Request) -> Remembered | None:
        """What an earlier request with this key did. Unprocessable if that was another request."""
        if self.key is None or server.home is None:  # a copy itself does nothing that a key keeps from being done twice
            return None
        found = await server.journal.recall(self.key, access=request.access)
        if found is not None and found.request_hash != self.digest:
            raise Unprocessable(
                "this Idempotency-Key was used for another request", help="make a new key for each new request"
            )
        return found

    def new_id(self, request: Request, number: int = 0) -> str:
        """A fresh id for what the request creates; of one with a key the one that a copy would give it too."""
        return new_id() if self.key is None else keyed_id(request.access.principal, self.key, number)

    async def remember(self, transaction: Transaction, *parts: tuple[int, int | None, str | None]) -> None:
        """Keeps the result with the writes, if the request has a key."""
        if self.key is not None:
            from vaka.journal.journal import Remembered

            await transaction.remember(self.key, Remembered(self.digest, parts))


def keyed(request: Request, *content: bytes) -> Keyed:
    """The key of a request whose body is, or is known by, ``content``. Invalid: see ``idempotency_key``."""
    key = idempotency_key(request)
    return Keyed(key, _digest(request, content) if key is not None else b"")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A body to be written, and what its headers ask for. ``keyed``: the caller's Idempotency-Key, or none."""

    body: bytes
    wishes: Preferences
    keyed: Keyed

    async def remember(self, transaction: Transaction, status: int, seq: int | None) -> None:
        """Keeps the result with the writes, if the request has a key."""
        await self.keyed.remember(transaction, (status, seq, None))


async def arrive(server: Server, request: Request, type_: str, *media: str) -> Arrival | Response:
    """Reads a request that writes one resource of ``type_``; the answer itself where it was carried out before.
    ``media``: content types that are taken besides JSON."""
    require_json_answer(request)
    require_json_body(request, *media)
    known_type(type_)
    wishes = preferences(request)
    body = relative_references(await request.body(), request.base_url)
    key = keyed(request, body)
    if (before := await key.recalled(server, request)) is not None:
        return await replayed(server, request, wishes, before)
    return Arrival(body, wishes, key)


def idempotency_key(request: Request) -> str | None:
    """The caller's Idempotency-Key. Invalid if it is empty or over 200 printable ASCII characters."""
    key = request.header("idempotency-key")
    if key is not None and not (0 < len(key) <= _KEY_MAX_CHARS and key.isascii() and key.isprintable()):
        raise Invalid("an Idempotency-Key is 1 to 200 printable ASCII characters")
    return key


def _digest(request: Request, content: Sequence[bytes]) -> bytes:
    """What makes two requests the same: method, path, query, conditions, body."""
    conditions = [request.header(name) or "" for name in ("if-match", "if-none-match", "if-none-exist")]
    head = "\n".join([request.method, "/".join(request.path), repr(request.query), *conditions])
    return sha256(b"\0".join((head.encode(), *content))).digest()


async def replayed(server: Server, request: Request, wishes: Preferences, found: Remembered) -> Response:
    """The answer of a single write that was carried out before."""
    status, seq, _ = found.parts[0]
    if seq is None:
        return Response(status)
    version = (await server.journal.by_seqs([seq], access=request.access)).get(seq)
    if version is None:
        raise Conflict("what this Idempotency-Key wrote cannot be shown any more")
    if version.deleted:
        return Response(status, headers=[("ETag", version.etag)])
    return written(request, wishes, version, status=status)
