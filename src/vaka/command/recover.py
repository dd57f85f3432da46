"""``vaka reserve recover``: what is in the reserve of a copy that has gone dark, and its way home.

Invariants: the dead copy's entries are only read here, but for what the journal itself says of those that it took; an entry keeps
its id and its key wherever it goes, so that however often, from however many places it is handed over, it is done once; drafts
are joined to what a living copy knows of them, never told as to what was typed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import click
import orjson

from vaka import errors, log
from vaka.command import options
from vaka.command.reserve_told import line_of, told_of
from vaka.copy.files import Folder
from vaka.copy.reserve import recovery
from vaka.copy.reserve.draft import Draft
from vaka.copy.reserve.entry import Entry, State
from vaka.copy.reserve.hand_over import HandOver
from vaka.copy.reserve.journal import JournalClient
from vaka.copy.reserve.mode import Left
from vaka.copy.reserve.opening import open_reserve, token
from vaka.copy.reserve.store import ReserveStore
from vaka.copy.reserve.telling import Telling

_FILE = click.Path(exists=True, path_type=Path, dir_okay=False)
_OPEN = (State.UNHELD, State.WAITING, State.REFUSED)


@click.command("recover")
@click.option(
    "--data", required=True, metavar="DIR", help="The folder of the copy that has gone dark, or what is left of it."
)
@click.option(
    "--key", "private", required=True, type=_FILE, metavar="FILE", help="The region's recovery key, its private half."
)
@options.passphrase()
@click.option(
    "--into",
    metavar="DIR",
    help="Give its entries and drafts to the copy in this folder, which hands the entries over.",
)
@click.option("--into-key-file", type=_FILE, metavar="FILE", help="That copy's key.  [default: its DIR/keys/copy.key]")
@click.option("--hand-over", "direct", is_flag=True, help="Hand its entries over to the journal from here.")
@click.option(
    "--token-file", type=_FILE, metavar="FILE", help="A token with the scope reserve.  [default: DIR/keys/token]"
)
@click.option("--cafile", type=_FILE, metavar="FILE", help="The authority of the journal's certificate.")
@click.option("--journal", metavar="URL", help="The journal's address, if it is another now.")
@click.option("--by", metavar="NAME", help="Who decides this. It is kept.")
@click.option("--reason", help="Why. It is kept.")
@options.as_json
def command(
    data: str, private: Path, passphrase: str, into: str | None, into_key_file: Path | None, direct: bool,
    token_file: Path | None, cafile: Path | None, journal: str | None, by: str | None, reason: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Open the reserve of a dead copy with the region's recovery key.

    Without --into or --hand-over it lists what is there. Doing it twice does it once.
    """
    if (into or direct) and not (by and reason and by.strip() and reason.strip()):
        raise errors.Invalid("a decision needs a name and a reason", help="--by NAME --reason …")
    if into and direct:
        raise errors.Invalid("--into or --hand-over, one of them")
    dark = Folder(Path(data))
    dark.about()
    key = recovery.opened(dark, private, passphrase)
    store = open_reserve(dark, must_exist=True, recovered=key)
    try:
        entries, drafts = list(_all(store)), list(store.drafts.every())
        standing = sum(bool(one.texts) for one in drafts)
        if into or direct:
            store.note("recovered", str(by), str(reason))
            log.warning(
                "reserve recovered", copy=dark.about().name, by=by, reason=reason, entries=len(entries), drafts=standing
            )
        if into is not None:
            entries = _give(entries, drafts, Folder(Path(into)), into_key_file)
        elif direct:
            store.happened(Left(str(by), str(reason)))
            client = JournalClient(
                journal or dark.about().journal, lambda: token(dark, token_file), verify=str(cafile) if cafile else True
            )
            asyncio.run(_hand_over(store, client))
            entries = [now for one in entries if (now := store.get(one.number)) is not None]
    finally:
        store.close()
    _tell(entries, standing, as_json)
    if direct and any(one.state is State.WAITING for one in entries):
        raise errors.Unavailable(
            "the journal has not taken all of it", help="the list says what waits; do it again when the journal is well"
        )


def _all(store: ReserveStore) -> Iterable[Entry]:
    """Every entry that the journal does not have, of this copy or held for others, in the order in which they came in."""
    after = 0
    while found := store.listed(_OPEN, after=after):
        yield from found
        after = found[-1].number


def _give(entries: Iterable[Entry], drafts: Iterable[Draft], folder: Folder, key_file: Path | None) -> list[Entry]:
    """Puts into the reserve of the copy in ``folder`` all that somebody was told is safe; as it stands there now.
    Drafts are joined there, and told on to its neighbours."""
    store, telling = open_reserve(folder, key_file), Telling(folder.control)
    try:
        for draft in drafts:
            store.drafts.hold(draft)
        given = [store.take_over(one) for one in entries if one.state is not State.UNHELD]

        async def show() -> None:
            for one in given:
                await telling(one)

        asyncio.run(show())
        return given
    finally:
        store.close()


async def _hand_over(store: ReserveStore, client: JournalClient) -> None:
    whose = {one.origin for one in _all(store)} | {store.origin}
    try:
        await HandOver(store, client, whose=whose).all()
    finally:
        await client.close()


def _tell(entries: list[Entry], drafts: int, as_json: bool) -> None:
    counts = Counter(one.state.name.lower() for one in entries)
    if as_json:
        told = {"entries": [told_of(one, None) for one in entries], "counts": counts, "drafts": drafts}
        click.echo(orjson.dumps(told))
        return
    for one in entries:
        never = " (acknowledged to nobody)" if one.state is State.UNHELD else ""
        click.echo(line_of(one) + never)
    click.echo(", ".join(f"{number} {name}" for name, number in sorted(counts.items())) or "No entry is in it.")
    if drafts:
        click.echo(f"{drafts} drafts, which their authors find at a copy: --into gives them to one.")
