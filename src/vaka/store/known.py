"""What a record knows of one patient that decides what a person sees, and whose information there is: for saying what there is
and why (``$access``), and for the log of a refusal. Never an answer by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from vaka.access.decision import Information, Opening, Placed, Standing, What, decision
from vaka.access.facts import Block, Consented
from vaka.access.ownership import PATIENTS_BY_NATURE
from vaka.access.rules import Rule
from vaka.access.session import Session
from vaka.access.settings import Settings

Rows = Iterable[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Stands:
    """What stands under a key. ``patient``: the key of its home patient; ``id``: for who asked by a hash."""

    id: str
    patient: int | None
    about: Information


@dataclass(frozen=True, slots=True)
class Group:
    """All information of one owner and kind about a patient: how much there is, and the rule that decides."""

    about: Information
    count: int
    rule: Rule


def standing(
    now_us: int, *, relations: Rows, blocks: Rows, consents: Rows, openings: Rows, protected: bool, aged: bool = False
) -> Standing:
    """From rows as the statements of these names give them (``journal/sql/access.sql``, ``copy/sql/known.sql``)."""
    return Standing(
        now_us,
        relations=[(unit, low, high) for unit, low, high in relations],
        blocks=[
            Placed(Block(unit or provider, kind, bool(inner), bool(outer), *times), provider, unit, consent)
            for consent, provider, unit, kind, inner, outer, *times in blocks
        ],
        consents=[Consented(*row) for row in consents],
        openings=[Opening(What(what), target, low, high) for what, target, low, high in openings],
        protected=protected,
        aged=aged,
    )


def stands(type_: str, row: Sequence[Any]) -> Stands:
    """From a row of the statement ``stands``: patient, unit, provider, kind, id."""
    patient, unit, provider, kind, id_ = row
    about = Information(unit, provider, kind, type_ == "Patient", patient is not None or type_ in PATIENTS_BY_NATURE)
    return Stands(id_, patient, about)


def grouped(session: Session, settings: Settings, known: Standing, rows: Rows) -> list[Group]:
    """From rows of the statement ``groups``, each with its decision. Not to be shown as it is: what a rule leaves unnamed must
    not be named (S21)."""
    return [
        Group(about, count, decision(session, settings, known, about))
        for unit, provider, kind, identity, count in rows
        for about in (Information(unit, provider, kind, bool(identity)),)
    ]
