"""Binary as what it is: content of any type, streamed in and out (https://hl7.org/fhir/R4/binary.html).

How it came is how it goes, unless Accept says otherwise: what was sent as content is answered as content, with
``Accept: application/fhir+json`` as a resource; what was sent as a resource is answered as one, with its own type in
Accept as content. Invariants: content never passes the feed, and never stands in memory whole but for a resource's
``data`` below ``INLINE_MAX_BYTES``; a browser never runs it (nosniff, attachment, sandbox).
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final

import orjson

from vaka.api.arrival import idempotency_key, keyed, replayed
from vaka.api.http import (
    ClientGone,
    LengthRequired,
    Request,
    Response,
    UnsupportedMedia,
    is_json,
    preferences,
    require_json_answer,
)
from vaka.api.server import (
    Server,
    check_id,
    if_match,
    living,
    new_id,
    not_modified,
    version_headers,
    written,
)
from vaka.config import BINARY_MAX_BYTES, PACED_BYTES
from vaka.errors import Invalid, NotFound, TooLarge
from vaka.fhir.accept import require_type, require_valid
from vaka.fhir.content_extension import content_of, extension
from vaka.fhir.media import START_BYTES
from vaka.fhir.parse import parse_resource
from vaka.journal import binary
from vaka.journal.accept import write_of
from vaka.journal.journal import Transaction
from vaka.store.version import Action, Version, parse_version_id

UPLOAD_TIMEOUT_S: Final = 900.0
INLINE_MAX_BYTES: Final = 8 * 1024 * 1024
_MEDIA: Final = re.compile(
    r"[\w!#$&^.+-]{1,100}/[\w!#$&^.+-]{1,100}(\s*;\s*[\w!#$&^.+-]{1,60}=[\w!#$&^.+\- \"]{1,100}){0,5}", re.ASCII
)
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_SAFE: Final = [
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Disposition", 'attachment; filename="content"'),
    ("Content-Security-Policy", "default-src 'none'; sandbox"),
    ("Accept-Ranges", "bytes"),
    ("Vary", "Accept"),
]
Reading = Callable[[], Coroutine[Any, Any, Response]]


def is_content(request: Request) -> bool:
    """Whether the body is content itself, not a resource: its Content-Type is none of FHIR's."""
    given = request.header("content-type")
    return given is not None and not is_json(given)


async def write(server: Server, request: Request, id_: str | None) -> Response:
    """create (``id_`` None) or update with content as body. TooLarge over ``config.BINARY_MAX_BYTES``."""
    media = (request.header("content-type") or "").strip()
    if not _MEDIA.fullmatch(media):
        raise UnsupportedMedia(f"Content-Type {media[:60]} is no media type", help="for example application/pdf")
    if (request.header("content-encoding") or "identity").lower() != "identity":
        raise UnsupportedMedia("content is taken as it is: send it without Content-Encoding")
    if request.header("if-none-exist") is not None:
        raise Invalid("content cannot be created conditionally", help="send the Binary as a resource")
    declared = request.header("content-length")
    if declared is None or not declared.isdigit():
        raise LengthRequired(
            "content needs a Content-Length: without it, an upload that broke off looks like one that ended",
            help="send the length, or the Binary as a resource with its data",
        )
    if int(declared) > BINARY_MAX_BYTES:
        raise TooLarge(f"a file can have {BINARY_MAX_BYTES >> 20} MB at most")
    if id_ is not None:
        check_id(id_)
    expected, wishes, _ = if_match(request.header("if-match")), preferences(request), idempotency_key(request)
    content = await binary.store(server.journal, _of_type(media, request.chunks(UPLOAD_TIMEOUT_S)))
    kept = False
    try:
        if int(declared) != content.size_bytes:
            raise ClientGone  # the body ends without an error where its sender has left
        key = keyed(request, media.encode(), content.hash)
        if (before := await key.recalled(server, request)) is not None:
            return await replayed(server, request, wishes, before)
        name = id_ or new_id()
        parsed = parse_resource(_resource(name, media, content, request.header("x-security-context")), "Binary")
        require_valid(parsed)

        async def work(transaction: Transaction) -> Version:
            change = write_of(parsed, name, must_be_new=id_ is None, if_match=expected)
            version = (await transaction.write([change]))[0]
            assert version is not None
            await binary.name(transaction, content, change.rkey)
            await key.remember(transaction, (201 if version.action == Action.CREATE else 200, version.seq, None))
            return version

        version = await server.journal.run(work, access=request.access)
        kept = True
    finally:
        if not kept:
            await binary.drop(server.journal, content.id)
    return written(request, wishes, version)


async def _of_type(media: str, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """``pieces`` as they come, once they have begun as ``media`` does. Unprocessable."""
    start = b""
    async for piece in pieces:
        if len(start) < START_BYTES:
            start += piece
            if len(start) < START_BYTES:
                continue
            piece = start
            require_type(media, start)
        yield piece
    if len(start) < START_BYTES:
        require_type(media, start)
        yield start


def _resource(id_: str, media: str, content: binary.Content, context: str | None) -> bytes:
    resource: dict[str, Any] = {
        "resourceType": "Binary", "id": id_, "meta": {"extension": [extension(content.id, content.size_bytes, content.hash)]},
        "contentType": media,
    }  # fmt: skip
    if context is not None:
        resource["securityContext"] = {"reference": context}
    return orjson.dumps(resource)


async def read(server: Server, request: Request, id_: str, version: str | None, plain: Reading) -> Response:
    """read and (with ``version``) vread: content or resource, as Accept asks. ``plain``: what answers resources."""
    if version is None:
        found = await server.store.read("Binary", id_, access=request.access)
    elif (parsed := parse_version_id(version)) is not None:
        found = await server.store.vread("Binary", id_, *parsed, access=request.access)
    else:
        found = None
    return await _content(server, request, found, id_) or await plain()


async def _content(server: Server, request: Request, found: Version | None, id_: str) -> Response | None:
    """The content of ``found`` if that is what the caller asks for, else the resource with its ``data``; None: the
    resource as it stands is the answer. NotFound, Gone."""
    version = living(found, "Binary", id_)
    assert version.body is not None
    resource = orjson.loads(version.body)
    content = content_of(resource)
    size = await binary.size_of(server.journal, content, version.rkey) if content is not None else None
    media = str(resource.get("contentType"))
    if not _as_content(request, media, streamed=size is not None):
        require_json_answer(request)
        if content is None or size is None or size > INLINE_MAX_BYTES or request.query:
            return None
        pieces = [piece async for piece in binary.read(server.journal, content, 0, size)]
        data = b',"data":"' + base64.b64encode(b"".join(pieces)) + b'"}'
        return Response(200, version.body.rstrip()[:-1] + data, version_headers(version))
    headers = [*version_headers(version), *_SAFE]
    media = media if _MEDIA.fullmatch(media) else "application/octet-stream"
    if not_modified(request, version):
        return Response(304, b"", headers)
    if content is None or size is None:
        try:
            return _part(request, headers, media, base64.b64decode(resource.get("data", "")))
        except binascii.Error as error:
            raise NotFound(f"Binary/{id_} holds no content") from error
    return _streamed(server, request, headers, media, content, size)


def _as_content(request: Request, media: str, *, streamed: bool) -> bool:
    """Whether Accept (or _format) asks for content of type ``media`` rather than for a resource."""
    if request.option("_format") is not None:
        return False
    plain = media.partition(";")[0].strip().lower()
    for part in (request.header("accept") or "*/*").split(","):
        wanted = part.partition(";")[0].strip().lower()
        if is_json(wanted):
            return False
        if wanted in (plain, plain.partition("/")[0] + "/*"):
            return True
        if wanted in ("*/*", ""):
            return streamed
    return False


def _range(request: Request, size: int) -> tuple[int, int] | None:
    """[first, end) of the one range asked for; None: all of it. An empty one cannot be had (416)."""
    found = _RANGE.fullmatch((request.header("range") or "").replace(" ", ""))
    if found is None or request.header("if-range") is not None or not (found[1] or found[2]):
        return None
    if not found[1]:
        return max(size - int(found[2]), 0), size
    return int(found[1]), min(int(found[2]) + 1 if found[2] else size, size)


def _part(request: Request, headers: list[tuple[str, str]], media: str, content: bytes) -> Response:
    part = _range(request, len(content))
    if part is None:
        return Response(200, content, headers, media)
    if part[0] >= part[1]:
        return Response(416, b"", [*headers, ("Content-Range", f"bytes */{len(content)}")])
    headers.append(("Content-Range", f"bytes {part[0]}-{part[1] - 1}/{len(content)}"))
    return Response(206, content[part[0] : part[1]], headers, media)


def _streamed(
    server: Server, request: Request, headers: list[tuple[str, str]], media: str, content: uuid.UUID, size: int
) -> Response:
    part = _range(request, size)
    if part is not None and part[0] >= part[1]:
        return Response(416, b"", [*headers, ("Content-Range", f"bytes */{size}")])
    first, end = part or (0, size)
    if part is not None:
        headers.append(("Content-Range", f"bytes {first}-{end - 1}/{size}"))
    headers.append(("Content-Length", str(end - first)))
    status = 206 if part else 200
    if request.method == "HEAD":
        return Response(status, b"", [*headers, ("Content-Type", media)])
    pieces = binary.read(server.journal, content, first, end)
    return Response(status, headers=headers, content_type=media, stream=pieces, paced=end - first > PACED_BYTES)
