"""``vaka reserve``: what was written on a copy while the journal was away, and what has become of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click
import orjson

from vaka import errors
from vaka.api.admission import Shared
from vaka.api.admission.shared import told as door_told
from vaka.api.door.told import Told
from vaka.command import options, recover
from vaka.command.reserve_told import ALL_BACK, by_hand, held_for, line_of, local, next_step, told_of
from vaka.copy.files import Folder
from vaka.copy.reserve import recovery
from vaka.copy.reserve.back import Facts, missing
from vaka.copy.reserve.entry import Entry, State
from vaka.copy.reserve.hand_over import HandOver
from vaka.copy.reserve.journal import JournalClient
from vaka.copy.reserve.mode import Forced, Left, Mode, Standing
from vaka.copy.reserve.neighbours import Neighbours
from vaka.copy.reserve.opening import open_reserve, token
from vaka.copy.reserve.peers import Peers
from vaka.copy.reserve.plan import outline, plan
from vaka.copy.reserve.store import ReserveStore
from vaka.store.version import instant

_STATES: Final = {state.name.lower(): state for state in State}
_UNFINISHED: Final = (State.UNHELD, State.WAITING, State.REFUSED)


def _of_copy(command: Callable[..., Any]) -> Callable[..., Any]:
    """The folder of a copy and its key, as the arguments ``at`` and ``key_file``."""

    @click.option("--data", required=True, metavar="DIR", envvar="VAKA_COPY", help="The copy's folder.")
    @click.option(
        "--key-file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
        help="The copy's key.  [default: DIR/keys/copy.key]",
    )  # fmt: skip
    @wraps(command)
    def with_copy(*, data: str, key_file: Path | None, **others: Any) -> Any:
        folder = Folder(Path(data))
        folder.about()
        return command(**others, at=folder, key_file=key_file)

    return with_copy


@contextmanager
def _opened(at: Folder, key_file: Path | None) -> Iterator[ReserveStore]:
    store = open_reserve(at, key_file, must_exist=True)
    try:
        yield store
    finally:
        store.close()


@click.group("reserve")
def command() -> None:
    """What was written on a copy while the journal was away.

    Entries find their own way home. `list` says what waits, what was refused and what to do next.
    """


command.add_command(recover.command)


@command.command("list")
@_of_copy
@click.option(
    "--state", "states", multiple=True, type=click.Choice(sorted(_STATES)), help="Only these.  [default: open ones]"
)
@options.as_json
def list_(at: Folder, key_file: Path | None, states: tuple[str, ...], as_json: bool) -> None:
    """Entries, in the order in which they came in, with their state, and why where it is not over."""
    with _opened(at, key_file) as store:
        found = list(_every(store, [_STATES[name] for name in states] or _UNFINISHED))
        held_back = _held_back(store)
        (standing, since_us), counts = _mode(store), store.counts()
        not_back = missing(_facts(store, at))
    next_ = next_step(standing.mode, counts)
    if as_json:
        told = {
            "mode": _mode_told(standing, since_us),
            "counts": {state.name.lower(): number for state, number in counts.items()},
            "entries": [told_of(one, held_back.get(one.number), held_for(one, at)) for one in found],
            "next": next_,
            "all_back": not not_back,
            "not_back": not_back,
            "recovery_key": recovery.kept_for(at),
        }
        click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2))
        return
    since = f" since {local(since_us)}" if since_us is not None else ""
    by = f", by {standing.by}" if standing.by else ""
    click.echo(f"Mode {standing.mode.value}{since}{by}{': ' + standing.reason if standing.reason else ''}")
    for one in found:
        click.echo(line_of(one, held_back.get(one.number)))
    kid = recovery.kept_for(at)
    opens = (
        f"Also opened by the recovery key {kid}." if kid else "No recovery key opens this reserve without the copy's."
    )
    click.echo(opens)
    click.echo(f"Not all is back: {'; '.join(not_back)}." if not_back else ALL_BACK)
    click.echo(next_)


@command.command("show")
@click.argument("number", type=int)
@_of_copy
@click.option("--content", is_flag=True, help="Also what was written: health data.")
@options.as_json
def show(number: int, at: Folder, key_file: Path | None, content: bool, as_json: bool) -> None:
    """One entry: who, when, where, what it makes, what has become of it."""
    with _opened(at, key_file) as store:
        one, held_back = _entry(store, number), _held_back(store)
    told = told_of(one, held_back.get(number), held_for(one, at)) | {
        "makes": sorted(one.makes), "patients": sorted(one.patients), "refers": list(one.refers), "key": one.key,
        "copies": one.copies,
        "clock_offset_ms": one.offset_ms, "site_only": one.single_site, "numbers": dict(one.numbers),
        "allergies": one.checked or None, "result": dict(one.result),
    }  # fmt: skip
    if content:
        told["content"] = one.body.decode("utf-8", "replace")
    if as_json:
        click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2))
        return
    for name, value in told.items():
        if value not in (None, "", [], {}):
            click.echo(f"{name:<16} {value if isinstance(value, str) else orjson.dumps(value).decode()}")


@command.command("hand-over")
@_of_copy
@click.option("--again", multiple=True, type=int, metavar="NUMBER", help="Try this refused entry again.")
@click.option(
    "--of", "others", multiple=True, metavar="COPY", help="Also what is held for this copy, which is gone: its id."
)
@click.option(
    "--cafile", type=click.Path(exists=True, dir_okay=False), help="The authority of the journal's certificate."
)
@options.as_json
def hand_over(
    at: Folder,
    key_file: Path | None,
    again: tuple[int, ...],
    others: tuple[str, ...],
    cafile: str | None,
    as_json: bool,
) -> None:
    """Hand over now what waits. The copy does so by itself; doing it twice does it once."""
    with _opened(at, key_file) as store:
        if store.standing().mode in (Mode.RESERVE, Mode.FORCED):
            raise errors.Conflict(
                f"the copy is in mode {store.standing().mode.value}: {store.standing().reason}",
                help="`vaka reserve leave --by NAME --reason …` ends it; by itself it ends after 30 s of the journal's commits",
            )
        for number in again:
            _require_ours(_entry(store, number), at, others)
            if not store.become(number, State.WAITING, "tried again", only_from=[State.REFUSED]):
                raise errors.Invalid(f"entry {number} is not one that was refused")
        whose = (at.about().id, *others)
        before = {one.number for one in _every(store, (State.WAITING,)) if one.origin in whose}
        asyncio.run(_hand_over(store, at, others, cafile))
        after = {number: found for number in sorted(before) if (found := store.get(number)) is not None}
        held_back = _held_back(store)
    counts = {state.name.lower(): sum(one.state is state for one in after.values()) for state in State}
    if as_json:
        told = [told_of(one, held_back.get(one.number), held_for(one, at)) for one in after.values()]
        click.echo(orjson.dumps({"entries": told, "counts": counts}))
    else:
        click.echo(", ".join(f"{number} {name}" for name, number in counts.items() if number) or "nothing waited")
    if counts["waiting"]:
        raise errors.Unavailable(
            "the journal has not taken all of it", help="`vaka reserve list` says what waits, and for what"
        )


async def _hand_over(store: ReserveStore, at: Folder, others: tuple[str, ...], cafile: str | None) -> None:
    about = at.about()
    client = JournalClient(about.journal, lambda: token(at), verify=cafile or True)
    try:
        await HandOver(store, client, whose=(about.id, *others)).all()
    finally:
        await client.close()


@command.command("settle")
@click.argument("number", type=int)
@_of_copy
@by_hand
@options.as_json
def settle(number: int, at: Folder, key_file: Path | None, by: str, reason: str, as_json: bool) -> None:
    """Close a refused entry: a person has seen to it, for example by entering it anew. It is kept, with name and reason."""
    with _opened(at, key_file) as store:
        _require_ours(_entry(store, number), at)
        if not store.become(number, State.SETTLED, f"{by}: {reason}", only_from=[State.REFUSED]):
            raise errors.Conflict(
                f"entry {number} was not refused", help="only what the journal refused is settled by a person"
            )
        told = told_of(_entry(store, number), None)
    click.echo(orjson.dumps(told) if as_json else f"Entry {number} is settled by {by}")


@command.command("force")
@_of_copy
@by_hand
@options.as_json
def force(at: Folder, key_file: Path | None, by: str, reason: str, as_json: bool) -> None:
    """Send all writes into the reserve from now on, until somebody leaves it: before planned work on the journal, or where
    it lies."""
    _decide(at, key_file, Forced(by, reason), as_json)


@command.command("leave")
@_of_copy
@by_hand
@options.as_json
def leave(at: Folder, key_file: Path | None, by: str, reason: str, as_json: bool) -> None:
    """End the reserve: what waits is handed over, each patient's before new writes of that patient pass."""
    _decide(at, key_file, Left(by, reason), as_json)


def _decide(at: Folder, key_file: Path | None, event: Forced | Left, as_json: bool) -> None:
    store = open_reserve(at, key_file)
    try:
        store.happened(event)
        standing, since_us = _mode(store)
    finally:
        store.close()
    if as_json:
        click.echo(orjson.dumps(_mode_told(standing, since_us)))
        return
    click.echo(f"Mode {standing.mode.value}{': ' + standing.reason if standing.reason else ''}")


def _mode(store: ReserveStore) -> tuple[Standing, int | None]:
    """The mode, and since when; None: from the beginning."""
    standing = store.standing()
    since = (at_us for at_us, mode, _, _ in store.mode_changes() if mode == standing.mode.value)
    return standing, next(since, None)


def _mode_told(standing: Standing, since_us: int | None) -> dict[str, str | None]:
    return {
        "mode": standing.mode.value, "by": standing.by, "reason": standing.reason,
        "since": instant(since_us) if since_us is not None else None,
    }  # fmt: skip


def _every(store: ReserveStore, states: Collection[State]) -> Iterator[Entry]:
    """All entries in these states, without what was written."""
    after = 0
    while found := store.listed(states, after=after):
        yield from map(outline, found)
        after = found[-1].number


def _held_back(store: ReserveStore) -> dict[int, int]:
    """Number of an entry → the refused entry that it waits for."""
    return plan(_every(store, _UNFINISHED)).held_back


def _facts(store: ReserveStore, at: Folder) -> Facts:
    """What this copy knows of whether all is back."""
    board, door = Told(at.board), door_told(Shared.look(at.path / "admission"))
    away = Peers(store, Neighbours(at).peers, lambda: "").out_of_reach()
    return Facts(
        board.age_s if board.heard else None, store.standing().mode, store.counts(), [one.name for one in away],
        [(f"{one.name} (since {local(one.since_us)})", one.sends()) for one in store.programs.keeping()],
        door["step"], door["classes"]["login"]["waiting"],
    )  # fmt: skip


def _require_ours(entry: Entry, at: Folder, others: Collection[str] = ()) -> None:
    """Conflict for an entry that another copy hands over: it would not hear of what is decided here."""
    if entry.origin not in (at.about().id, *others):
        raise errors.Conflict(
            f"entry {entry.number} is held here for {entry.site}, which hands it over",
            help=f"do it at {entry.site}; if that is gone, `vaka reserve hand-over --of {entry.origin}` sends what waits",
        )


def _entry(store: ReserveStore, number: int) -> Entry:
    found = store.get(number)
    if found is None:
        raise errors.NotFound(f"there is no entry {number} here", help="`vaka reserve list` has the numbers")
    return found
