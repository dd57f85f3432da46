"""``vaka status``: what runs, checked against the living processes and the API's own word."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click
import orjson
from cryptography import x509

from vaka import assemble, errors
from vaka.api.certificates import RENEW_BEFORE_DAYS, names_of
from vaka.assemble import fronted
from vaka.command import options
from vaka.watch import status
from vaka.watch.directory import Directory
from vaka.watch.probe import http_status, unverified

PROBE_TIMEOUT_S: Final = 5.0
ALONE: Final = (
    "one copy only: what people write while the journal is away stands on one disk alone (copies=1), and programs are refused."
    " `vaka up --copies 2` holds it twice"
)
NOT_RUNNING: Final = 3  # as the init scripts of the Linux Standard Base say it


@click.command("status")
@options.data
@options.as_json
def command(data: str, as_json: bool) -> int:
    """Every process: name, role, pid, address, state. Exit code 3 where Vaka is not running, 1 where not ready.

    \b
    vaka status --data /srv/vaka || echo "somebody has to look"
    """
    directory = assemble.directory(data)
    found = status.read(directory.status)
    running = status.alive(found)
    answers = {path: _ask(found.url, path) if found and running else None for path in ("/health", "/ready")}
    journal = _ask(found.journal, "/ready") if found and running and found.journal else answers["/ready"]
    certificate = _certificate(found.url) if found and running else None
    deriving = _deriving(found.dsn) if found and running and found.dsn else None
    if as_json:
        processes = [asdict(part) for part in _rows(directory, found)] if found else []
        told: dict[str, object] = {"running": running, "processes": processes}
        told |= {path[1:]: code for path, code in answers.items()} | {"note": found.note if found else None}
        told |= {"law": found.law if found else None, "deriving_percent": deriving}
        told |= {"admission": _admission(directory.run), "reserve_alone": _alone(directory, found)}
        told |= {"copies": {name: asdict(one) for name, one in _copies(directory, found).items()}}
        told |= {
            "url": found.url if found else None,
            "journal": found.journal if found else None,
            "journal_ready": journal,
        }
        told |= {"certificate_expires": certificate.expires if certificate else None}
        click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2))
    elif not found or not running:
        click.echo(f"Vaka is not running in {directory.path}" + (f" (last: {found.note})" if found else ""))
    else:
        _table(_rows(directory, found))
        click.echo("  ".join(f"{path} {code or 'no answer'}" for path, code in answers.items()))
        if (held := _held(directory)) is not None:
            click.echo(held)
        for name, one in _copies(directory, found).items():
            click.echo(f"{name}: {one.in_words()}")
        if (step := _admission(directory.run)["step"]) != "full":
            click.echo(f"too many ask at once: only the {step} is shown")
        if found.journal != found.url:
            click.echo(f"the journal, behind its copies: {found.journal} /ready {journal or 'no answer'}")
        if _alone(directory, found):
            click.echo(ALONE)
        if deriving is not None:
            click.echo(
                f"what the record says about access is being derived, {deriving} % done: nobody is served before it is"
            )
        if opened := [name for name, on in found.law.items() if on]:
            click.echo(f"points of law that are open: {', '.join(opened)}")
        if certificate is not None:
            click.echo(
                f"certificate of {certificate.subject} until {certificate.expires:%Y-%m-%d}{certificate.warning}"
            )
    if not running:
        return NOT_RUNNING
    return 0 if answers["/ready"] == journal == 200 else 1


def _rows(directory: Directory, found: status.Status) -> list[status.PartStatus]:
    """Every process, those of copies below their own."""
    rows = []
    for part in status.rows(found):
        rows.append(part)
        if not part.name.startswith("copy-") or part.state == "gone":
            continue
        inner = status.read(fronted.folder(directory, int(part.name.removeprefix("copy-"))).status)
        rows += [replace(one, name=f"{part.name} {one.name}") for one in inner.parts] if inner is not None else []
    return rows


@dataclass(frozen=True, slots=True)
class _Copy:
    """How a copy stands, as its board tells: ``age_s`` of what it shows, None: not known since the machine started;
    ``admission``: whom its door lets in."""

    age_s: float | None
    as_of: str | None
    frozen: bool
    braked: bool
    distrusting: bool
    disk_full: bool
    damaged: bool
    set_aside: int
    lost: int
    waiting: int
    refused: int
    peers_away: int
    admission: dict[str, Any]

    def in_words(self) -> str:
        since = f", as of {self.as_of}" if self.as_of else ""
        age = "of unknown age" if self.age_s is None else f"{self.age_s:.0f} s old"
        wrong = {
            "frozen by a person": self.frozen, "the brake is on": self.braked,
            "the journal's history is another": self.distrusting, "its disk is full": self.disk_full,
            "its record is damaged": self.damaged,
            f"{self.set_aside} cannot be interpreted": self.set_aside, f"{self.lost} that the journal lost": self.lost,
            f"{self.waiting} wait in its reserve": self.waiting, f"{self.refused} were refused": self.refused,
            f"{self.peers_away} copies out of reach": self.peers_away,
            f"too many ask at once: only the {self.admission['step']} is shown": self.admission["step"] != "full",
        }  # fmt: skip
        return "; ".join([f"what it shows is {age}{since}", *(text for text, holds in wrong.items() if holds)])


def _copies(directory: Directory, found: status.Status | None) -> dict[str, _Copy]:
    """The copies of this Vaka, or the one in this folder, by their names."""
    from vaka.copy.board import Board, Field
    from vaka.copy.files import Folder
    from vaka.store.version import instant

    places = {"this copy": directory.path} if (directory.path / "copy.json").exists() else {}
    for part in found.parts if found is not None else ():
        if part.name.startswith("copy-") and part.state != "gone":
            places[part.name] = fronted.folder(directory, int(part.name.removeprefix("copy-"))).path
    told = {}
    for name, path in places.items():
        try:
            board = Board(Folder(path).board)
        except (OSError, errors.Fault):
            continue  # it has not begun yet
        told[name] = _Copy(
            board.age_s(), instant(board[Field.HORIZON_US]) if board[Field.HORIZON_US] else None,
            bool(board[Field.FROZEN]), bool(board[Field.BRAKED]), bool(board[Field.DISTRUSTING]), bool(board[Field.DISK_FULL]),
            bool(board[Field.DAMAGED]), board[Field.ASIDE], board[Field.LOST], board[Field.RESERVE_WAITING],
            board[Field.RESERVE_REFUSED], board[Field.PEERS_AWAY], _admission(path),
        )  # fmt: skip
        board.close()
    return told


def _held(directory: Directory) -> str | None:
    """Whose record a copy holds; None where this is none."""
    from vaka.api.door.told import Told
    from vaka.copy.files import Folder

    folder = Folder(directory.path)
    if not (folder.path / "copy.json").exists():
        return None
    scope, told = folder.about().scope, Told(folder.board)
    if scope is None:
        return "it holds the region"
    return f"it holds the patients of {', '.join(scope.named)}: {told.patients}, and {told.taking} are being taken in"


def _alone(directory: Directory, found: status.Status | None) -> bool:
    return found is not None and found.journal != found.url and fronted.alone(directory)


def _admission(place: Path) -> dict[str, Any]:
    """Whom a door lets in, as its workers tell each other at ``place``, the journal's folder of what runs or a copy's own: asked
    of nobody, so that a full house can be looked at."""
    from vaka.api.admission.shared import Shared, told

    return told(Shared.look(place / "admission"))


def _deriving(dsn: str) -> int | None:
    from vaka.journal import deriving

    return deriving.progress(dsn)


def _ask(url: str, path: str) -> int | None:
    address = urlsplit(url)
    try:
        return asyncio.run(
            asyncio.wait_for(
                http_status(address.hostname or "", address.port or 80, path, tls=address.scheme == "https"),
                PROBE_TIMEOUT_S,
            )
        )
    except (OSError, TimeoutError):
        return None


@dataclass(frozen=True, slots=True)
class _Certificate:
    subject: str
    expires: datetime

    @property
    def warning(self) -> str:
        days = (self.expires - datetime.now(UTC)).days
        if days >= RENEW_BEFORE_DAYS:
            return ""
        return " (EXPIRED)" if days < 0 else f" (EXPIRES IN {days} DAYS)"


def _certificate(url: str) -> _Certificate | None:
    """The certificate that is served now, whatever files say; None without TLS, or where nothing answers."""
    address = urlsplit(url)
    if address.scheme != "https":
        return None
    try:
        with (
            socket.create_connection((address.hostname or "", address.port or 443), PROBE_TIMEOUT_S) as plain,
            unverified().wrap_socket(plain) as wrapped,
        ):
            found = x509.load_der_x509_certificate(wrapped.getpeercert(binary_form=True) or b"")
    except (OSError, ValueError):
        return None
    return _Certificate(", ".join(names_of(found)) or found.subject.rfc4514_string(), found.not_valid_after_utc)


def _table(parts: Sequence[status.PartStatus]) -> None:
    rows = [("NAME", "ROLE", "PID", "ADDRESS", "STATE")]
    rows += [(p.name, p.role, str(p.pid or "-"), p.address or "-", p.state) for p in parts]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
