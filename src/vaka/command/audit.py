"""``vaka audit``: whether what is installed is what was locked, and whether anything is known against it."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime
from pathlib import Path

import click

from vaka import config, errors
from vaka.supply import age, audit, lock, parts


@click.command("audit")
@click.option("--offline", is_flag=True, help="Ask no advisory service.")
def command(offline: bool) -> int:
    """Check what is installed against the lock, then ask for withdrawn versions and known vulnerabilities.

    Exit code 0: all is as locked, and (without --offline) every version was asked about and nothing is known. 1: something was
    found. 75: package index or advisory service could not be asked about everything, so that nothing can be said.
    """
    root = lock.root()
    running, whole = root / "requirements.lock", root / "requirements-test.lock"
    # The tools of tests have a lock of their own, which holds all of the other.
    installed = whole if "pytest" in parts.installed() else running
    found = audit.findings(lock.read(installed), parts.parts(lock.read(running))) + audit.unmet()
    for sentence in found:
        click.echo(sentence)
    if not found:
        click.echo(
            f"Installed as {installed.name} has it: versions, hashes of files, needs; licences are among those allowed."
        )
    _tell_age(running)
    if offline:
        click.echo("Withdrawn versions, known vulnerabilities: NOT ASKED (--offline). `./vaka audit` asks.")
        return 1 if found else 0
    known = _withdrawn(running) | _ask(installed)
    return 1 if found or known else 0


def _withdrawn(locked: Path) -> bool:
    """True where a version has been withdrawn. Unavailable where the package index could not be asked."""
    versions = audit.withdrawn(locked)
    if versions is None:
        raise errors.Unavailable(
            "withdrawn versions: the package index could not be asked; nothing can be said of them",
            help="it needs the package index that pip is set up for",
        )
    for version in versions:
        click.echo(f"{version}: withdrawn by its project; tools/lock.sh --upgrade takes another")
    click.echo(f"Withdrawn versions: {len(versions)}, as the package index has it.")
    return bool(versions)


def _tell_age(locked: Path) -> None:
    ages = age.ages_days(locked, datetime.now(UTC))
    if ages is None:
        click.echo("Age of the lock: not known, this is no git checkout.")
        return
    old = sorted((days, name) for name, days in ages.items() if days > config.LOCK_AGE_DAYS)
    click.echo(f"Age of the lock: its oldest entry was written {max(ages.values(), default=0)} days ago.")
    if old:
        names = ", ".join(name for _, name in reversed(old))
        click.echo(f"  over {config.LOCK_AGE_DAYS} days: {names}. Look whether there is newer: tools/lock.sh --upgrade")


def _ask(locked: Path) -> bool:
    """True where something is known. Unavailable where not everything could be asked about."""
    if importlib.util.find_spec("pip_audit") is None:
        raise errors.Unavailable(
            "known vulnerabilities were not asked for: pip-audit is not installed",
            help="`./vaka test tests/unit/test_cli.py` installs it; then ask again",
        )
    answer = audit.ask(locked)
    for name, version, advisory, fixed in answer.known:
        click.echo(f"{name} {version}: {advisory}, mended in {fixed}")
    if answer.unasked or not answer.asked:
        count = (
            f"{len(answer.unasked)} of {len(answer.asked) + len(answer.unasked)} packages"
            if answer.unasked
            else "anything"
        )
        raise errors.Unavailable(
            f"known vulnerabilities: the advisory service could not be asked about {count}; nothing can be said of them"
            + (f" ({answer.said})" if answer.said else ""),
            help="run it where the service can be reached; a mirror of the package index often does not offer it",
        )
    click.echo(f"Known vulnerabilities: {len(answer.known)} in {len(answer.asked)} packages, all asked about.")
    return bool(answer.known)
