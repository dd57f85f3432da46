"""The few files that pages are made with: two style sheets, two scripts, a picture."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

from vaka.api.http import Request, Response
from vaka.errors import NotFound
from vaka.web.render import HEADERS

_TYPES: Final = {
    "vaka.css": "text/css; charset=utf-8", "vaka.svg": "image/svg+xml", "passkey.js": "text/javascript; charset=utf-8",
    "vaka.js": "text/javascript; charset=utf-8", "sheet.css": "text/css; charset=utf-8",
}  # fmt: skip


@cache
def _content(name: str) -> tuple[bytes, str]:
    body = (files("vaka.web") / "static" / name).read_bytes()
    return body, f'"{sha256(body).hexdigest()[:16]}"'


def static(request: Request, file: str) -> Response:
    """The file; 304 where the browser has it."""
    if file not in _TYPES:
        raise NotFound("there is no such file")
    body, tag = _content(file)
    headers = [(name, value) for name, value in HEADERS if name != "Cache-Control"] + [("ETag", tag)]
    if request.header("if-none-match") == tag:
        return Response(304, b"", headers)
    return Response(200, body, headers, _TYPES[file])
