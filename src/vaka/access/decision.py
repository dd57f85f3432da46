"""One decision with all that it rests on: what is known of a patient, asked for one piece of information. Pure.

The filter asks the same table in SQL (``store.conditions``); this is for telling people what there is and why (``$access``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from vaka.access.facts import Block, Consented
from vaka.access.rules import Fact, Rule, decide
from vaka.access.session import Session
from vaka.access.settings import Settings


class What(IntEnum):
    """What a person has opened."""

    UNIT = 1
    PROVIDER = 2
    EMERGENCY = 3
    INNER_BLOCK = 4
    INCAPACITY = 5


@dataclass(frozen=True, slots=True)
class Opening:
    """``target``: the Organization whose information was opened, None for an emergency. [from, until) in microseconds UTC."""

    what: What
    target: str | None
    from_us: int
    until_us: int


@dataclass(frozen=True, slots=True)
class Information:
    """A piece of information, or all of one owner and kind. ``identity``: the Patient itself."""

    unit: str | None
    provider: str | None
    kind: str
    identity: bool = False
    about_patient: bool = True


@dataclass(frozen=True, slots=True)
class Placed:
    """A block, and the provider and unit that its organization is (None: not known; of the provider, all).
    ``consent``: the key of the Consent that it comes from."""

    block: Block
    provider: str | None
    unit: str | None
    consent: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one patient at one moment. ``relations``: (unit, from, until). ``aged``: as ``rules.rules``."""

    now_us: int
    relations: Sequence[tuple[str, int, int]] = ()
    blocks: Sequence[Placed] = ()
    consents: Sequence[Consented] = ()
    openings: Sequence[Opening] = ()
    protected: bool = False
    aged: bool = False

    def opened(self, what: What, target: str | None = None) -> bool:
        """Whether such an opening is in force; ``target`` None: of anything."""
        return any(
            one.what is what and one.from_us <= self.now_us < one.until_us and target in (None, one.target)
            for one in self.openings
        )

    def in_emergency(self) -> Standing:
        """The same if who asks opened it in an emergency at this moment."""
        opened = Opening(What.EMERGENCY, None, self.now_us, self.now_us + 1)
        return replace(self, openings=[*self.openings, opened])


def decision(session: Session, settings: Settings, standing: Standing, about: Information) -> Rule:
    """The rule that decides whether ``session`` sees ``about``."""
    return decide(session.assignment.purpose, settings, facts(session, standing, about), aged=standing.aged)


def facts(session: Session, standing: Standing, about: Information) -> Callable[[Fact], bool]:
    """Whether each fact is so; ``store.conditions.FACTS`` says the same in SQL."""
    unit, provider = session.assignment.unit, session.assignment.provider
    now = standing.now_us
    target = about.unit if about.unit is not None else about.provider

    lifted = {
        one.consent for one in standing.blocks
        if one.block.lifted_for == unit and one.block.lifted_from_us <= now < one.block.lifted_until_us
    }  # fmt: skip

    def blocked(inner: bool) -> bool:
        return any(
            (one.block.inner if inner else one.block.outer)
            and one.block.from_us <= now < one.block.until_us
            and one.provider in (None, about.provider)
            and (one.unit is None or about.unit is None or one.unit == about.unit)
            and one.block.kind in (None, about.kind)
            and one.consent not in lifted
            for one in standing.blocks
        )

    def holds(fact: Fact) -> bool:
        match fact:
            case Fact.IDENTITY:
                return about.identity
            case Fact.NO_PATIENT:
                return not about.about_patient
            case Fact.DIRECTORY:
                return about.kind in ("directory", "definition")
            case Fact.OWNED:
                return about.provider is not None
            case Fact.OWN_UNIT:
                return about.unit == unit
            case Fact.OWN_PROVIDER:
                return about.provider == provider
            case Fact.CONSENTS:
                return about.kind == "consent"
            case Fact.WHEREABOUTS:
                return about.kind in ("contact", "person")
            case Fact.VISIT:
                return about.kind == "contact"
            case Fact.PROTECTED:
                return standing.protected
            case Fact.RELATION:
                return any(of == unit and low <= now < high for of, low, high in standing.relations)
            case Fact.CONSENT:
                return any(
                    one.receiver in (unit, provider) and one.from_us <= now < one.until_us for one in standing.consents
                )
            case Fact.INCAPACITY:
                return standing.opened(What.INCAPACITY, about.provider)
            case Fact.CHOSEN:
                own = about.provider == provider
                return standing.opened(What.UNIT, target) if own else standing.opened(What.PROVIDER, about.provider)
            case Fact.EMERGENCY:
                return standing.opened(What.EMERGENCY)
            case Fact.INNER_BLOCK:
                return blocked(inner=True)
            case Fact.OUTER_BLOCK:
                return blocked(inner=False)
            case Fact.LIFTED:
                return standing.opened(What.INNER_BLOCK, target)
            case Fact.AGED:
                return standing.aged

    return holds
