"""A program's scopes: what it may read, as a condition, and as a judgement on a body.

Invariants: a scope's query is compiled by the same code as a search, and judged on a body by the same code as a conditional
write; an old version is judged as it was, not as the resource is now; a program of one provider sees what that provider owns,
the directory and who the patients are, and changes only the first.

Source: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import orjson

from vaka.access.filter import AccessFilter
from vaka.access.scopes import Grant, criterion, may
from vaka.errors import Forbidden, NotFound
from vaka.fhir.definitions import type_number
from vaka.store.compile import Sql
from vaka.store.conditions import PATIENT
from vaka.store.gate import Gate
from vaka.store.version import Version

_NAMES: Final = {"c": "create", "r": "read", "u": "change", "d": "delete", "s": "search for"}
READING: Final = "rs"
KNOWING: Final = "rsud"
"""Rights that tell of what is there."""


def grants_gate(access: AccessFilter, letters: str, compiler: type[Sql]) -> Gate:
    """What some grant with one of ``letters`` (of cruds) covers, as a condition."""
    return _gate(access.grants, access.provider, letters, compiler)


@lru_cache(maxsize=1_024)
def _gate(grants: tuple[Grant, ...], provider: str | None, letters: str, compiler: type[Sql]) -> Gate:
    sql = compiler(Gate("TRUE"))
    ways = [way for grant in grants if (way := _way(grant, provider, letters, sql))]
    text = "FALSE" if not ways else "TRUE" if "TRUE" in ways else "(" + " OR ".join(ways) + ")"
    versions = _owned(provider, letters, sql).replace("{r}", "v")
    return Gate(text, tuple(sql.values.items()), versions=versions)


def _way(grant: Grant, provider: str | None, letters: str, sql: Sql) -> str | None:
    allowed = "".join(letter for letter in letters if letter in grant.may)
    if not allowed:
        return None
    parts = [f"{{r}}.type = {type_number(grant.type):d}"] if grant.type != "*" else []
    if grant.query:
        # Deleted resources have no search rows, so nothing but a negative condition could still find them.
        parts += ["NOT {r}.deleted", sql.condition(criterion(grant), "{r}")]
    owned = _owned(provider, allowed, sql)
    parts += [owned] if owned != "TRUE" else []
    return "(" + " AND ".join(parts) + ")" if parts else "TRUE"


def _owned(provider: str | None, letters: str, sql: Sql) -> str:
    if provider is None:
        return "TRUE"
    own = f"whose.provider = {sql.bind(provider, 'text')}"
    also = f" OR whose.kind IN ('directory', 'definition') OR {{r}}.type = {PATIENT:d}"
    widened = also if not set(READING).isdisjoint(letters) else ""
    return f"EXISTS (SELECT 1 FROM owner whose WHERE whose.owner = {{r}}.owner AND ({own}{widened}))"


def fits(access: AccessFilter, letters: str, version: Version) -> bool:
    """Whether a version, as it was, lies within a program's scopes; one without content gives nothing away."""
    if access.full or access.session is not None or version.body is None or not any(g.query for g in access.grants):
        return True
    return may(access.grants, letters, orjson.loads(version.body))


def may_write(access: AccessFilter, type_: str, letter: str, resource: dict[str, Any]) -> bool:
    """Whether a program may make (``c``) or change to (``u``) a resource of ``type_`` that is like ``resource``."""
    return access.full or may(access.grants, letter, {**resource, "resourceType": type_})


def require_open(access: AccessFilter, types: Sequence[str], letters: str) -> None:
    """Forbidden, or NotFound where the scopes have nothing on ``types``, unless they have one of ``letters`` on one of them.
    Never silently empty: none found must not be taken for none there (S3). Tells of the token alone, not of the record."""
    if access.full or access.session is not None or not access.grants:  # without any, the gate refuses
        return
    on = [grant for grant in access.grants if grant.type == "*" or grant.type in types]
    if any(not grant.may.isdisjoint(letters) for grant in on):
        return
    named = types[0] if len(types) == 1 else "resources of these types"
    if on:
        raise Forbidden(
            f"the token's scopes do not let it {_NAMES[letters[0]]} {named}", help="ask for a wider scope", why="scope"
        )
    raise NotFound(f"there is no {named} within the token's scopes", help="ask for a wider scope", why="scope")
