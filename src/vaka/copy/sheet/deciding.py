"""Which of a patient's fragments a reader sees, by the rules of access, and what may be told of the others. Remembered.

Invariants: the rules are asked of each owner by the one table (``access.decision``); an answer is used again only for the same
reader, owners and facts, and only until the next moment at which one of the facts begins or ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from vaka.access.decision import Information, Opening, Placed, Standing, What, decision
from vaka.access.facts import Block, Consented
from vaka.access.filter import AccessFilter
from vaka.access.rules import PERMITS, Outcome
from vaka.access.session import Purpose, Session
from vaka.copy.reader import Reader, Row
from vaka.copy.sheet.page import EVER, Hidden
from vaka.copy.statements import statements

_RELATION, _BLOCK, _CONSENT, _OPENING, _PROTECTED, _ASIDE = 1, 2, 3, 4, 5, 6
"""First column of ``standing``."""
_REMEMBERED_MAX: Final = 8_192


@dataclass(frozen=True, slots=True)
class Decided:
    """``seen``: places among the rows that were asked of; ``aside``: whether any version of the patient could not be interpreted;
    ``until_us``: how long it holds; ``rules``: which permit what is seen (``access.rules.PERMITS``)."""

    seen: tuple[int, ...]
    hidden: Hidden
    protected: bool
    aside: bool
    until_us: int
    rules: int = 0


class Decisions:
    """Of one worker."""

    def __init__(self) -> None:
        self._known: dict[object, Decided] = {}
        self._sql = statements("sheet")["standing"]

    def of(
        self, reader: Reader, access: AccessFilter, patient: int, rows: Sequence[Row], now: int, *, aged: bool
    ) -> Decided:
        """``rows`` begin with kind, provider and unit."""
        session = access.session
        who = (session.person, session.assignment.unit) if session is not None else ("", "")
        facts = reader.rows(self._sql, {"patient": patient, "person": who[0], "unit": who[1]})
        owners = tuple(row[:3] for row in rows)
        if session is None:  # everything
            protected = any(fact[0] == _PROTECTED for fact in facts)
            aside = any(fact[0] == _ASIDE for fact in facts)
            return Decided(tuple(range(len(rows))), Hidden(), protected, aside, EVER)
        assignment = session.assignment
        key = (assignment.unit, assignment.provider, assignment.purpose, access.settings, aged, owners, tuple(facts))
        known = self._known.get(key)
        if known is None or known.until_us <= now:
            if len(self._known) >= _REMEMBERED_MAX:
                self._known.clear()
            known = self._known[key] = decide(
                session,
                access,
                standing_of(facts, now, aged=aged),
                owners,
                aside=any(fact[0] == _ASIDE for fact in facts),
            )
        return known


def standing_of(facts: Sequence[Row], now: int, *, aged: bool) -> Standing:
    """What is known of a patient, from the rows of ``standing``."""
    of: dict[int, list[tuple[Any, ...]]] = {}
    for what, *columns in facts:
        of.setdefault(what, []).append(tuple(columns))
    blocks = [
        Placed(Block(unit or provider, kind, bool(inner), bool(outer), *times), provider, unit, consent)
        for consent, provider, unit, kind, inner, outer, *times in of.get(_BLOCK, ())
    ]
    return Standing(
        now,
        relations=[row[:3] for row in of.get(_RELATION, ())],
        blocks=blocks,
        consents=[Consented(*row[:3]) for row in of.get(_CONSENT, ())],
        openings=[Opening(What(row[0]), *row[1:4]) for row in of.get(_OPENING, ())],
        protected=_PROTECTED in of,
        aged=aged,
    )


def decide(
    session: Session,
    access: AccessFilter,
    standing: Standing,
    owners: Sequence[tuple[str, str, str]],
    *,
    aside: bool = False,
) -> Decided:
    """Of ``owners`` (kind, provider, unit; empty: not known) those that ``session`` sees, and what may be told of the others."""
    seen: list[int] = []
    withheld, rules = set(), 0
    for place, (kind, provider, unit) in enumerate(owners):
        rule = decision(session, access.settings, standing, Information(unit or None, provider or None, kind))
        if rule.outcome is Outcome.PERMIT:
            seen.append(place)
            rules |= PERMITS[rule.id]
        elif rule.outcome in (Outcome.CHOICE, Outcome.EXISTENCE) or rule.id == "A8-unknown":
            withheld.add(kind)
    # Nothing is told of what is denied: where nothing opens, each section says the same, whatever there is.
    closed = session.assignment.purpose is not Purpose.CARE or not _opens(session, standing)
    hidden = Hidden(frozenset() if closed else frozenset(withheld), closed)
    return Decided(tuple(seen), hidden, standing.protected, aside, _until(standing), rules)


def _opens(session: Session, standing: Standing) -> bool:
    unit, now = session.assignment.unit, standing.now_us
    related = any(of == unit and low <= now < high for of, low, high in standing.relations)
    return related or standing.opened(What.EMERGENCY)


def _until(standing: Standing) -> int:
    """When the next of the facts begins or ends."""
    times = [time for _, *span in standing.relations for time in span]
    for placed in standing.blocks:
        block = placed.block
        times += [block.from_us, block.until_us, block.lifted_from_us, block.lifted_until_us]
    times += [time for one in standing.consents for time in (one.from_us, one.until_us)]
    times += [time for one in standing.openings for time in (one.from_us, one.until_us)]
    return min((time for time in times if time > standing.now_us), default=EVER)
