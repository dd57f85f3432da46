"""A page as an answer: its template, the reader's language, and the headers that keep a browser from being turned against it.

Invariants: no script and no style stands in a page (CSP); no page is kept by a browser or framed by another; everything shown is
escaped. Source: OWASP ASVS 4.0.3, 14.4; https://www.w3.org/TR/CSP3/.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache, lru_cache
from typing import Any, ClassVar, Final, Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined

from vaka.api.http import Freshness, Request, Response
from vaka.api.page_headers import HEADERS as HEADERS  # noqa: PLC0414  the pages have them from here
from vaka.api.page_headers import HTML as HTML  # noqa: PLC0414
from vaka.copy.sheet.clock import ago, in_words
from vaka.web.texts import language_of, texts

JSON: Final = "application/json"
_ONCE: Final = re.compile(rb"here-stands-once-([a-z]+)-")


class Page(Protocol):
    """A frozen dataclass whose fields are what its template shows."""

    template: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __hash__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Head:
    """Who is logged in, for the head of a page."""

    name: str
    title: str
    unit: str
    provider: str
    csrf: str
    ends_s: int
    """Seconds until the session ends, if nothing is done."""
    log: bool
    """Whether the pages of the access log are open to this assignment."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """How fresh a page of a copy is, in words (S2)."""

    as_of: str
    old: str
    away: bool
    behind: bool


def _freshness(told: Freshness, language: str) -> Fresh:
    return Fresh(in_words(told.as_of_us, language), ago(told.age_s, language), told.away, told.behind)


def spoken(request: Request) -> Callable[[str], str]:
    """Gives a text in the language of who asks."""
    return texts(language_of(request.header("accept-language"))).gettext


@cache
def _environment(language: str) -> Environment:
    made = Environment(
        loader=PackageLoader("vaka.web"), autoescape=True, undefined=StrictUndefined, extensions=["jinja2.ext.i18n"],
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.install_gettext_translations(texts(language), newstyle=True)  # type: ignore[attr-defined]
    made.globals["language"] = language
    return made


def page(request: Request, shown: Page, *, status: int = 200, head: Head | None = None) -> Response:
    """``shown`` in the language of who asks."""
    language = language_of(request.header("accept-language"))
    return _answer(_drawn(shown, language, head, _fresh(request, language)).encode(), language, status)


def page_for_all(request: Request, shown: Page, **once: str) -> Response:
    """The same for a page that differs from answer to answer by the fields of ``once`` alone: it is drawn once, and kept for a
    while. ``shown``: without them; nothing of a person's may stand in it. They are made here, of letters that need no escape."""
    language = language_of(request.header("accept-language"))
    parts = list(_parts(shown, tuple(once), language, _fresh(request, language)))
    parts[1::2] = [once[name.decode()].encode() for name in parts[1::2]]
    return _answer(b"".join(parts), language, 200)


@lru_cache(maxsize=32)
def _parts(shown: Page, once: tuple[str, ...], language: str, fresh: Fresh | None) -> tuple[bytes, ...]:
    """The page in pieces: between any two of it the name of a field of ``once``."""
    places = {name: f"here-stands-once-{name}-" for name in once}
    return tuple(_ONCE.split(_drawn(replace(shown, **places), language, None, fresh).encode()))


def _fresh(request: Request, language: str) -> Fresh | None:
    return _freshness(request.freshness, language) if request.freshness is not None else None


def _drawn(shown: Page, language: str, head: Head | None, fresh: Fresh | None) -> str:
    values = {field.name: getattr(shown, field.name) for field in fields(shown)}
    return _environment(language).get_template(shown.template).render(values, head=head, freshness=fresh)


def _answer(body: bytes, language: str, status: int) -> Response:
    headers = [*HEADERS, ("Content-Language", language), ("Vary", "Accept-Language, Cookie")]
    return Response(status, body, headers, HTML)


def data(body: bytes) -> Response:
    """JSON for a script of a page."""
    return Response(200, body, list(HEADERS), JSON)


def redirect(to: str) -> Response:
    """See ``to``, a path of ours."""
    assert to.startswith("/"), to
    assert not to.startswith("//"), to
    return Response(303, b"", [*HEADERS, ("Location", to)], HTML)
