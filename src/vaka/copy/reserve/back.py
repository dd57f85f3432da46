"""All back (S35): said only when it is so everywhere. Pure.

All back = the journal is heard and this copy is as new as it should be, nothing waits in any reserve that is known, every
other copy has been heard, integrations that were turned away have sent what they kept, and everybody is let in and shown all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vaka import config
from vaka.copy.reserve.entry import State
from vaka.copy.reserve.mode import Mode


@dataclass(frozen=True, slots=True)
class Facts:
    """``lag_s``: how old the data here are, None where the journal is not heard; ``counts``: entries here by state, those held
    for others among them; ``out_of_reach``: names of copies that do not answer; ``integrations``: those that were turned away
    and keep something, as sentences begin with them, and whether they send it; ``step``: what the door shows; ``logins``: how
    many wait to log in."""

    lag_s: float | None
    mode: Mode
    counts: Mapping[State, int]
    out_of_reach: Sequence[str] = ()
    integrations: Sequence[tuple[str, bool]] = ()
    step: str = "full"
    logins: int = 0


def missing(facts: Facts) -> list[str]:
    """What is not back yet, in sentences; empty: all is."""
    found = []
    if facts.lag_s is None:
        found.append("the journal is not heard")
    elif facts.lag_s > config.RESERVE_LAG_NORMAL_S:
        found.append(f"the data here are {facts.lag_s:.0f} s old")
    if facts.mode is not Mode.JOURNAL:
        found.append(f"writes still go by the reserve (mode {facts.mode.value})")
    waiting = facts.counts.get(State.WAITING, 0) + facts.counts.get(State.UNHELD, 0)
    if waiting:
        found.append(f"{waiting} reserve entries wait to be handed over")
    if refused := facts.counts.get(State.REFUSED, 0):
        found.append(f"{refused} reserve entries were refused, and wait for a person")
    found += [f"copy {name} does not answer: what was entered there is not known" for name in facts.out_of_reach]
    for name, sends in facts.integrations:
        found.append(f"{name} was turned away, and {'sends what it kept' if sends else 'has not come again'}")
    if facts.step != "full":
        found.append(f"more ask than can be answered: people are shown the {facts.step}")
    if facts.logins:
        found.append(f"{facts.logins} people wait to log in")
    return found
