"""Patients looked up for a page: by a number, exactly (S5), and as they are told apart."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from vaka import config
from vaka.access.filter import AccessFilter
from vaka.api.server import Server
from vaka.copy.sheet.identity import identity
from vaka.fhir.dates import ZONE
from vaka.fhir.query import parse_query
from vaka.store.version import Version
from vaka.texts import texts_of
from vaka.web.pages.who import Who


def escaped(value: str) -> str:
    """``value`` as a search takes it whole. https://hl7.org/fhir/R4/search.html#escaping"""
    return "".join(f"\\{c}" if c in "\\|,$" else c for c in value)


async def numbered(server: Server, access: AccessFilter, *numbers: str) -> list[Version]:
    """The Patients with exactly one of these numbers, whom the caller may see."""
    asked = [escaped(number) for number in numbers if number]
    return await searched(server, access, [("identifier", ",".join(asked))]) if asked else []


async def searched(server: Server, access: AccessFilter, parameters: Sequence[tuple[str, str]]) -> list[Version]:
    """At most ``RESERVE_CANDIDATES_MAX`` Patients."""
    query = parse_query(["Patient"], parameters, base_url="", strict=True, same=server.store.same)
    found = await server.store.searching(access).search(query, count=config.RESERVE_CANDIDATES_MAX)
    return list(found.matches)


def who_of(version: Version, language: str) -> Who:
    found = identity(version.id, version.body)
    age = found.age(datetime.now(UTC).astimezone(ZONE).date(), language)
    sex = texts_of("vaka.copy", language).gettext(found.sex) if found.sex else ""
    return Who(found.id, found.name, found.number, age, sex, found.protected)
