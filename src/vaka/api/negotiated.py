"""HTML or JSON, and what the answer is packed with, by what the caller takes (RFC 9110, 12.5)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from vaka.api.http import NotAcceptable, Request, Response
from vaka.api.page_headers import HEADERS, HTML
from vaka.copy.sheet.stream import Part, content
from vaka.errors import NotAllowed
from vaka.texts import language_of

JSON: Final = "application/json; charset=utf-8"
_NAMES: Final = {"html": True, "text/html": True, "json": False, "application/json": False}


def require_get(request: Request) -> None:
    """NotAllowed for whatever would change something."""
    if request.method not in ("GET", "HEAD"):
        raise NotAllowed("this address is for reading", help="use GET")


def wants_html(request: Request) -> bool:
    """Whether a page is asked for, not JSON: by ``_format``, else by Accept. NotAcceptable for anything else."""
    if (wanted := request.option("_format")) is not None:
        if wanted.lower() not in _NAMES:
            raise NotAcceptable(f"_format={wanted[:60]} is not served", help="use html or json")
        return _NAMES[wanted.lower()]
    return _wants_html(request.header("accept"))


@lru_cache(maxsize=256)
def _wants_html(accept: str | None) -> bool:
    best: tuple[float, bool] | None = None
    for part in (accept or "*/*").split(","):
        media, *parameters = [piece.strip().lower() for piece in part.split(";")]
        weight = next((_weight(each) for each in parameters if each.replace(" ", "").startswith("q=")), 1.0)
        if weight <= 0:
            continue
        html = media in ("text/html", "text/*", "application/xhtml+xml")
        json = media in ("application/json", "application/fhir+json", "application/*", "*/*")
        if (html or json) and (best is None or weight > best[0]):
            best = (weight, html)
    if best is None:
        raise NotAcceptable(
            f"none of Accept: {str(accept)[:100]} is served", help="ask for text/html or application/json"
        )
    return best[1]


def language(request: Request) -> str:
    return language_of(request.header("accept-language"))


def answer(request: Request, parts: Sequence[Part], *, html: bool) -> Response:
    """The parts as one answer, packed as they are where the caller takes that."""
    packed = takes_deflate(request.header("accept-encoding"))
    return told(request, content(parts, packed=packed), html=html, packed=packed)


def told(request: Request, body: bytes, *, html: bool, packed: bool) -> Response:
    """``body``, which is ``packed`` or not, as an answer."""
    headers = [("Vary", "Accept, Accept-Language, Accept-Encoding, Cookie")]
    if html:
        headers += [*HEADERS, ("Content-Language", language(request))]
    else:
        headers.append(("X-Content-Type-Options", "nosniff"))
    if packed:
        headers.append(("Content-Encoding", "deflate"))
    return Response(200, body, headers, HTML if html else JSON)


@lru_cache(maxsize=256)
def takes_deflate(accept: str | None) -> bool:
    """Whether the caller says that it takes ``deflate``."""
    for part in (accept or "").split(","):
        name, *parameters = [piece.strip().lower() for piece in part.split(";")]
        if name == "deflate":
            return all(_weight(each) > 0 for each in parameters if each.replace(" ", "").startswith("q="))
    return False


def _weight(parameter: str) -> float:
    try:
        return float(parameter.partition("=")[2])
    except ValueError:
        return 0.0
