"""Where a write goes: to the journal, or into the reserve (S14, S31). Pure: a state, an event, the next state with a
sentence that says why.

- **journal**: each write is tried at the journal for ``RESERVE_TRY_S``.
- **reserve**: after one that was not answered, all go into the reserve at once.
- **returning**: after ``RESERVE_BACK_S`` of real commits, none missing. What waits is handed over; a write of a
  patient of whom
  something waits goes into the reserve behind it, all others go to the journal; with nothing waiting it is
  **journal** again.
- **forced**: a person has put the copy into reserve, with name and reason; only a person ends it.

Invariants: only a person leaves ``forced``; nothing but a run of commits without a gap, or a person, leaves
``reserve``; for each patient
nothing passes what waits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypeAlias

from vaka import config

GAP_MAX_S: Final = config.RESERVE_PROBE_GAP_S


class Mode(StrEnum):
    JOURNAL = "journal"
    RESERVE = "reserve"
    RETURNING = "returning"
    FORCED = "forced"


@dataclass(frozen=True, slots=True)
class Standing:
    """``since_s``: when the mode began; ``good_since_s``, ``good_s``: the first and the last commit of the run that
    lasts, None without
    one; ``by``: the person who forced it. Times are seconds of a clock that never goes back."""

    mode: Mode = Mode.JOURNAL
    since_s: float = 0.0
    good_since_s: float | None = None
    good_s: float | None = None
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Committed:
    """The journal has made a real commit, read back."""


@dataclass(frozen=True, slots=True)
class Silent:
    """A write, or a probe, was not answered in time, or with 503."""


@dataclass(frozen=True, slots=True)
class Drained:
    """Nothing waits any more, here or of another copy as far as is known."""


@dataclass(frozen=True, slots=True)
class Forced:
    """A person puts the copy into reserve."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Left:
    """A person ends the reserve: what waits is handed over from now on."""

    by: str
    reason: str


Event: TypeAlias = Committed | Silent | Drained | Forced | Left


def after(state: Standing, event: Event, now_s: float) -> Standing:
    """The state after ``event`` at ``now_s``; the same object where nothing changes."""
    match event, state.mode:
        case Forced(by, reason), _:
            return Standing(Mode.FORCED, now_s, by=by, reason=reason)
        case Left(by, reason), Mode.FORCED | Mode.RESERVE:
            return Standing(Mode.RETURNING, now_s, by=by, reason=reason)
        case Silent(), Mode.JOURNAL | Mode.RETURNING:
            return Standing(Mode.RESERVE, now_s, reason="the journal did not answer a write in time")
        case Silent(), Mode.RESERVE if state.good_since_s is not None:
            return replace(state, good_since_s=None, good_s=None)
        case Committed(), Mode.RESERVE:
            return _run(state, now_s)
        case Drained(), Mode.RETURNING:
            return Standing(Mode.JOURNAL, now_s, reason="all that waited has been handed over")
    return state


def _run(state: Standing, now_s: float) -> Standing:
    begun, last = state.good_since_s, state.good_s
    # A clock that was begun anew, or a prober that slept: what was seen before says nothing.
    if begun is None or last is None or not 0 <= now_s - last <= GAP_MAX_S:
        return replace(state, good_since_s=now_s, good_s=now_s)
    if now_s - begun >= config.RESERVE_BACK_S:
        return Standing(Mode.RETURNING, now_s, reason=f"the journal has committed for {config.RESERVE_BACK_S:.0f} s")
    return replace(state, good_s=now_s)


def to_reserve(state: Standing, waits: bool) -> str | None:
    """Why a write goes into the reserve, None where the journal is asked first. ``waits``: something of one of its
    patients does."""
    if state.mode in (Mode.RESERVE, Mode.FORCED):
        return state.reason
    return "entries of this patient are handed over first" if waits else None
