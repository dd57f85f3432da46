"""The headers that keep a browser from being turned against a page: of the pages for people, and of sheets and worklists.

Invariants: no script and no style stands in a page (CSP); no page is kept by a browser or framed by another.
Source: OWASP ASVS 4.0.3, 14.4; https://www.w3.org/TR/CSP3/.
"""

from __future__ import annotations

from typing import Final

_CSP: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final[tuple[tuple[str, str], ...]] = (
    ("Content-Security-Policy", _CSP),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),  # no-referrer would make a form's Origin "null"
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
    ("Cache-Control", "no-store"),
)
HTML: Final = "text/html; charset=utf-8"
