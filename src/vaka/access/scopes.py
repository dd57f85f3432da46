"""Scopes of programs: ``system/Observation.rs?category=laboratory`` (SMART App Launch 2.2, scopes and launch context). Pure.

Invariants: a scope that cannot be enforced to the letter is refused, never ignored and never widened; what lies within what
is decided by meaning (``within``), and a scope has one way to be written (``Grant.text``). A query of a scope holds plain
search parameters only: no chain, no modifier, nothing that depends on other resources, on the time or on a text search.
Source: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl, quote

from vaka.errors import Invalid, NotFound
from vaka.fhir.criteria import All, Criterion, Dates, Ids, Quantities, Strings, Tokens, Unprotected
from vaka.fhir.criteria import Any as AnyOf
from vaka.fhir.definitions import RESOURCE_TYPES
from vaka.fhir.extract import extract
from vaka.fhir.keys import resource_key
from vaka.fhir.query import matches, parse_query
from vaka.fhir.values import split

LETTERS: Final = "cruds"
ALL: Final = frozenset(LETTERS)
FEED: Final = "feed"
RESERVE: Final = "reserve"
"""A copy's: hands over what others wrote in its reserve, and holds that of other copies."""
FEED_PRIVATE: Final = "feed-private"
"""What a read copy needs beside the record (``journal.private``), and what it brings back."""
SNAPSHOT: Final = "snapshot:"
"""An ordinary PC's, before the id of the one unit whose ward snapshot it may fetch; and it brings its log."""
OTHERS: Final = frozenset({FEED, FEED_PRIVATE, RESERVE})
"""Scopes that are no grant on resources."""
SCOPE_MAX_CHARS: Final = 400
SCOPES_MAX: Final = 100
_V1: Final[Mapping[str, str]] = {"read": "rs", "write": "cud", "*": LETTERS}
_OF_UNIT: Final = re.compile(SNAPSHOT + r"[A-Za-z0-9.-]{1,64}")
_SCOPE: Final = re.compile(r"system/(\*|[A-Za-z]+)\.([a-z*]+)(\?[^\s\"\\]+)?")
_UNDERSCORED: Final = frozenset({"_id", "_tag", "_profile", "_security", "_source"})
_NO_ADDRESS: Final = "urn:vaka:scope"  # an address in a scope is never this server's own
_TYPES: Final = frozenset(RESOURCE_TYPES)


@dataclass(frozen=True, slots=True)
class Grant:
    """One scope, taken apart. ``type``: a resource type or ``*``; ``may``: the letters of ``cruds`` that it allows;
    ``query``: search parameters (name, value) that a resource has to match."""

    type: str
    may: frozenset[str]
    query: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """The scope in its one form: ``system/Observation.rs?category=laboratory``."""
        letters = "".join(letter for letter in LETTERS if letter in self.may)
        asked = "&".join(f"{quote(name)}={quote(value, safe='/:|,$')}" for name, value in self.query)
        return f"system/{self.type}.{letters}" + (f"?{asked}" if asked else "")


def parse_scope(text: str) -> Grant:
    """Invalid for whatever is not a ``system/`` scope that can be enforced, with what is wrong with it."""
    if len(text) > SCOPE_MAX_CHARS:
        raise _refused(text, f"it is longer than {SCOPE_MAX_CHARS} characters")
    match = _SCOPE.fullmatch(text)
    if match is None:
        raise _refused(text, "it is not of the form system/TYPE.cruds?parameter=value")
    type_, letters, asked = match[1], match[2], match[3]
    if type_ != "*" and type_ not in _TYPES:
        raise _refused(text, f"{type_[:64]} is not a resource type of FHIR R4")
    may = _V1.get(letters, letters)
    if not re.fullmatch("c?r?u?d?s?", may):
        raise _refused(text, f"{letters[:20]} is not read, write, * or some of c, r, u, d, s in this order")
    if asked is not None and letters in _V1:
        raise _refused(text, "a query stands after letters of cruds, not after read, write or *")
    grant = Grant(type_, frozenset(may), _query(text, asked[1:]) if asked is not None else ())
    criterion(grant)
    return grant


def parse_scopes(text: str) -> tuple[tuple[Grant, ...], frozenset[str]]:
    """The grants, and the other scopes (``OTHERS``, ``SNAPSHOT``), of a list with spaces between. Invalid if one of them cannot
    be enforced."""
    words = list(dict.fromkeys(text.split(" ")))
    if len(words) > SCOPES_MAX:
        raise Invalid(f"more than {SCOPES_MAX} scopes", path="scope")
    others = frozenset(word for word in words if word in OTHERS or _OF_UNIT.fullmatch(word))
    return tuple(dict.fromkeys(parse_scope(word) for word in words if word and word not in others)), others


def within(asked: Grant, held: Iterable[Grant]) -> bool:
    """Whether ``held`` allow all that ``asked`` allows: each letter by some grant whose type covers it and whose every
    condition also stands in ``asked``, as it is or with fewer alternatives."""
    wide = [grant for grant in held if grant.type in ("*", asked.type) and _implied(grant.query, asked.query)]
    return all(any(letter in grant.may for grant in wide) for letter in asked.may)


def may(grants: Sequence[Grant], letters: str, resource: Mapping[str, Any]) -> bool:
    """Whether some grant with one of ``letters`` covers ``resource`` as it stands."""
    type_, id_ = str(resource.get("resourceType")), str(resource.get("id", ""))
    covering = [g for g in grants if g.type in ("*", type_) and not g.may.isdisjoint(letters)]
    if any(not grant.query for grant in covering):
        return True
    if not covering:
        return False
    rows, rkey = extract(dict(resource)), resource_key(type_, id_)
    return any(matches(rows, rkey, 0, criterion(grant)) is True for grant in covering)


@lru_cache(maxsize=4_096)
def criterion(grant: Grant) -> Criterion:
    """The condition that the grant's query is. Invalid if it cannot be enforced."""
    if not grant.query:
        return All(())
    types = RESOURCE_TYPES if grant.type == "*" else (grant.type,)
    try:
        where = parse_query(types, grant.query, base_url=_NO_ADDRESS, strict=True).where
    except (Invalid, NotFound) as error:
        raise _refused(grant.text, error.message) from error
    if not _plain(where):
        raise _refused(grant.text, "its query depends on more than the resource itself")
    return where


def _query(text: str, asked: str) -> tuple[tuple[str, str], ...]:
    try:
        pairs = parse_qsl(asked, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=10)
    except ValueError as error:
        raise _refused(text, "its query is not parameter=value&…") from error
    for name, value in pairs:
        if not value:
            raise _refused(text, f"{name[:40]} has no value")
        if "." in name or name.startswith("_has"):
            raise _refused(text, f"{name[:40]} asks of other resources")
        if ":" in name:
            raise _refused(text, f"{name[:40]} has a modifier")
        if name.startswith("_") and name not in _UNDERSCORED:
            raise _refused(text, f"{name[:40]} is not a condition on a resource that lasts")
    return tuple(sorted(set(pairs)))


def _plain(node: Criterion) -> bool:
    match node:
        case All(parts) | AnyOf(parts):
            return all(_plain(part) for part in parts)
        case Unprotected(part):
            return _plain(part)
        case Dates(prefix=prefix):
            return prefix != "ap"
        case Tokens() | Ids() | Strings() | Quantities():
            return True
    return False


def _implied(wide: Sequence[tuple[str, str]], narrow: Sequence[tuple[str, str]]) -> bool:
    return all(
        any(name == other and set(split(value, ",")) <= set(split(values, ",")) for other, value in narrow)
        for name, values in wide
    )


def _refused(text: str, why: str) -> Invalid:
    return Invalid(
        f"the scope {text[:100]} cannot be granted: {why}",
        path="scope",
        help="for example system/Observation.rs?category=laboratory, system/Patient.r, system/*.cruds",
    )
