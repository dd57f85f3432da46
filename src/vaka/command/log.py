"""``vaka log``: verify, show, extract, review and forget the access log. docs/operating/access-log.md tells how to use it.

Invariant: who looks into the log by command is logged too.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import click
import orjson

from vaka import assemble, config, errors
from vaka.accesslog import direct, files, forget, read, review, verify
from vaka.accesslog.read import Asked, Event
from vaka.accesslog.record import person_key
from vaka.accesslog.ship import Shipper
from vaka.accesslog.store import TableStore
from vaka.command import log_carried, options
from vaka.copy import files as copies
from vaka.copy.files import Folder
from vaka.fhir.keys import resource_key
from vaka.journal.journal import Journal
from vaka.load.target import dsn_of

if TYPE_CHECKING:
    from vaka.web.pages.log_extract import LogExtractPage

T = TypeVar("T")
OUTCOMES = {None: frozenset[str](), True: frozenset({"4", "8"}), False: frozenset({"0"})}

database = click.option(
    "--database", metavar="URL", envvar="VAKA_DATABASE", help="The PostgreSQL that `vaka up --database` was given."
)


@click.group("log")
def command() -> None:
    """Verify, show, extract, review and forget the access log; on a copy, what it carries of others'."""


command.add_command(log_carried.carried)


def folder_of(data: str) -> Path:
    """The log's files of the Vaka in ``data``."""
    return assemble.directory(data).path / "accesslog"


@asynccontextmanager
async def opened(folder: Path, dsn: str) -> AsyncIterator[Journal]:
    """The journal's database, with all that the files here hold shipped into it."""
    journal = await Journal.open(dsn)
    try:
        await Shipper(folder, TableStore(journal.pool.connection)).ship(everything=True)
        yield journal
    finally:
        await journal.close()


def run(data: str, url: str | None, work: Callable[[Journal], Coroutine[Any, Any, T]]) -> T:
    """Runs ``work`` on the opened journal."""
    dsn = dsn_of(assemble.directory(data), url)

    async def inner() -> T:
        async with opened(folder_of(data), dsn) as journal:
            return await work(journal)

    return asyncio.run(inner())


async def looked(journal: Journal, reason: str, patients: tuple[int, ...] = ()) -> None:
    """Logs that somebody looks into the log."""
    async with journal.pool.connection() as connection:
        await direct.append(connection, [direct.command_record("log", reason, patients=patients)])


def a_time(text: str | None) -> datetime | None:
    """A time as given on the command line; without zone it is this machine's."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError as error:
        raise errors.Invalid(
            f"{text} is not a time", help="for example 2026-03-01 or 2026-03-01T08:30:00+01:00"
        ) from error


def told(event: Event) -> dict[str, Any]:
    """An event as JSON."""
    record = {**event.record._asdict(), "actor": asdict(event.record.actor)}
    time_us = record.pop("time_us")
    actor = {name: value for name, value in record.pop("actor").items() if value}
    kept = {name: value for name, value in record.items() if value not in ("", (), 0)}
    at = datetime.fromtimestamp(time_us / 1_000_000, UTC).isoformat(timespec="microseconds")
    return {
        "id": event.id,
        "time": at,
        "system": event.system,
        "stream": event.stream,
        "block": event.block,
        "actor": actor,
        **kept,
    }


@command.command("show")
@click.option("--patient", metavar="ID", help="Of this patient, by resource id.")
@click.option("--person", metavar="HSA-ID|NAME", help="By this person, or program.")
@click.option("--activity", "activities", multiple=True, help="Only this activity: read, search, emergency …")
@click.option("--refused/--answered", default=None, help="Only what was refused, or only what was not.")
@click.option("--since", metavar="TIME", help="Only from this time on.")
@click.option("--until", metavar="TIME", help="Only before this time.")
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1, config.LOG_EXTRACT_MAX), help="How many at most."
)
@options.data
@database
@options.as_json
def show(
    *, patient: str | None, person: str | None, activities: tuple[str, ...], refused: bool | None, since: str | None,
    until: str | None, limit: int, data: str, database: str | None, as_json: bool,
) -> None:  # fmt: skip
    """The newest events, newest first."""
    key = resource_key("Patient", patient) if patient else None
    asked = Asked(
        patient=key, person=person_key(person) if person else None, since=a_time(since), until=a_time(until),
        activities=frozenset(activities), outcomes=OUTCOMES[refused],
    )  # fmt: skip

    async def work(journal: Journal) -> list[Event]:
        await looked(journal, "show", () if key is None else (key,))
        async with journal.reading.connection() as connection:
            return await read.page(connection, asked, limit)

    for event in sorted(run(data, database, work), key=lambda event: event.record.time_us, reverse=True):
        if as_json:
            click.echo(orjson.dumps(told(event)))
        else:
            record, who = event.record, event.record.actor
            name = f"{who.name} ({who.person}, {who.title}, {who.unit})" if who.person else who.principal or who.name
            at = datetime.fromtimestamp(record.time_us / 1_000_000, UTC).astimezone()
            rest = " ".join(part for part in (record.rule, record.reason, record.why, record.address) if part)
            click.echo(
                f"{at:%Y-%m-%d %H:%M:%S%z}  {record.status} {record.activity} {record.type}"
                f"  {name}  {len(record.patients)} patients, {len(record.seqs) + record.more} versions  {rest}"
            )


@command.command("verify")
@click.option(
    "--since", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
    help="What --json printed at an earlier time, kept where nobody could change it.",
)  # fmt: skip
@click.option(
    "--key-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
    help="In the folder of a copy: its key.  [default: DIR/keys/copy.key]",
)  # fmt: skip
@options.data
@database
@options.as_json
def verify_(since: Path | None, key_file: Path | None, data: str, database: str | None, as_json: bool) -> int:
    """Follow the chain of every stream through tables and files; in the folder of a copy, through its files against what the
    journal knows. Exit code 1 where something is not as it was written."""

    known = _ends(since) if since is not None else {}
    folder = folder_of(data)
    copy = Folder(assemble.directory(data).path)

    async def work(dsn: str) -> verify.Verified:
        journal = await Journal.open(dsn)
        try:
            async with journal.pool.connection() as connection:
                return await verify.verify(connection, folder, known)
        finally:
            await journal.close()

    if (copy.path / "copy.json").exists():
        key = copies.log_key(copies.key(copy, key_file))
        heads, elsewhere, away = asyncio.run(_heads(copy, folder))
        found = verify.verify_files(folder, heads, known, key, elsewhere)
        found.notes += [f"the journal could not be asked ({away}): a tail that was cut off is not seen"] if away else []
    else:
        found = asyncio.run(work(dsn_of(assemble.directory(data), database)))
    if as_json:
        click.echo(orjson.dumps(asdict(found), option=orjson.OPT_INDENT_2))
    else:
        for finding in found.findings:
            click.echo(f"stream {finding.stream}, block {finding.block} ({finding.where}): {finding.what}")
        for note in found.notes:
            click.echo(f"note: {note}")
        sound = "all as it was written" if not found.findings else f"{len(found.findings)} findings"
        click.echo(f"{found.streams} streams, {found.blocks} blocks, {found.records} records: {sound}")
    return 1 if found.findings else 0


_Heads: TypeAlias = dict[str, tuple[int, bytes]]
_Ranges: TypeAlias = dict[str, list[tuple[int, int]]]


async def _heads(copy: Folder, folder: Path) -> tuple[_Heads, _Ranges, str]:
    """The newest block of each of a copy's logs that the journal knows of; which blocks the journal holds, from where the files
    begin; and why it could not be asked."""
    import httpx

    from vaka.accesslog.remote import JournalStore

    proof = copy.token.read_text().strip() if copy.token.exists() else ""
    found, held = _Heads(), _Ranges()
    try:
        async with httpx.AsyncClient(base_url=copy.about().journal, timeout=5, verify=_trusting(copy.keys)) as client:

            async def post(address: str, body: bytes) -> tuple[int, bytes]:
                answer = await client.post(address, content=body, headers={"Authorization": f"Bearer {proof}"})
                return answer.status_code, answer.content

            for place in files.logs(folder):
                stream = files.stream_name(place) or ""
                if (head := await JournalStore(post).newest(stream)) is not None:
                    found[stream] = head
                    begins = (files.first_block(path) for _, path in files.segments(place))
                    first = next((one for one in begins if one is not None), 1)
                    held[stream] = await JournalStore(post).covered(stream, first=first)
    except (httpx.HTTPError, OSError, ValueError) as error:
        return {}, {}, str(error) or type(error).__name__
    return found, held, ""


def _trusting(keys: Path) -> ssl.SSLContext | bool:
    """With the region's own authority and this copy's certificate, where it has them (``vaka peer certificate``)."""
    authority = keys / "authority.pem"
    if not authority.exists():
        return True
    context = ssl.create_default_context(cafile=str(authority))
    for certificate in keys.glob("*.pem"):
        if certificate not in (authority, Folder(keys.parent).revoked):
            context.load_cert_chain(certificate)
    return context


def _ends(path: Path) -> dict[str, verify.End]:
    """Where each stream ended, of what ``verify --json`` has printed. Invalid if it is something else."""
    try:
        told = orjson.loads(path.read_bytes())["ends"]
        return {
            str(stream): verify.End(int(end["block"]), str(end["hash"]), int(end["time_us"]))
            for stream, end in told.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise errors.Invalid(f"{path} is not what vaka log verify --json prints") from error


@command.command("extract")
@click.option("--patient", required=True, metavar="PERSONNUMMER|ID", help="Whose extract it is.")
@click.option(
    "--to", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.pdf", help="A new file."
)
@click.option("--since", metavar="TIME", help="Only from this time on.")
@click.option("--language", type=click.Choice(("sv", "en")), default="sv", show_default=True, help="Of the extract.")
@options.data
@database
def extract(patient: str, to: Path, since: str | None, language: str, data: str, database: str | None) -> None:
    """Write what the patient is told of who has had access: when, which unit, who (in public care), what kind."""
    from vaka.web import log_extract

    if to.exists():
        raise errors.Setup(f"{to} exists already", help="name a new file")

    async def work(journal: Journal) -> LogExtractPage:
        id_ = await log_extract.patient_of(journal, patient)
        key = resource_key("Patient", id_)
        await looked(journal, "extract", (key,))
        return await log_extract.extract(journal, id_, Asked(patient=key, since=a_time(since)), language=language)

    shown = run(data, database, work)
    made = log_extract.as_pdf(shown, language)
    with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(made)
    click.echo(f"{to}: {len(shown.lines)} lines", err=True)


@command.command("review")
@click.option("--sample", type=click.IntRange(1, config.LOG_SAMPLE_MAX), help="Draw so many accesses of people.")
@click.option("--suspicious", is_flag=True, help="Those that stand out, instead of any.")
@click.option("--since", metavar="TIME", help=f"[default: {config.LOG_REVIEW_DAYS} days back]")
@click.option("--event", metavar="ID", help="Record what was found of this event.")
@click.option("--verdict", type=click.Choice(review.VERDICTS), help="What was found.")
@click.option("--comment", default="", help="In words.")
@click.option(
    "--reviewer", metavar="NAME",
    help="Who reviews; with --sample, the HSA-id whose own accesses are left out.  [default: this machine's user]",
)  # fmt: skip
@options.data
@database
@options.as_json
def review_(
    *, sample: int | None, suspicious: bool, since: str | None, event: str | None, verdict: str | None, comment: str,
    reviewer: str | None, data: str, database: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Draw a sample that nobody has reviewed (--sample), record what was found (--event, --verdict), or list the findings."""
    from vaka.web import log_review

    if (event is None) != (verdict is None) or (event is not None and sample is not None):
        raise click.UsageError("give --sample; or --event with --verdict; or neither, for the findings so far")
    begin = a_time(since) or datetime.now(UTC) - timedelta(days=config.LOG_REVIEW_DAYS)

    async def work(journal: Journal) -> list[dict[str, Any]]:
        record = direct.command_record(
            "log-review", f"sample {sample}" if sample else f"event {event}" if event else "list"
        )
        async with journal.pool.connection() as connection:
            await direct.append(connection, [record])
            if event is not None:
                found = await read.event(connection, event)
                who = reviewer or record.actor.name
                number = await review.record_review(
                    connection,
                    found.id,
                    drawn="asked",
                    reviewer=who,
                    verdict=verdict or "",
                    comment=comment,
                    provider=None,
                )
                return [{"review": number, "event": found.id, "verdict": verdict}]
            if sample is None:
                return [asdict(one) for one in await review.reviews(connection)]
        drawn = await log_review.sample(journal, Asked(since=begin), sample, suspicious=suspicious, reviewer=reviewer)
        return [{**told(one.event), "signs": one.signs} for one in drawn]

    for row in run(data, database, work):
        if as_json:
            click.echo(orjson.dumps(row))
        elif "signs" in row:
            who = row["actor"]
            why = ", ".join(row["signs"]) or "at random"
            click.echo(
                f"{row['id']}  {row['time']}  {row['activity']} {row.get('type', '')}  {who.get('name', '')} ({who['person']})"
                f"  {len(row['patients'])} patients  [{why}]"
            )
        else:
            click.echo("  ".join(str(value) for value in row.values()))


@command.command("forget")
@click.option("--before", required=True, metavar="TIME", help="Months wholly before this go; at least 5 years back.")
@options.data
@database
def forget_(before: str, data: str, database: str | None) -> None:
    """Drop months of the log that are older than the law asks for."""
    at = a_time(before)
    assert at is not None

    async def work(journal: Journal) -> list[str]:
        record = direct.command_record("forget", f"before {at:%Y-%m-%d}")
        async with journal.pool.connection() as connection:
            gone = await forget.forget(connection, at, record.actor.name)
            await direct.append(connection, [record])
        return gone

    gone = run(data, database, work)
    click.echo(f"{len(gone)} months dropped" + (f": {', '.join(gone)}" if gone else ""))
