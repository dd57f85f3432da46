"""What a browser sends: forms and small JSON, within limits; and where it may be sent on to."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from vaka import config
from vaka.api.http import Request, UnsupportedMedia
from vaka.errors import Invalid

_FIELDS_MAX: Final = 20
_NEXT: Final = re.compile(r"/(?:[A-Za-z0-9_-]+(?:/[A-Za-z0-9_.-]+)*)?")
_NOT_NEXT: Final = frozenset({"login", "logout", "assignment", "static", "fhir", "feed", "peer"})


async def form(request: Request) -> dict[str, str]:
    """The fields of a form. Invalid if it is none, or a field comes twice."""
    media = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if media != "application/x-www-form-urlencoded":
        raise UnsupportedMedia("this takes a form", help="send application/x-www-form-urlencoded")
    body = await request.body(config.FORM_MAX_BYTES)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS_MAX)
    except ValueError as error:
        raise Invalid("the form cannot be read") from error
    if len(dict(pairs)) != len(pairs) or any("\0" in value for _, value in pairs):
        raise Invalid("the form cannot be read", why="a field twice, or U+0000")
    return dict(pairs)


async def json_object(request: Request) -> dict[str, Any]:
    """A JSON object as body. Invalid if it is none."""
    if (request.header("content-type") or "").partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMedia("this takes JSON", help="send application/json")
    try:
        found = orjson.loads(await request.body(config.FORM_MAX_BYTES))
    except orjson.JSONDecodeError as error:
        raise Invalid("the body is not JSON") from error
    if not isinstance(found, dict):
        raise Invalid("the body is not a JSON object")
    return found


def next_path(text: str | None) -> str:
    """Where to go after the login: a path of a page of ours. Invalid for any other address (no open redirect)."""
    if text is None:
        return "/"
    if not _NEXT.fullmatch(text) or ".." in text or text.split("/")[1] in _NOT_NEXT:
        raise Invalid("the page to go to after the login is not one of ours", why=f"next={text[:100]!r}")
    return text
