"""What arrives to be written, and requests that carry a key so that sending them twice does them once.

Invariants: the result of a keyed request commits with its writes; the same key with another request is refused; what was
carried out before is answered as it was then (traps: Idempotency).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from vaka.api.http import Preferences, Request, Response, preferences, require_json_answer, require_json_body
from vaka.api.server import Server, known_type, written
from vaka.errors import Conflict, Invalid, Unprocessable
from vaka.fhir.splice import relative_references
from vaka.journal.journal import Remembered, Transaction

_KEY_MAX_CHARS = 200


@dataclass(frozen=True, slots=True)
class Arrival:
    """A body to be written, and what its headers ask for. ``key``: None, or the caller's Idempotency-Key."""

    body: bytes
    wishes: Preferences
    key: str | None
    digest: bytes

    async def remember(self, transaction: Transaction, status: int, seq: int | None) -> None:
        """Keeps the result with the writes, if the request has a key."""
        if self.key is not None:
            await transaction.remember(self.key, Remembered(self.digest, ((status, seq, None),)))


async def arrive(server: Server, request: Request, type_: str, *media: str) -> Arrival | Response:
    """Reads a request that writes one resource of ``type_``; the answer itself where it was carried out before.
    ``media``: content types that are taken besides JSON."""
    require_json_answer(request)
    require_json_body(request, *media)
    known_type(type_)
    wishes = preferences(request)
    body = relative_references(await request.body(), request.base_url)
    key = idempotency_key(request)
    digest = request_hash(request, body) if key else b""
    if (before := await recalled(server, request, digest)) is not None:
        return await replayed(server, request, wishes, before)
    return Arrival(body, wishes, key, digest)


def idempotency_key(request: Request) -> str | None:
    """The caller's Idempotency-Key. Invalid if it is empty or over 200 printable ASCII characters."""
    key = request.header("idempotency-key")
    if key is not None and not (0 < len(key) <= _KEY_MAX_CHARS and key.isascii() and key.isprintable()):
        raise Invalid("an Idempotency-Key is 1 to 200 printable ASCII characters")
    return key


def request_hash(request: Request, body: bytes) -> bytes:
    """What makes two requests the same: method, path, query, conditions, body."""
    conditions = [request.header(name) or "" for name in ("if-match", "if-none-match", "if-none-exist")]
    head = "\n".join([request.method, "/".join(request.path), repr(request.query), *conditions])
    return sha256(head.encode() + b"\0" + body).digest()


async def recalled(server: Server, request: Request, digest: bytes) -> Remembered | None:
    """What an earlier request with this key did. Unprocessable if that was another request."""
    key = idempotency_key(request)
    if key is None:
        return None
    found = await server.journal.recall(key, access=request.access)
    if found is not None and found.request_hash != digest:
        raise Unprocessable(
            "this Idempotency-Key was used for another request", help="make a new key for each new request"
        )
    return found


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
