"""What the supervisor does next: a pure function of what it sees.

Invariants: a part starts only when what it needs has been started; a part that died starts again at once, and the
more often it dies without having been ready, the longer it waits; what others are to come after has the machine to itself until
it is ready, for HEAD_START_MAX_S at most; nothing is stopped before what needs it; a start that fails for a reason only a person
can mend ends everything and says why. Source: facts/continuity.md, STYLE.md 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

BACKOFF_FIRST_S: Final = 0.25
BACKOFF_MAX_S: Final = 10.0
HEAD_START_MAX_S: Final = 3.0
FIRST_START_DEATHS_MAX: Final = 3
SETUP_EXIT_CODE: Final = 78

Process = Literal["none", "running", "exited"]


class Verb(Enum):
    START = "start"
    ASK = "ask to stop"  # the part's own signal for a clean stop
    FORCE = "force"  # evidence first where the part can give it, then SIGKILL
    WAIT = "wait"
    FINISH = "finish"  # all is stopped
    GIVE_UP = "give up"  # the reason is for a person


@dataclass(frozen=True, slots=True)
class PartState:
    """One part as the supervisor sees it. Seconds are since the named moment, on the monotonic clock."""

    name: str
    needs: tuple[str, ...] = ()
    after: str = ""  # whose first start it lets go ahead
    essential: bool = True  # Vaka is not up without it
    lingers: bool = False  # when all stops, it ends after what it needs: it takes the last of it
    process: Process = "none"
    ready: bool = False  # the last probe succeeded
    was_ready: bool = False  # some probe has succeeded since `up` began
    exit_code: int | None = None
    deaths: int = 0  # in a row, without having been ready
    since_s: float = 0.0  # since it started, or died
    silent_s: float = 0.0  # since the last successful probe of a running part that has been ready
    silent_max_s: float | None = None  # null: never ended for its silence
    asked_s: float | None = None  # since it was asked to stop
    forced: bool = False
    stop_max_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Action:
    verb: Verb
    part: str | None
    reason: str


def backoff_s(deaths: int) -> float:
    """How long a part that died ``deaths`` times in a row waits: not at all the first time."""
    return 0.0 if deaths <= 1 else min(BACKOFF_FIRST_S * 2.0 ** (deaths - 2), BACKOFF_MAX_S)


def decide(parts: Sequence[PartState], *, stopping: bool) -> Action:
    """The next thing to do; ``parts`` are in the order in which they start. WAIT when there is nothing."""
    if stopping:
        return _stop(parts)
    for part in parts:
        if action := _run(part, parts):
            return action
    return Action(Verb.WAIT, None, "every part is as it should be or on its way")


def _run(part: PartState, parts: Sequence[PartState]) -> Action | None:
    if part.process == "running":
        if part.forced:
            return None
        if part.asked_s is not None:
            return _overdue(part)
        if part.was_ready and part.silent_max_s is not None and part.silent_s > part.silent_max_s:
            return Action(Verb.FORCE, part.name, f"{part.name} has not answered for {part.silent_s:.1f} s")
        return None
    if part.process == "exited" and part.essential and not part.was_ready:
        if part.exit_code == SETUP_EXIT_CODE:
            return Action(Verb.GIVE_UP, part.name, f"{part.name} cannot start here")
        if part.deaths >= FIRST_START_DEATHS_MAX:
            return Action(Verb.GIVE_UP, part.name, f"{part.name} died {part.deaths} times before it was ready")
    running = {other.name for other in parts if other.process == "running"}
    if any(need not in running for need in part.needs):
        return None
    if part.process == "none":
        if any(_goes_ahead(other) for other in parts if other.name == part.after):
            return None
        return Action(Verb.START, part.name, f"{part.name} is not running")
    if part.since_s < backoff_s(part.deaths):
        return None
    return Action(Verb.START, part.name, f"{part.name} ended with {part.exit_code}")


def _goes_ahead(part: PartState) -> bool:
    return part.process == "running" and not part.was_ready and part.since_s < HEAD_START_MAX_S


def _stop(parts: Sequence[PartState]) -> Action:
    for part in reversed(parts):
        if part.process != "running":
            continue
        if any(part.name in other.needs and not other.lingers for other in parts if other.process == "running"):
            continue
        if part.lingers and any(other.name in part.needs for other in parts if other.process == "running"):
            continue
        if part.asked_s is None:
            return Action(Verb.ASK, part.name, f"{part.name} is next to stop")
        if not part.forced and (action := _overdue(part)):
            return action
    if all(part.process != "running" for part in parts):
        return Action(Verb.FINISH, None, "every part has stopped")
    return Action(Verb.WAIT, None, "parts are stopping")


def _overdue(part: PartState) -> Action | None:
    if part.asked_s is not None and part.asked_s > part.stop_max_s:
        return Action(Verb.FORCE, part.name, f"{part.name} did not stop within {part.stop_max_s:g} s")
    return None
