"""What the access log's numbers are called in the record: resources by their keys and versions, owners by their rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vaka.access.filter import AccessFilter
from vaka.errors import Forbidden
from vaka.fhir.definitions import type_name
from vaka.journal.arrays import integers
from vaka.journal.journal import Journal
from vaka.journal.statements import statements


@dataclass(frozen=True, slots=True)
class Owner:
    """A row of ``owner``: Organization ids (None: unknown) and kind of information."""

    unit: str | None
    provider: str | None
    kind: str


@dataclass(frozen=True, slots=True)
class Named:
    """A version. ``epoch``: of its making; one later than a log record's means that the record's own version was lost in a
    restore, and its number given again."""

    type: str
    id: str
    version: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Emergency:
    """An emergency opening of a patient's record: who, at which unit, from and until when (microseconds since 1970 UTC)."""

    person: str
    unit: str
    from_us: int
    until_us: int


def _require(access: AccessFilter) -> None:
    if not access.full:
        raise Forbidden(f"{access.principal} may not ask what the log's numbers stand for")


async def resources(journal: Journal, keys: Iterable[int], *, access: AccessFilter) -> dict[int, tuple[str, str]]:
    """(type, id) by resource key. ``access``: a system's; the keys are those of a log that its reader may read."""
    _require(access)
    async with journal.reading.connection() as connection:
        rows = await connection.execute(statements("names")["resources"], {"keys": integers(sorted(set(keys)))})
        return {rkey: (type_name(type_), id_) for rkey, type_, id_ in await rows.fetchall()}


async def versions(journal: Journal, seqs: Iterable[int], *, access: AccessFilter) -> dict[int, Named]:
    """Versions by sequence number."""
    _require(access)
    async with journal.reading.connection() as connection:
        rows = await connection.execute(statements("names")["versions"], {"seqs": integers(sorted(set(seqs)))})
        return {row[0]: Named(type_name(row[1]), *row[2:]) for row in await rows.fetchall()}


async def owners(journal: Journal, numbers: Iterable[int], *, access: AccessFilter) -> dict[int, Owner]:
    """Owners by row number."""
    _require(access)
    async with journal.reading.connection() as connection:
        rows = await connection.execute(statements("names")["owners"], {"numbers": integers(sorted(set(numbers)))})
        return {number: Owner(unit, provider, kind) for number, unit, provider, kind in await rows.fetchall()}


async def owners_of(journal: Journal, provider: str, *, access: AccessFilter) -> frozenset[int]:
    """The rows of all that ``provider`` (an Organization id) owns."""
    _require(access)
    async with journal.reading.connection() as connection:
        rows = await connection.execute(statements("names")["owners_of"], {"provider": provider})
        return frozenset(row[0] for row in await rows.fetchall())


async def is_protected(journal: Journal, patient: int, *, access: AccessFilter) -> bool:
    """Whether the patient's identity is protected now (A10)."""
    return patient in await protected(journal, [patient], access=access)


async def protected(journal: Journal, patients: Iterable[int], *, access: AccessFilter) -> set[int]:
    """Those of ``patients`` whose identity is protected now."""
    _require(access)
    async with journal.reading.connection() as connection:
        rows = await connection.execute(statements("names")["protected"], {"keys": integers(sorted(set(patients)))})
        return {row[0] for row in await rows.fetchall()}


async def related(
    journal: Journal, asked: Iterable[tuple[int, str, int]], *, access: AccessFilter
) -> set[tuple[int, str, int]]:
    """Those of (patient, unit, time in us) where the unit took part in the patient's care at that time, as is known now."""
    _require(access)
    wanted = sorted(set(asked))
    values = {
        "patients": integers(one[0] for one in wanted), "units": [one[1] for one in wanted],
        "times": integers(one[2] for one in wanted),
    }  # fmt: skip
    async with journal.reading.connection() as connection:
        rows = await connection.execute(statements("names")["related"], values)
        return {(row[0], row[1], row[2]) for row in await rows.fetchall()}


async def emergencies(journal: Journal, patient: int, *, access: AccessFilter) -> list[Emergency]:
    """All emergency openings of a patient's record."""
    _require(access)
    async with journal.reading.connection() as connection:
        rows = await connection.execute(statements("names")["emergencies"], {"patient": patient})
        return [Emergency(*row) for row in await rows.fetchall()]
