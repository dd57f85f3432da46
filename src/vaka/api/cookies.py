"""Cookies of people's browsers, and the proof that a form was sent from our own page (CSRF).

Invariants: a session's cookie is ``__Host-``, HttpOnly, Secure and SameSite=Strict; one that comes twice counts as none; whatever
changes something with a cookie alone as proof needs a token bound to that cookie, and comes from our own origin.
Sources: RFC 6265bis 4.1.3; OWASP CSRF prevention (signed double submit, Fetch metadata).
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from typing import Final

from vaka.api.http import Request
from vaka.errors import Forbidden

SESSION: Final = "__Host-vaka"
LOGIN: Final = "__Host-vaka-login"
DEVICE: Final = "__Host-vaka-device"
CSRF_HEADER: Final = "x-csrf-token"
CSRF_FIELD: Final = "csrf"
SAFE: Final = frozenset({"GET", "HEAD"})
_VALUE_MAX_CHARS: Final = 4_096


def cookie(request: Request, name: str) -> str | None:
    """The cookie's value; None if there is none, or more than one of the name."""
    found = []
    for part in (request.header("cookie") or "").split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            found.append(value)
    return found[0] if len(found) == 1 and 0 < len(found[0]) <= _VALUE_MAX_CHARS else None


def kept(name: str, value: str, *, strict: bool = True, seconds: int | None = None) -> tuple[str, str]:
    """The header that gives a browser a cookie; until it closes unless ``seconds``. ``strict`` False: also sent when another
    site leads here, as an identity service does."""
    age = f"; Max-Age={seconds}" if seconds is not None else ""
    site = "Strict" if strict else "Lax"
    return ("Set-Cookie", f"{name}={value}; Path=/; Secure; HttpOnly; SameSite={site}{age}")


def dropped(name: str) -> tuple[str, str]:
    return kept(name, "", seconds=0)


class Proof:
    """Makes and checks the tokens of forms. ``key``: 32 bytes of this installation, or what gives those to use now."""

    def __init__(self, key: bytes | Callable[[], bytes]) -> None:
        self._key = key

    def token(self, bound_to: str) -> str:
        """For forms shown to who holds ``bound_to``: a session's id, or a login's."""
        key = self._key if isinstance(self._key, bytes) else self._key()
        digest = hmac.digest(key, b"csrf\0" + bound_to.encode(), "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def check(self, request: Request, bound_to: str, given: str | None) -> None:
        """Forbidden unless ``given`` is the token for ``bound_to`` and the request comes from our own origin."""
        if not same_origin(request):
            raise Forbidden(
                "this was sent from another site, and nothing was done",
                why=f"origin {(request.header('origin') or 'none')[:80]}, {request.header('sec-fetch-site') or 'no'} site",
            )
        if given is None or not hmac.compare_digest(self.token(bound_to).encode(), given.encode()):
            raise Forbidden(
                "the page that this was sent from is too old, and nothing was done",
                help="open the page again, and do it once more",
                why="csrf token missing or of another session",
            )


def own_origin(request: Request) -> str:
    """Our own origin, as the browser knows it."""
    return request.base_url.removesuffix("/fhir")


def same_origin(request: Request) -> bool:
    """Whether a browser says that our own page sent this. One that says nothing is not believed."""
    origin = request.header("origin")
    if origin is not None:
        return origin == own_origin(request)
    return request.header("sec-fetch-site") in ("same-origin", "none")
