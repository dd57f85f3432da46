"""All back (S35): said only when it is so everywhere. Pure.

All back = the journal is heard and this copy is as new as it should be, nothing waits in any reserve that is known, every
other copy has been heard, integrations have sent what they kept, and the last unit has been let in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vaka import config
from vaka.copy.reserve.entry import State
from vaka.copy.reserve.mode import Mode


@dataclass(frozen=True, slots=True)
class Facts:
    """``lag_s``: how old the data here are, None where the journal is not heard; ``counts``: entries here by state, those
    held for
    others among them; ``out_of_reach``: names of copies that do not answer; ``integrations``: names of those that have not
    sent yet since they were last refused; ``units_waiting``: units that are not let in yet."""

    lag_s: float | None
    mode: Mode
    counts: Mapping[State, int]
    out_of_reach: Sequence[str] = ()
    integrations: Sequence[str] = ()
    units_waiting: int = 0


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
    found += [f"integration {name} has not sent what it kept" for name in facts.integrations]
    if facts.units_waiting:
        found.append(f"{facts.units_waiting} units are not let in yet")
    return found
