"""What one resource says about access (``access.facts``), as the rows that journal and copy keep of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from vaka.access.facts import Facts

Place: TypeAlias = tuple[str | None, str | None]
"""(unit, provider)."""
NO_FACTS: Final = Facts()


@dataclass(frozen=True, slots=True)
class Said:
    """Rows of care_relation, block and consent with the columns in the order of their tables; ``protected``: keys of Patients."""

    relations: list[tuple[int, int, str, int, int]] = field(default_factory=list)
    blocks: list[tuple[Any, ...]] = field(default_factory=list)
    consents: list[tuple[int, int, str, int, int]] = field(default_factory=list)
    protected: list[int] = field(default_factory=list)


def say(rows: Said, rkey: int, patient: int, place: Place, facts: Facts, known: Mapping[str, Place]) -> None:
    """Adds to ``rows`` what the resource ``rkey`` says. ``patient``: key of the home patient; ``place``: of the resource's owner;
    ``known``: unit and provider of the Organizations that it names."""
    if facts.protected:  # of a merged Patient: itself, and whom its record goes on in (S23)
        rows.protected.extend((patient, rkey))
    for relation in facts.relations:
        unit = place[0] if relation.organization is None else relation.organization
        if unit is not None:
            rows.relations.append((rkey, patient, unit, relation.from_us, relation.until_us))
    for block in facts.blocks:
        unit, provider = known.get(block.organization or "", place)
        whole = unit is None or unit == provider  # a provider's own Organization: all of its units
        rows.blocks.append((
            rkey, patient, provider, None if whole else unit, block.kind, block.inner, block.outer,
            block.from_us, block.until_us, block.lifted_for, block.lifted_from_us, block.lifted_until_us,
        ))  # fmt: skip
    rows.consents.extend((rkey, patient, one.receiver, one.from_us, one.until_us) for one in facts.consents)
