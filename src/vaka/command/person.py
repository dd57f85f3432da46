"""``vaka person``: ways in for people, and taking them back. Each is in the access log before it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

from vaka import assemble, config, errors
from vaka.accesslog.direct import log_command
from vaka.api import living
from vaka.api.people import People, Person
from vaka.command import options
from vaka.fhir.hsa import hsa_id
from vaka.journal import people
from vaka.journal.journal import Journal
from vaka.load.target import dsn_of
from vaka.store import accounts

T = TypeVar("T")
_hsa = click.option("--hsa", required=True, metavar="ID", help="The person's HSA-id.")
_database = click.option("--database", metavar="URL", envvar="VAKA_DATABASE", help="As for `vaka up`.")


def _run(data: str, database: str | None, logged: tuple[str, str], work: Callable[[Journal], Awaitable[T]]) -> T:
    """``logged``: activity and person, for the access log."""
    dsn = dsn_of(assemble.directory(data), database)
    log_command(dsn, *logged)

    async def opened() -> T:
        journal = await Journal.open(dsn)
        try:
            return await work(journal)
        finally:
            await journal.close()

    return asyncio.run(opened())


@click.group("person")
def command() -> None:
    """Ways in for people: set-up codes, and taking ways in back."""


@command.command("enroll")
@_hsa
@options.data
@_database
@click.option("--url", default="http://localhost:8080", show_default=True, help="Where the person reaches Vaka.")
def enroll(hsa: str, data: str, database: str | None, url: str) -> None:
    """Make a set-up code for passphrase and one-time code. It is printed once, and works once within a day."""
    from vaka.web.ways.enrol import code_hash, make_code

    code, person_hsa = make_code(), hsa_id(hsa)

    async def work(journal: Journal) -> Person | None:
        found = await People(journal).person(person_hsa)
        if found is not None:
            until_us = people.now_us() + config.ENROLMENT_HOURS * 3_600 * 1_000_000
            await people.run(journal, "enrol", person=person_hsa, code=code_hash(code), until_us=until_us)
            await living.changed(journal, person_hsa, accounts.SET_UP_CODE)
        return found

    found = _run(data, database, ("enrol-code", person_hsa), work)
    if found is None:
        raise errors.Setup(
            f"the record has no active Practitioner with HSA-id {person_hsa}, or several", help="load the staff first"
        )
    click.echo(f"Give this to {found.name} ({found.hsa}) in person or by another safe way:")
    click.echo(f"  page         {url}/login/enrol")
    click.echo(f"  set-up code  {code}")
    click.echo(f"It works once, for {config.ENROLMENT_HOURS} hours.")


@command.command("log-out")
@_hsa
@options.data
@_database
def log_out(hsa: str, data: str, database: str | None) -> None:
    """End all sessions that the person has now, everywhere, within a second."""
    person = hsa_id(hsa)
    _run(
        data,
        database,
        ("end-sessions", person),
        lambda journal: people.revoke(journal, person, None, "by an administrator"),
    )
    click.echo(f"All sessions of {person} have ended.")


@command.command("forget")
@_hsa
@options.data
@_database
def forget(hsa: str, data: str, database: str | None) -> None:
    """Take back passkeys, passphrase and code app of the person (a device was lost), and end all sessions."""
    person = hsa_id(hsa)

    async def work(journal: Journal) -> None:
        for name in ("drop_passkeys", "drop_passphrase", "drop_enrolment"):
            await people.run(journal, name, person=person)
        await people.revoke(journal, person, None, "ways in taken back")
        await living.changed(journal, person, accounts.TAKEN_BACK)

    _run(data, database, ("ways-in-taken-back", person), work)
    click.echo(f"{person} has no passkey, passphrase or code app any more; all sessions have ended.")
