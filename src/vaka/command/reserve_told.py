"""How commands tell of reserve entries: ids, times and reasons, never what was written."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import click

from vaka.copy.files import Folder
from vaka.copy.reserve.entry import Entry, State
from vaka.copy.reserve.mode import Mode
from vaka.fhir.dates import ZONE

ALL_BACK: Final = "All is back, as far as this copy knows: ask each unit whether it has entered what stands on paper."


def by_hand(command: Callable[..., Any]) -> Callable[..., Any]:
    """Who does it, and why (S31)."""
    command = click.option("--reason", required=True, help="Why. It is kept.")(command)
    return click.option("--by", required=True, metavar="NAME", help="Who decides this. It is kept.")(command)


def line_of(one: Entry, waits_for: int | None = None) -> str:
    """An entry in a line. ``waits_for``: number of the refused entry that holds it back."""
    waits = f" (waits for {waits_for})" if waits_for is not None else ""
    why = f": {one.reason}" if one.reason else ""
    return (
        f"{one.number:>6}  {one.state.name.lower():<9}  {local(one.recorded_us)}  {one.site:<12}  "
        f"{one.method} {one.path or 'transaction'}  {one.principal}{waits}{why}"
    )


def held_for(one: Entry, at: Folder) -> str | None:
    """Id of the copy that hands the entry over; None: this one."""
    return one.origin if one.origin != at.about().id else None


def told_of(one: Entry, waits_for: int | None, held_for: str | None = None) -> dict[str, Any]:
    """An entry without what was written: ids, times and reasons."""
    return {
        "number": one.number, "id": one.id, "state": one.state.name.lower(), "reason": one.reason or None,
        "waits_for": waits_for, "held_for": held_for,
        "recorded": datetime.fromtimestamp(one.recorded_us / 1e6, UTC).isoformat(), "site": one.site,
        "who": one.principal, "method": one.method, "path": one.path,
        "age_s": round(time.time() - one.recorded_us / 1e6),
    }  # fmt: skip


def local(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, ZONE).strftime("%Y-%m-%d %H:%M:%S")


def next_step(mode: Mode, counts: dict[State, int]) -> str:
    """What to do next, in a sentence."""
    waiting, refused = counts.get(State.WAITING, 0), counts.get(State.REFUSED, 0)
    match mode:
        case Mode.FORCED:
            return "Next: `vaka reserve leave --by NAME --reason …` when the journal may be written to again."
        case Mode.RESERVE:
            return "Next: nothing; 30 s after the journal commits again all is handed over by itself."
    if refused:
        return (
            f"Next: {refused} refused. Look at each with `show`. Mend what it names and `hand-over --again NUMBER`,"
            " or enter it anew and `settle NUMBER`."
        )
    if waiting:
        return "Next: nothing; what waits is being handed over. `hand-over` does it at once, for example if the copy is stopped."
    return "Nothing waits."
