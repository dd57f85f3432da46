"""Patients whose record goes on in another's: what is written to the one stands in the other's record too (S23).

Kept in memory, read from the table alias when the journal opens and after each merge. A process that has not read it yet may
write an entry under the old patient alone; ``merging.gather`` brings it over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaka.access.law import KEEPS_SIGNATURES
from vaka.fhir.extract import references
from vaka.fhir.index import IndexRows
from vaka.fhir.keys import reference_key
from vaka.journal.statements import statements

if TYPE_CHECKING:
    from typing import Any

    from vaka.journal.pool import Connection
    from vaka.journal.write import Write


class Aliases:
    """Patient id → the id that its record goes on in, directly; ``resolve`` follows them to the end."""

    def __init__(self) -> None:
        self.into: dict[str, str] = {}

    async def read(self, connection: Connection) -> None:
        """From the table as this connection sees it."""
        rows = await (await connection.execute(statements("law")["aliases"])).fetchall()
        self.into = {row[1]: row[3] for row in rows}

    def resolve(self, patient: str) -> str:
        """Where the record of ``patient`` goes on; itself if it was not merged."""
        seen = {patient}
        while (following := self.into.get(patient)) is not None and following not in seen:
            patient = following
            seen.add(patient)
        return patient

    def apply(self, write: Write) -> None:
        """Gives a write the home patient that its own goes on in, and the keys by which it is found there."""
        if not self.into or write.resource is None or write.act in KEEPS_SIGNATURES:
            return  # a merge says itself where things go
        if write.patient is not None:
            write.patient = self.resolve(write.patient)
        write.rows = self.rows(write.rows, write.resource)

    def rows(self, rows: IndexRows, resource: dict[str, Any]) -> IndexRows:
        """``rows`` with a key of the surviving patient for each reference to a merged one."""
        more = {
            reference_key(name, "Patient", self.resolve(id_))
            for name, type_, id_ in references(resource)
            if type_ == "Patient" and id_ in self.into
        } - set(rows.tokens)
        if resource.get("resourceType") == "Patient" or not more:
            return rows  # a Patient's own links are not the record's
        return IndexRows(sorted({*rows.tokens, *more}), rows.dates, rows.quantities, rows.strings, rows.words)
