"""Patients whose record goes on in another's: what is written to the one stands in the other's record too (S23).

Whoever asks for either asks for both (``together``). Kept in memory, read from the table alias when the journal opens and after
each merge. A process that has not read it yet may write an entry under the old patient alone; ``merging.gather`` brings it over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaka.access.law import KEEPS_SIGNATURES
from vaka.fhir.extract import references
from vaka.fhir.index import IndexRows
from vaka.fhir.keys import reference_key, resource_key
from vaka.journal.statements import statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from vaka.journal.pool import Connection
    from vaka.journal.write import Write


class Aliases:
    """Patient id → the id that its record goes on in, directly; ``resolve`` follows them to the end."""

    def __init__(self) -> None:
        self.into: dict[str, str] = {}
        self._together: dict[str, tuple[str, ...]] = {}
        self._keys: dict[int, list[int]] = {}

    async def read(self, connection: Connection) -> None:
        """From the table as this connection sees it."""
        rows = await (await connection.execute(statements("law")["aliases"])).fetchall()
        self.into = {row[1]: row[3] for row in rows}
        classes: dict[str, list[str]] = {}
        for id_ in self.into:
            classes.setdefault(self.resolve(id_), []).append(id_)
        self._together = {id_: (root, *ids) for root, ids in classes.items() for id_ in (root, *ids)}
        self._keys = {
            resource_key("Patient", id_): [resource_key("Patient", one) for one in ids]
            for id_, ids in self._together.items()
        }

    def resolve(self, patient: str) -> str:
        """Where the record of ``patient`` goes on; itself if it was not merged."""
        seen = {patient}
        while (following := self.into.get(patient)) is not None and following not in seen:
            patient = following
            seen.add(patient)
        return patient

    def together(self, patient: str) -> Sequence[str]:
        """All ids under which the record of ``patient`` is kept, as of the last ``read``."""
        return self._together.get(patient, (patient,))

    def keys_together(self, keys: Sequence[int]) -> list[int]:
        """Resource keys with those of Patients that are kept with one of them, each once."""
        return list(dict.fromkeys(one for key in keys for one in self._keys.get(key, (key,))))

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
