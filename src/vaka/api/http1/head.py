"""The first part of requests and answers. Pure.

Invariants: a header that comes twice is one list (RFC 9110, 5.3), so that what may come once only is no valid value then; the
Host of an absolute address goes before the header (RFC 9112, 3.2.2); nothing that goes into an answer's head ends its line.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

HEADERS_MAX: Final = 100
_BODILESS: Final = frozenset({204, 304})


class Malformed(Exception):
    """A request that is none. ``status``: what its sender is told."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def target(url: bytes, headers: dict[str, str]) -> tuple[str, str]:
    """(path, percent-decoded once; query as it came) of a request's target; the host of an absolute one goes into ``headers``.
    Malformed."""
    if not url.startswith(b"/"):
        url = _absolute(url, headers)
    path, _, query = url.partition(b"?")
    if b"#" in url:
        raise Malformed("a fragment in the address")
    try:
        return (unquote_to_bytes(path) if b"%" in path else path).decode(), query.decode()
    except UnicodeDecodeError as error:
        raise Malformed("the address is not UTF-8") from error


def _absolute(url: bytes, headers: dict[str, str]) -> bytes:
    if url == b"*":
        return url
    try:
        parts = urlsplit(url.decode("ascii"))
    except ValueError as error:
        raise Malformed("the address is malformed") from error
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise Malformed("the address is malformed")
    headers["host"] = parts.netloc
    return (parts.path or "/").encode() + (b"?" + parts.query.encode() if parts.query else b"")


def add(headers: dict[str, str], name: bytes, value: bytes) -> None:
    """One header line more. Malformed where there are too many."""
    key, text = name.decode("latin-1").lower(), value.decode("latin-1")
    if key in headers:
        headers[key] += ("; " if key == "cookie" else ", ") + text
    elif len(headers) >= HEADERS_MAX:
        raise Malformed("too many headers", 431)
    else:
        headers[key] = text


def answer_head(
    status: int, headers: Iterable[tuple[str, str]], length: int | None, *, chunked: bool = False, close: bool = False
) -> bytes:
    """The head of an answer. ``length``: of the body, None where it is not to be told or ``headers`` tell it. ValueError where a
    header would end its line."""
    more = list(headers)
    if chunked:
        more.append(("transfer-encoding", "chunked"))
    elif length is not None and status not in _BODILESS:
        more.append(("content-length", str(length)))
    if close:
        more.append(("connection", "close"))
    return opening(status) + lines(more) + b"\r\n"


def opening(status: int) -> bytes:
    """The lines that each answer begins with: its status and the time."""
    return _status_line(status) + _date(int(time.time()))


def lines(headers: Sequence[tuple[str, str]]) -> bytes:
    """Headers as lines. ValueError where one would end its line."""
    text = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if text.count("\n") != len(headers) or text.count("\r") != len(headers) or "\0" in text:
        raise ValueError("a header of an answer would end its line")
    return text.encode("latin-1")


@lru_cache(maxsize=64)
def _status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


@lru_cache(maxsize=2)
def _date(at_s: int) -> bytes:
    return f"date: {formatdate(at_s, usegmt=True)}\r\n".encode()
