"""A copy's access log on its way over a neighbour: the copy cannot write its file and the journal is away (traps: Log).

The copy signs the run as it would bring it; its neighbour keeps that as it is, on its disk, and acknowledges; later it brings
it to the journal, which takes the run from whoever signed it.
Invariants: what is acknowledged is on the neighbour's disk, encrypted; it goes only when the journal has it, in its tables, once;
a neighbour that carries can neither change a run nor make one of another's log; what the journal refuses stays, with the reason,
until a person has it brought again (`vaka log carried`).
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from vaka import config, log
from vaka.accesslog import blocks
from vaka.api.http import Request, Response
from vaka.api.keyring import key_id
from vaka.api.reserve.of_copies import require_copy
from vaka.copy.deliver import Post
from vaka.copy.own import Own
from vaka.errors import Busy, Forbidden, Invalid, NotAllowed, TooLarge

if TYPE_CHECKING:
    from vaka.api.server import Server

JOURNALS: Final = "/peer/log/carried"
_REFUSED: Final = frozenset({400, 403, 413, 422})


def to_neighbours(private: Ed25519PrivateKey, tell: Callable[[bytes], Awaitable[bool]]) -> Post:
    """The way over a neighbour, for ``accesslog.remote.JournalStore``. ``tell``: gives bytes to one, whether it has them."""

    async def post(_: str, body: bytes) -> tuple[int, bytes]:
        told = {
            "kid": key_id(private.public_key()), "signature": private.sign(_said(body)).hex(), "body": body.decode(),
        }  # fmt: skip
        if not await tell(orjson.dumps(told)):
            raise ConnectionError("no neighbour keeps it")
        return 200, b'{"answer":0}'

    return post


async def keep(own: Own, request: Request) -> Response:
    """POST /peer/carry on a copy: 200 once the run is on this disk. Busy where enough is carried already."""
    require_copy(request)
    if request.method != "POST":
        raise NotAllowed("a log is brought with POST")
    request.access.trail.activity = "reserve"
    body = await request.body(config.PEER_BODY_MAX_BYTES)
    _read(body)
    if not await asyncio.to_thread(own.carry, sha256(body).hexdigest(), body, config.LOG_CARRIED_MAX_BYTES):
        raise Busy("this copy carries as much of others' logs as it may", retry_after_s=60)
    return Response(200, b'{"kept":true}', content_type="application/json")


async def keep_carrying(own: Own, post: Post) -> None:
    """Brings the journal what is carried for others, oldest first, until cancelled."""
    away = False
    while True:
        try:
            for id_, body in await asyncio.to_thread(own.carried):
                status, answer = await post(JOURNALS, body)
                refused = None
                if status in _REFUSED:
                    refused = f"{status}: {_why(answer)}"
                    log.error("the journal refuses a log that was carried", item=id_, status=status)
                elif status != 200:
                    raise ConnectionRefusedError(f"the journal answers {status}")
                await asyncio.to_thread(own.was_carried, id_, refused=refused)
            away = False
        except Exception as error:  # whatever it is, it stays here and goes again
            if not away:
                log.warning("what is carried for others is not brought", kind=type(error).__name__)
            away = True
        await asyncio.sleep(config.OWED_RETRY_S)


async def take(server: Server, told: Mapping[str, Any]) -> dict[str, Any]:
    """POST /peer/log/carried at the journal. Forbidden where no copy that may has signed it."""
    kid, signature, body = _parts(told)
    known = server.journal_copies.key(kid)
    if known is None:
        raise Forbidden("no copy that may bring its log has signed this", why=f"carried log: key {kid[:32]}")
    try:
        Ed25519PublicKey.from_public_bytes(known.public_key).verify(signature, _said(body))
    except InvalidSignature as error:
        raise Forbidden("this was not signed by the copy that it names", why=f"carried log of {known.copy}") from error
    run = _object(body)
    if run.get("ask") != "run":
        raise Invalid("only runs of a log are carried")
    from vaka.api.peer import logged

    return await logged.log(server, known.copy, run)


@dataclass(frozen=True, slots=True)
class Said:
    """What a carried part of a log says of itself. ``copy``: the id of the key that signed it."""

    copy: str
    stream: str
    first: int
    last: int
    since_us: int


def said(content: bytes) -> Said:
    """Invalid where it cannot be read."""
    kid, _, body = _parts(_object(content))
    run = _object(body)
    try:
        found = list(blocks.in_run(base64.b64decode(run["blocks"], validate=True), bytes.fromhex(run["before"])))
        return Said(kid, str(run["stream"]), found[0].number, found[-1].number, found[0].time_us)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise Invalid("this is no part of an access log") from error


def _why(answer: bytes) -> str:
    """The reason that an error's answer gives."""
    try:
        issue = orjson.loads(answer)["issue"][0]
        text = str(issue.get("diagnostics") or issue["details"]["text"])
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        text = "no reason given"
    return text[: config.LOG_TEXT_MAX_CHARS]


def _read(content: bytes) -> None:
    """Invalid for what the journal could not even read."""
    _, _, body = _parts(_object(content))
    if len(body) > config.PEER_BODY_MAX_BYTES:
        raise TooLarge("a carried log is too large")
    _object(body)


def _parts(told: Mapping[str, Any]) -> tuple[str, bytes, bytes]:
    kid, signature, body = told.get("kid"), told.get("signature"), told.get("body")
    if not isinstance(kid, str) or not isinstance(signature, str) or not isinstance(body, str):
        raise Invalid("a carried log has kid, signature and body")
    try:
        return kid, bytes.fromhex(signature), body.encode()
    except ValueError as error:
        raise Invalid("signature is hexadecimal", path="signature") from error


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Invalid("this is not JSON") from error
    if not isinstance(found, dict):
        raise Invalid("this is not a JSON object")
    return found


def _said(body: bytes) -> bytes:
    return b"vaka carried log\0" + body
