"""Patients whose record goes on in another's: whoever asks for either asks for both (S23)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vaka.fhir.extract import references
from vaka.fhir.index import IndexRows
from vaka.fhir.keys import reference_key, resource_key


class Aliases:
    """Patient id → the id that its record goes on in, directly; ``resolve`` follows them to the end."""

    def __init__(self, into: Mapping[str, str] | None = None) -> None:
        self.into: dict[str, str] = {}
        self._together: dict[str, tuple[str, ...]] = {}
        self._keys: dict[int, list[int]] = {}
        if into:
            self.know(into)

    def know(self, into: Mapping[str, str]) -> None:
        """Which record goes on in which, all of them."""
        self.into = dict(into)
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
        """All ids under which the record of ``patient`` is kept, as of the last ``know``."""
        return self._together.get(patient, (patient,))

    def keys_together(self, keys: Sequence[int]) -> list[int]:
        """Resource keys with those of Patients that are kept with one of them, each once."""
        return list(dict.fromkeys(one for key in keys for one in self._keys.get(key, (key,))))

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
