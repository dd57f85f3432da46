"""``vaka copy``: a read copy of a journal, here or on another machine."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click

from vaka import assemble, config, errors
from vaka.access.limits import REASON_MAX_CHARS
from vaka.access.settings import Settings
from vaka.api.wire import Wire
from vaka.assemble.copies import Copy
from vaka.command import options
from vaka.copy import control
from vaka.copy.files import Folder
from vaka.copy.scope import REGION
from vaka.fhir.hsa import hsa_id

_SCOPE_HELP = "give region, or HSA-ids with commas between, for example SE2321000016-1ABC,SE2321000016-1ABD"
# Imported only when used: a copy that starts is waited for.
_OF_SNAPSHOTS: Final[Mapping[str, str]] = {
    "snapshot": "snapshot.snapshot", "open": "snapshot.open_command", "revoke": "snapshot_revoke.revoke",
}  # fmt: skip
_FILE = click.Path(path_type=Path, dir_okay=False, resolve_path=True)


def asked(command: Callable[..., Any]) -> Callable[..., Any]:
    """What ``vaka copy`` and its parts take, as one argument ``copy``."""

    @click.option("--data", metavar="DIR", help="The copy's own folder.")
    @click.option("--from", "source", metavar="URL", help="The journal's address.")
    @click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
    @click.option(
        "--port", default=8081, show_default=True, type=click.IntRange(1, 65535), help="The port to listen at."
    )
    @click.option(
        "--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes that answer: one a core."
    )
    @click.option(
        "--scope", default=REGION, show_default=True, metavar="region|UNIT,…",
        help="What it holds: all, or the patients of these units (HSA-ids); the journal is asked for the others.",
    )  # fmt: skip
    @click.option(
        "--scope-years", default=config.COPY_SCOPE_YEARS, show_default=True, type=click.FloatRange(0, 150, min_open=True),
        metavar="YEARS", help="How far back something at one of these units makes somebody its patient.",
    )  # fmt: skip
    @click.option(
        "--key-file", type=_FILE, metavar="FILE",
        help="The key that its files are encrypted with.  [default: made in DIR/keys]",
    )  # fmt: skip
    @click.option(
        "--token-file", type=_FILE, metavar="FILE",
        help="A token with the scopes feed, feed-private and reserve.  [default: DIR/keys/token]",
    )  # fmt: skip
    @click.option(
        "--authority",
        type=_FILE,
        metavar="FILE",
        help="Whom the journal's certificate is verified with (authority.pem).",
    )
    @click.option(
        "--certificate", type=_FILE, metavar="FILE", help="This copy's own certificate with its key (NAME.pem)."
    )
    @click.option(
        "--neighbour",
        "neighbours",
        multiple=True,
        metavar="URL",
        help="Another copy: it holds what is entered here in a stop, and may give its file.",
    )
    @click.option(
        "--hold-back", "hold_back_s", default=0.0, type=click.FloatRange(0), metavar="SECONDS",
        help="Apply nothing that is younger: a bad change can be stopped before it is here.",
    )  # fmt: skip
    @click.option(
        "--announced", multiple=True, metavar="SOURCE", help="A load that the brake on mass changes does not count."
    )
    @click.option("--demo", is_flag=True, hidden=True, help="A copy of a demo, where staff log in by a click.")
    @options.law
    @options.wire
    @wraps(command)
    def with_copy(
        *,
        data: str | None,
        source: str | None,
        host: str,
        port: int,
        workers: int,
        scope: str,
        scope_years: float,
        key_file: Path | None,
        token_file: Path | None,
        demo: bool,
        law: Settings,
        authority: Path | None,
        certificate: Path | None,
        neighbours: tuple[str, ...],
        hold_back_s: float,
        announced: tuple[str, ...],
        wire: Wire,
        **others: Any,
    ) -> Any:
        if data is None or source is None:
            return command(**others, copy=None)
        copy = Copy(
            assemble.directory(data), source.rstrip("/"), host, port, workers, _units(scope), key_file, token_file, wire,
            demo, law, authority, certificate, neighbours, hold_back_s, announced, scope_years,
        )  # fmt: skip
        return command(**others, copy=copy)

    return with_copy


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *_OF_SNAPSHOTS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _OF_SNAPSHOTS:
            return super().get_command(ctx, cmd_name)
        module, _, name = _OF_SNAPSHOTS[cmd_name].partition(".")
        found = getattr(importlib.import_module(f"vaka.command.{module}"), name)
        assert isinstance(found, click.Command)
        return found


@click.group(
    "copy", cls=_Commands, invoke_without_command=True, subcommand_metavar="[freeze|release|snapshot|open|revoke]"
)
@asked
@click.pass_context
def command(context: click.Context, copy: Copy | None) -> None:
    """Keep a read copy of a journal, and answer from it, until Ctrl-C or SIGTERM.

    It is what everybody reads from: what it cannot answer exactly it passes on to the journal, and when the journal is
    away it goes on, and says how old it is. `vaka up` starts copies of its own on the same machine.

    \b
    vaka token --system copy-south --scope feed --scope feed-private --scope reserve > south.token   at the journal
    vaka copy --from http://127.0.0.1:8080 --data /srv/copy --token-file south.token
    vaka copy --from https://journal.example.org:8443 --data /srv/copy --token-file south.token \\
              --host 0.0.0.0 --port 443 --tls-own --name ehr.example.org --workers 4
    curl localhost:8081/ready                                                           how old it is, where writes go

    `vaka copy freeze` keeps what it has from being changed, `vaka copy release` lets it go on. `vaka copy snapshot` fetches one
    unit's patients for an ordinary PC, `vaka copy open` opens them there.

    Exit code 78: it cannot start here, and says what to do.
    """
    if context.invoked_subcommand is not None:
        return
    if copy is None:
        raise errors.Setup(
            "a copy needs a folder of its own and the journal's address",
            help="vaka copy --from http://127.0.0.1:8080 --data /srv/copy",
        )

    def ready(seconds: float) -> None:
        click.echo(
            f"The copy is ready at {copy.url} after {seconds:.1f} s (data in {copy.directory.path}; Ctrl-C stops it)"
        )

    assemble.run_copy(copy, ready)


def _units(scope: str) -> tuple[str, ...] | None:
    """The units of a scope; None for the region."""
    if scope == REGION:
        return None
    try:
        units = tuple(dict.fromkeys(hsa_id(part) for part in scope.split(",") if part.strip()))
    except errors.Invalid as error:
        raise errors.Setup(f"--scope {scope[:100]}: {error.message}", help=_SCOPE_HELP) from error
    if not 0 < len(units) <= config.COPY_SCOPE_UNITS_MAX:
        raise errors.Setup(
            f"--scope names {len(units)} units: 1 to {config.COPY_SCOPE_UNITS_MAX} can be named", help=_SCOPE_HELP
        )
    return units


def by_hand(command: Callable[..., Any]) -> Callable[..., Any]:
    """Whose decision it is, and why: both are kept."""
    for option in (
        click.option("--reason", required=True, metavar="TEXT", help="Why."),
        click.option("--by", required=True, metavar="NAME", help="Who decides this."),
        click.option(
            "--data", required=True, metavar="DIR", help="The copy's folder; of a copy of vaka up, DIR/copies/N."
        ),
    ):
        command = option(command)
    return command


@command.command("freeze")
@by_hand
def freeze(data: str, by: str, reason: str) -> None:
    """Keep a copy as it is: it applies nothing more, and serves what it has, until it is released.

    \b
    vaka copy freeze --data /srv/copy --by "Eva Ek" --reason "a wrong mass change is on its way"
    """
    _decide(data, "freeze", by, reason)
    click.echo("It is frozen: it serves what it has. `vaka copy release` lets it go on.")


@command.command("release")
@by_hand
def release(data: str, by: str, reason: str) -> None:
    """Let a copy go on that a person has frozen, or the brake has stopped: abnormally many deletions or changes."""
    before = _decide(data, "release", by, reason)
    click.echo(f"It goes on. {before['by']} had held it since {before['since']}: {before['reason']}")


def _decide(data: str, what: str, by: str, reason: str) -> Mapping[str, Any]:
    """Tells the follower, which keeps the decision; where none runs, it is kept for the next one. What holds, or has held, it."""
    folder = Folder(_folder(data))
    told: dict[str, Any] = {what: True, "name": _words("--by", by), "reason": _words("--reason", reason)}
    try:
        answer = asyncio.run(control.ask(folder.control, told))
    except (FileNotFoundError, ConnectionRefusedError):
        from vaka.copy.hold import Hold

        hold = Hold(folder.path)
        return (hold.freeze if what == "freeze" else hold.release)(told).told()
    except (OSError, TimeoutError, ValueError) as error:
        raise errors.Unavailable(
            "the copy's follower does not answer", help="vaka status; try again in a moment"
        ) from error
    if "error" in answer:
        raise errors.Invalid(str(answer["error"]), help=answer.get("help"))
    found: Mapping[str, Any] = answer["held"]
    return found


def _folder(data: str) -> Path:
    folder = assemble.directory(data).path
    if not (folder / "log").is_dir() or (folder / "pg").exists():
        raise errors.Setup(
            f"there is no copy in {folder}", help="name its folder with --data; vaka up has them in DIR/copies"
        )
    return folder


def _words(option: str, text: str) -> str:
    """What a person says, within limits."""
    if not text.strip() or len(text) > REASON_MAX_CHARS or not text.isprintable():
        raise errors.Setup(f"{option} has to be words, {REASON_MAX_CHARS} characters at most", help="on one line")
    return text.strip()
