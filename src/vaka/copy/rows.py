"""From a resource to the rows that the copy keeps of it: what it is found by, and what it says about access.

Invariant: the same body, home patient and merges give the same rows, so that what an old version put into the index is taken out
by making its rows again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from vaka.access.facts import TYPES, Facts, facts_of
from vaka.fhir.extract import extract, owner_hints, references
from vaka.fhir.index import IndexRows
from vaka.fhir.keys import reference_key, resource_key
from vaka.store.codec import Codec
from vaka.store.said import NO_FACTS


@dataclass(frozen=True, slots=True)
class Rows:
    """``index`` follows from the body alone; ``more``: tokens of the patients that its own were merged into; ``facts``: of the
    types that say something about access."""

    index: IndexRows = field(default_factory=IndexRows)
    more: tuple[int, ...] = ()
    facts: Facts = NO_FACTS

    @property
    def lexemes(self) -> str:
        """As the full-text index takes them."""
        return " ".join(self.index.words)


NOTHING: Final = Rows()


def rows_of(body: bytes, patient: str | None, into: Callable[[str], str] | None) -> Rows:
    """The rows of a resource that is at home with ``patient``. ``into``: where the record of a merged patient goes on;
    None: no patient is known to be merged.

    Raises whatever ``fhir`` raises on a body that it cannot interpret: the caller sets the resource aside (S4)."""
    resource: dict[str, Any] = orjson.loads(body)
    if not isinstance(resource, dict):
        raise TypeError("a body is no resource")
    index = extract(resource)
    said = facts_of(resource) if resource.get("resourceType") in TYPES else NO_FACTS
    return Rows(index, _merged(resource, index, patient, into), said)


def _merged(
    resource: dict[str, Any], index: IndexRows, patient: str | None, into: Callable[[str], str] | None
) -> tuple[int, ...]:
    """Keys of the surviving patient for each reference to a merged one: by the home that the journal told, else as known here."""
    if resource.get("resourceType") == "Patient" or patient is None:
        return ()
    named = owner_hints(resource)
    if into is None and named == patient:
        return ()
    more = set()
    for name, type_, id_ in references(resource):
        if type_ != "Patient":
            continue
        goes = patient if id_ == named else into(id_) if into is not None else id_
        if goes != id_:
            more.add(reference_key(name, "Patient", goes))
    return tuple(sorted(more - set(index.tokens)))


@dataclass(frozen=True, slots=True)
class Made:
    """What follows from one body alone, made ahead (``copy.workers``). ``packed``: the body as it is kept; ``rows``: those where
    no patient is merged, None where that could not be told; ``patients``: whom it refers to."""

    packed: tuple[int, bytes]
    rows: Rows | None
    patients: frozenset[str] = frozenset()

    def rows_with(self, into: Callable[[str], str] | None) -> Rows | None:
        """``rows`` where they are the same with the merges that are known; else None."""
        return self.rows if into is None or all(into(one) == one for one in self.patients) else None


def make(body: bytes, patient: str | None, codec: Codec) -> Made:
    """Never raises: what cannot be interpreted fails where it is put, too, and is set aside there."""
    packed = codec.compress(body)
    try:
        rows = rows_of(body, patient, None)
        refers = {id_ for _, type_, id_ in references(orjson.loads(body)) if type_ == "Patient"}
    except Exception:  # whatever a hostile or newer resource makes of our code
        return Made(packed, None)
    return Made(packed, rows, frozenset(refers))


def home(patient: str | None) -> int | None:
    """The key of a home patient."""
    return resource_key("Patient", patient) if patient is not None else None
